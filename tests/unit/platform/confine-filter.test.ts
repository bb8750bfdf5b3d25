// The filter as data: a machine like the kernel's runs what we assemble, for each processor. The numbers here
// are from the kernel's headers, not from our tables.
import { expect, test } from "bun:test";

import { assemble, encode } from "../../../src/platform/confine/filter.ts";
import { rulesOf } from "../../../src/platform/confine/rules.ts";
import type { Facts } from "../../../src/platform/confine/rules.ts";
import type { Machine } from "../../../src/platform/confine/system-calls.ts";

const PID = 4_711;
const FACTS: Facts = { pid: PID, landlockVersion: 7, isMusl: false };

const NOTHING = { network: false, exec: false };
const NETWORK = { network: true, exec: false };
const EXEC = { network: false, exec: true };
const BOTH = { network: true, exec: true };

/** The longest program the kernel takes (`BPF_MAXINSNS`). */
const PROGRAM_MAX = 4_096;

const AUDIT_ARCH = { x64: 0xc000_003e, arm64: 0xc000_00b7, i386: 0x4000_0003, arm: 0x4000_0028 };

interface Call {
  readonly number: number;
  readonly args?: readonly number[];
  readonly arch?: number;
}

type Verdict = "allowed" | "EACCES" | "ENOSYS";

