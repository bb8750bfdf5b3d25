import { existsSync, readFileSync } from "node:fs";

/** One system call that is to fail: the `nth` of its name that touches the files. */
export interface Fault {
  readonly call: string;
  readonly nth: number;
  readonly error: "EIO" | "ENOSPC";
}

/** A program whose system calls on some files are watched, and one of them made to fail. */
export interface Traced {
  /** What to start; its process is the program's own. */
  readonly command: readonly string[];
  /** How often each of the calls was made. */
  counts(): Map<string, number>;
  /** Whether the fault has come about. */
  hasFailed(): boolean;
}

interface TraceOptions {
  readonly calls: readonly string[];
  /** Whether they exist or not. */
  readonly files: readonly string[];
  /** Where the trace is written. */
  readonly output: string;
  readonly fault?: Fault | undefined;
}

/** @throws Error where the system has no strace: nothing is left out without a word */
export function traced(command: readonly string[], { calls, files, output, fault }: TraceOptions): Traced {
  const strace = Bun.which("strace");
  if (strace === null) throw new Error("Cannot make system calls fail: there is no strace on this machine");
  const inject = fault ? ["-e", `inject=${fault.call}:error=${fault.error}:when=${fault.nth}`] : [];
  const paths = files.flatMap((file) => ["-P", file]);
  const read = (): string => (existsSync(output) ? readFileSync(output, "utf8") : "");
  return {
    // -D: the program is our child, and strace its grandchild.
    command: [
      strace,
      ...["-D", "-f", "-qq", "--seccomp-bpf", "-o", output, "-e", `trace=${calls.join(",")}`],
      ...paths,
      ...inject,
      ...command,
    ],
    counts() {
      const counts = new Map<string, number>();
      for (const [, call = ""] of read().matchAll(/^\d+ +(\w+)\(/gm))
        counts.set(call, (counts.get(call) ?? 0) + 1);
      return counts;
    },
    hasFailed: () => read().includes("(INJECTED)"),
  };
}
