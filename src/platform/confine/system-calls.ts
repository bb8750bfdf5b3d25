/** The processors whose kernel we know how to talk to, by `process.arch`. */
export type Machine = "x64" | "arm64";

/**
 * Numbers of the kernel's calls, on x64 and on arm64; undefined where there is no such call. From the kernel's
 * own headers; from 424 on all processors share theirs.
 */
const NUMBERS = {
  // programs
  execve: [59, 221],
  execveat: [322, 281],
  fork: [57, undefined],
  vfork: [58, undefined],
  clone: [56, 220],
  clone3: [435, 435],
  // network, and what else reaches other programs
  socket: [41, 198],
  socketpair: [53, 199],
  connect: [42, 203],
  bind: [49, 200],
  listen: [50, 201],
  shmget: [29, 194],
  msgget: [68, 186],
  semget: [64, 190],
  mq_open: [240, 180],
  // other processes of the same user
  kill: [62, 129],
  tkill: [200, 130],
  tgkill: [234, 131],
  rt_sigqueueinfo: [129, 138],
  rt_tgsigqueueinfo: [297, 240],
  pidfd_send_signal: [424, 424],
  pidfd_open: [434, 434],
  pidfd_getfd: [438, 438],
  prlimit64: [302, 261],
  sched_setscheduler: [144, 119],
  sched_setparam: [142, 118],
  sched_setattr: [314, 274],
  sched_setaffinity: [203, 122],
  setpriority: [141, 140],
  ioprio_set: [251, 30],
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  process_madvise: [440, 440],
  kcmp: [312, 272],
  migrate_pages: [256, 238],
  move_pages: [279, 239],
  // ways around a filter, and parts of the kernel that no plugin needs
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  keyctl: [250, 219],
  add_key: [248, 217],
  request_key: [249, 218],
  fanotify_init: [300, 262],
  open_by_handle_at: [304, 265],
  // the machine itself, for gateways that the superuser runs
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  setns: [308, 268],
  unshare: [272, 97],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  open_tree_attr: [467, 467],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  acct: [163, 89],
  syslog: [103, 116],
  iopl: [172, undefined],
  ioperm: [173, undefined],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  adjtimex: [159, 171],
  clock_adjtime: [305, 266],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  // changes of files that Landlock does not look at
  truncate: [76, 45],
  chmod: [90, undefined],
  fchmodat: [268, 53],
  fchmodat2: [452, 452],
  chown: [92, undefined],
  lchown: [94, undefined],
  fchownat: [260, 54],
  utime: [132, undefined],
  utimes: [235, undefined],
  futimesat: [261, undefined],
  utimensat: [280, 88],
  setxattr: [188, 5],
  lsetxattr: [189, 6],
  setxattrat: [463, 463],
  removexattr: [197, 14],
  lremovexattr: [198, 15],
  removexattrat: [466, 466],
  file_setattr: [469, 469],
  // what the confining itself needs
  prctl: [157, 167],
  seccomp: [317, 277],
  landlock_create_ruleset: [444, 444],
  landlock_add_rule: [445, 445],
  landlock_restrict_self: [446, 446],
} as const satisfies Readonly<Record<string, readonly [number | undefined, number | undefined]>>;

export type CallName = keyof typeof NUMBERS;

/** The newest call that was known when these lists were made: what came later is refused unseen. */
export const NEWEST_CALL = 469;

/** How the kernel names the processor to a filter (`AUDIT_ARCH_…`). */
export const AUDIT_ARCH: Readonly<Record<Machine, number>> = { x64: 0xc000_003e, arm64: 0xc000_00b7 };

/** @returns undefined where the processor has no such call */
export function numberOf(name: CallName, machine: Machine): number | undefined {
  const [x64, arm64] = NUMBERS[name];
  return machine === "x64" ? x64 : arm64;
}