/** Runs the encoded program as the kernel does, and is as strict about it. */
function run(program: Uint8Array, { number, args = [], arch = 0 }: Call): Verdict {
  const data = new DataView(new ArrayBuffer(64));
  data.setInt32(0, number, true);
  data.setUint32(4, arch, true);
  // What is above the 32 bits that count is whatever the caller left in the register.
  args.forEach((arg, index) => data.setBigUint64(16 + 8 * index, BigInt.asUintN(64, BigInt(arg)), true));
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  let accumulator = 0;
  for (let at = 0; at < program.byteLength; at += 8) {
    const [operation, jt, jf] = [code.getUint16(at, true), code.getUint8(at + 2), code.getUint8(at + 3)];
    const k = code.getUint32(at + 4, true);
    if (operation === 0x06) return verdictOf(k);
    else if (operation === 0x20) accumulator = data.getUint32(k, true);
    else if (operation === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (operation === 0x15) at += 8 * (accumulator === k ? jt : jf);
    else if (operation === 0x25) at += 8 * (accumulator > k ? jt : jf);
    else throw new Error(`no such instruction: ${operation}`);
  }
  throw new Error("the program ends without a verdict");
}

function verdictOf(k: number): Verdict {
  if (k === 0x7fff_0000) return "allowed";
  if (k === 0x0005_000d) return "EACCES";
  if (k === 0x0005_0026) return "ENOSYS";
  throw new Error(`no such verdict: ${k.toString(16)}`);
}

function judge(machine: Machine, granted: typeof NOTHING, facts: Partial<Facts> = {}) {
  const program = encode(assemble(rulesOf(granted, { ...FACTS, ...facts }), machine));
  return (number: number, ...args: number[]): Verdict =>
    run(program, { number, args, arch: AUDIT_ARCH[machine] });
}

/** Numbers by name, x64 and arm64, of what the cases below are about. */
const CALLS = {
  read: { x64: 0, arm64: 63 },
  openat: { x64: 257, arm64: 56 },
  futex: { x64: 202, arm64: 98 },
  mmap: { x64: 9, arm64: 222 },
  execve: { x64: 59, arm64: 221 },
  execveat: { x64: 322, arm64: 281 },
  clone: { x64: 56, arm64: 220 },
  clone3: { x64: 435, arm64: 435 },
  socket: { x64: 41, arm64: 198 },
  socketpair: { x64: 53, arm64: 199 },
  connect: { x64: 42, arm64: 203 },
  bind: { x64: 49, arm64: 200 },
  kill: { x64: 62, arm64: 129 },
  tkill: { x64: 200, arm64: 130 },
  tgkill: { x64: 234, arm64: 131 },
  prlimit64: { x64: 302, arm64: 261 },
  setpriority: { x64: 141, arm64: 140 },
  ptrace: { x64: 101, arm64: 117 },
  process_vm_writev: { x64: 311, arm64: 271 },
  pidfd_getfd: { x64: 438, arm64: 438 },
  pidfd_open: { x64: 434, arm64: 434 },
  io_uring_setup: { x64: 425, arm64: 425 },
  mount: { x64: 165, arm64: 40 },
  truncate: { x64: 76, arm64: 45 },
  fchmodat: { x64: 268, arm64: 53 },
  utimensat: { x64: 280, arm64: 88 },
} as const;

for (const machine of ["x64", "arm64"] as const) {
  const of = (name: keyof typeof CALLS): number => CALLS[name][machine];

  test(`${machine}: what every program does is allowed, whatever is granted`, () => {
    for (const granted of [NOTHING, NETWORK, EXEC, BOTH]) {
      const verdict = judge(machine, granted);
      for (const name of ["read", "openat", "futex", "mmap"] as const)
        expect(verdict(of(name))).toBe("allowed");
      // Threads, signals among them, and pipes.
      expect(verdict(of("clone"), 0x3d_0f00)).toBe("allowed");
      expect(verdict(of("tgkill"), PID, 4_712, 10)).toBe("allowed");
      expect(verdict(of("prlimit64"), 0, 3)).toBe("allowed");
      expect(verdict(of("socketpair"), 1, 1)).toBe("allowed");
      expect(verdict(of("socketpair"), 1, 1 | 0x8_0000 | 0x800)).toBe("allowed");
    }
  });

  test(`${machine}: ways around the filter are refused, whatever is granted`, () => {
    const names = ["io_uring_setup", "ptrace", "process_vm_writev", "pidfd_getfd", "mount"] as const;
    for (const granted of [NOTHING, NETWORK, EXEC, BOTH]) {
      const verdict = judge(machine, granted);
      for (const name of names) expect(verdict(of(name))).toBe("EACCES");
      // Newer than our lists.
      expect(verdict(470)).toBe("ENOSYS");
      expect(verdict(-1)).toBe("ENOSYS");
    }
  });

  test(`${machine}: calls by the numbers of another processor are refused`, () => {
    const program = encode(assemble(rulesOf(BOTH, FACTS), machine));
    const others = Object.values(AUDIT_ARCH).filter((arch) => arch !== AUDIT_ARCH[machine]);
    for (const arch of others) expect(run(program, { number: of("read"), arch })).toBe("EACCES");
    // x32: the same processor to the filter, the numbers with a bit set, or from 512 on.
    expect(judge(machine, BOTH)(0x4000_0000 + of("socket"), 2, 1)).toBe("ENOSYS");
    expect(judge(machine, BOTH)(520)).toBe("ENOSYS");
  });

  test(`${machine}: no other program starts, in no way, until that is granted`, () => {
    for (const granted of [NOTHING, NETWORK]) {
      const verdict = judge(machine, granted);
      expect(verdict(of("execve"))).toBe("EACCES");
      expect(verdict(of("execveat"))).toBe("EACCES");
      // As `fork`, as `vfork`; where the flags cannot be read, C libraries come back with `clone`.
      expect(verdict(of("clone"), 17)).toBe("EACCES");
      expect(verdict(of("clone"), 0x4100 | 17)).toBe("EACCES");
      expect(verdict(of("clone3"))).toBe("ENOSYS");
    }
    for (const granted of [EXEC, BOTH]) {
      const verdict = judge(machine, granted);
      for (const name of ["execve", "clone", "clone3", "kill"] as const) {
        expect(verdict(of(name), 17)).toBe("allowed");
      }
    }
  });

  test(`${machine}: sockets are refused, until the network is granted`, () => {
    for (const granted of [NOTHING, EXEC]) {
      const verdict = judge(machine, granted);
      // Files, internet 4 and 6, kernel, packets, virtual machines; and with rubbish above the int.
      for (const family of [1, 2, 10, 16, 17, 40]) expect(verdict(of("socket"), family, 1)).toBe("EACCES");
      expect(verdict(of("socket"), 2 ** 32 + 2, 1)).toBe("EACCES");
      expect(verdict(of("connect"))).toBe("EACCES");
      expect(verdict(of("bind"))).toBe("EACCES");
      // A pair of datagram sockets may be led to an address afterwards.
      expect(verdict(of("socketpair"), 1, 2)).toBe("EACCES");
      expect(verdict(of("socketpair"), 2, 1)).toBe("EACCES");
    }
    const granted = judge(machine, NETWORK);
    for (const family of [2, 10, 16]) expect(granted(of("socket"), family, 1)).toBe("allowed");
    expect(granted(of("connect"))).toBe("allowed");
    // Through the services behind these other programs could be started.
    for (const family of [1, 17, 40]) expect(granted(of("socket"), family, 1)).toBe("EACCES");
    expect(granted(of("socketpair"), 1, 2)).toBe("EACCES");
    expect(judge(machine, BOTH)(of("socket"), 1, 1)).toBe("allowed");
  });

  test(`${machine}: other processes get no signals and no bounds`, () => {
    const verdict = judge(machine, NETWORK);
    expect(verdict(of("kill"), PID, 15)).toBe("allowed");
    for (const pid of [1, 0, -1, -PID, PID + 1]) expect(verdict(of("kill"), pid, 9)).toBe("EACCES");
    expect(verdict(of("tgkill"), 1, 1, 9)).toBe("EACCES");
    expect(verdict(of("tkill"), 1, 9)).toBe("EACCES");
    expect(verdict(of("pidfd_open"), 1)).toBe("EACCES");
    expect(verdict(of("prlimit64"), PID, 0)).toBe("allowed");
    expect(verdict(of("prlimit64"), 1, 0)).toBe("EACCES");
    expect(verdict(of("setpriority"), 0, 0)).toBe("allowed");
    expect(verdict(of("setpriority"), 0, 1)).toBe("EACCES");
    expect(judge(machine, NETWORK, { isMusl: true })(of("tkill"), 1, 9)).toBe("allowed");
  });

  test(`${machine}: what Landlock does not look at is refused here`, () => {
    for (const name of ["fchmodat", "utimensat"] as const) {
      expect(judge(machine, NOTHING)(of(name))).toBe("EACCES");
      expect(judge(machine, EXEC)(of(name))).toBe("allowed");
    }
    for (const granted of [NOTHING, BOTH]) {
      expect(judge(machine, granted)(of("truncate"))).toBe("allowed");
      expect(judge(machine, granted, { landlockVersion: 2 })(of("truncate"))).toBe("EACCES");
    }
  });

  test(`${machine}: the kernel takes programs of that length`, () => {
    const lengths = [NOTHING, NETWORK, EXEC, BOTH].map(
      (granted) => assemble(rulesOf(granted, { ...FACTS, landlockVersion: 1 }), machine).length,
    );
    expect(Math.max(...lengths)).toBeLessThan(PROGRAM_MAX);
  });
}

test("what only x64 has is refused there, and means something else on arm64", () => {
  const x64 = judge("x64", NOTHING);
  // fork, vfork, chmod, chown, lchown, utime, iopl, utimes, futimesat
  for (const number of [57, 58, 90, 92, 94, 132, 172, 235, 261]) expect(x64(number)).toBe("EACCES");
  // close, openat, capget, prctl-less ones, getpid: the same numbers on the other processor
  const arm64 = judge("arm64", NOTHING);
  for (const number of [57, 90, 94, 172]) expect(arm64(number)).toBe("allowed");
});
