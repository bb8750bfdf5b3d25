import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import process from "node:process";

import { Events, type Subject } from "./suite.ts";

export type Child = {
  readonly process: ChildProcessWithoutNullStreams;
  /** Lines of its standard output. */
  readonly lines: Events<string>;
  readonly errors: Events<string>;
  /** Unlike the runtimes' own `kill`, may be called more than once. */
  signal(name: "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGKILL"): void;
  /** Its code, or the signal that ended it. */
  readonly exit: Promise<number | string | null>;
};

type ChildOptions = { readonly env?: Readonly<Record<string, string>>; readonly isRead?: boolean };

/** Starts `child.ts` on the same runtime. With `isRead: false` its standard output is left to stall. */
export function startChild(
  command: Subject["child"],
  args: readonly string[],
  options: ChildOptions = {},
): Child {
  const [program, ...rest] = command;
  const child = spawn(program, [...rest, ...args], { env: { ...process.env, ...options.env } });
  const lines = new Events<string>();
  const errors = new Events<string>();
  if (options.isRead !== false) pushLines(child.stdout, lines);
  pushLines(child.stderr, errors);
  const exit = new Promise<number | string | null>((resolve) => {
    child.on("close", (code, signal) => resolve(signal ?? code));
  });
  const signal: Child["signal"] = (name) => void (child.pid !== undefined && process.kill(child.pid, name));
  return { process: child, lines, errors, signal, exit };
}

function pushLines(stream: NodeJS.ReadableStream, lines: Events<string>): void {
  let rest = "";
  stream.on("data", (chunk: Uint8Array) => {
    const parts = (rest + new TextDecoder().decode(chunk)).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) lines.push(line);
  });
}
