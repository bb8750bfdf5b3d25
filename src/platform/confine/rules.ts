import type { Confinement } from "../../ports.ts";
import { EACCES, ENOSYS } from "./filter.ts";
import type { Condition, Rule } from "./filter.ts";

/** What the rules depend on besides what is granted. */
export interface Facts {
  readonly pid: number;
  /** 0 without Landlock. */
  readonly landlockVersion: number;
  /** This C library signals its own threads by `tkill`, which names no process. */
  readonly isMusl: boolean;
}

const ALL_BITS = 0xffff_ffff;

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
/** Finding a name's address asks the kernel which kinds of addresses there are. */
const AF_NETLINK = 16;
const SOCK_STREAM = 1;
const SOCK_TYPE_MASK = 0xf;
const CLONE_THREAD = 0x1_0000;

/** Landlock looks at `truncate` from here on. */
const LANDLOCK_TRUNCATES = 3;

/** What the filter of a process with these grants refuses. */
export function rulesOf(granted: Pick<Confinement, "network" | "exec">, facts: Facts): Rule[] {
  return [...never(), ...ofOthers(granted, facts), ...ofPrograms(granted), ...ofNetwork(granted)].concat(
    ofFiles(granted, facts),
  );
}

/** Refused whatever is granted: ways around the filter, the memory of others, the machine itself. */
function never(): Rule[] {
  return [
    refuse("io_uring_setup", "io_uring_enter", "io_uring_register"),
    refuse("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd"),
    refuse("migrate_pages", "move_pages", "bpf", "perf_event_open", "userfaultfd", "fanotify_init"),
    refuse("keyctl", "add_key", "request_key", "open_by_handle_at"),
    refuse("mount", "umount2", "pivot_root", "chroot", "setns", "unshare", "mount_setattr"),
    refuse("open_tree", "open_tree_attr", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick"),
    refuse("quotactl", "quotactl_fd", "init_module", "finit_module", "delete_module"),
    refuse("kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "acct", "syslog"),
    refuse("iopl", "ioperm", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime"),
    refuse("sethostname", "setdomainname"),
  ];
}

/**
 * Signals and bounds for other processes of the same user, the gateway among them. With programs of its own
 * a plugin may signal those, and Landlock keeps it from all others.
 */
function ofOthers({ exec }: Pick<Confinement, "exec">, { pid, isMusl }: Facts): Rule[] {
  const isUs: Condition = { argument: 0, mask: ALL_BITS, oneOf: [pid] };
  const isUsOrZero: Condition = { argument: 0, mask: ALL_BITS, oneOf: [0, pid] };
  const isWeOrZero: Condition = { ...isUsOrZero, argument: 1 };
  if (exec) return [];
  return [
    { ...refuse("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"), unless: [isUs] },
    refuse("pidfd_open", "pidfd_send_signal", ...(isMusl ? [] : (["tkill"] as const))),
    { ...refuse("prlimit64", "sched_setscheduler", "sched_setparam"), unless: [isUsOrZero] },
    { ...refuse("sched_setattr", "sched_setaffinity"), unless: [isUsOrZero] },
    { ...refuse("setpriority", "ioprio_set"), unless: [isWeOrZero] },
  ];
}

function ofPrograms({ exec }: Pick<Confinement, "exec">): Rule[] {
  if (exec) return [];
  const isThread: Condition = { argument: 0, mask: CLONE_THREAD, oneOf: [CLONE_THREAD] };
  return [
    refuse("execve", "execveat", "fork", "vfork"),
    { ...refuse("clone"), unless: [isThread] },
    // Its arguments are in memory, where no filter can look; C libraries fall back to `clone`.
    { calls: ["clone3"], errno: ENOSYS },
  ];
}

function ofNetwork({ network, exec }: Pick<Confinement, "network" | "exec">): Rule[] {
  if (network && exec) return [];
  // A service behind a socket in a file (a container daemon, a session bus) starts programs for who asks.
  const isInternet: Condition = { argument: 0, mask: ALL_BITS, oneOf: [AF_INET, AF_INET6, AF_NETLINK] };
  const isUnix: Condition = { argument: 0, mask: ALL_BITS, oneOf: [AF_UNIX] };
  // A pair of this kind is connected for good: it is a pipe. One of datagrams could be led elsewhere.
  const isStream: Condition = { argument: 1, mask: SOCK_TYPE_MASK, oneOf: [SOCK_STREAM] };
  const pair: Rule = { ...refuse("socketpair"), unless: [isUnix, isStream] };
  if (network) return [{ ...refuse("socket"), unless: [isInternet] }, pair];
  return [refuse("socket", "connect", "bind", "listen", "shmget", "msgget", "semget", "mq_open"), pair];
}

/**
 * What changes a file by its path and is not Landlock's to refuse: its mode, owner, times. Programs that a
 * plugin may start, `git` for one, cannot do without changing modes.
 */
function ofFiles({ exec }: Pick<Confinement, "exec">, { landlockVersion }: Facts): Rule[] {
  const truncate = landlockVersion < LANDLOCK_TRUNCATES ? [refuse("truncate")] : [];
  if (exec) return truncate;
  return [
    ...truncate,
    refuse("chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat", "file_setattr"),
    refuse("utime", "utimes", "futimesat", "utimensat"),
    refuse("setxattr", "lsetxattr", "setxattrat", "removexattr", "lremovexattr", "removexattrat"),
  ];
}

function refuse(...calls: Rule["calls"]): Rule {
  return { calls, errno: EACCES };
}
