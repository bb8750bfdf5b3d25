import process from "node:process";

import type { Process, Stop, TextSink } from "../ports.ts";
import { splitLines } from "./lines.ts";

/** What the runtimes do better themselves than through `node:process`, which is slow to load there. */
type ProcessParts = {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  isTerminal(fd: number): boolean;
};

const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;

export function createProcess({ stdout, stderr, isTerminal }: ProcessParts): Process {
  return {
    args: process.argv.slice(2),
    env: process.env,
    pid: process.pid,
    // Asked for rarely, and loading `node:os` is part of every start otherwise.
    get home() {
      return process.env["HOME"] || system().userInfo().homedir;
    },
    get hostname() {
      return system().hostname();
    },
    get cpuCount() {
      return system().availableParallelism();
    },
    rssBytes: () => process.memoryUsage.rss(),
    addresses: () =>
      Object.values(system().networkInterfaces()).flatMap(
        (entries) => entries?.map(({ address }) => address) ?? [],
      ),
    stdout,
    stderr,
    get stdinIsTerminal() {
      return isTerminal(0);
    },
    lines: () => splitLines(process.stdin),
    onStopSignal(work) {
      const stops = STOP_SIGNALS.map((signal) => on(signal, () => work(signal)));
      return () => stops.forEach((stop) => stop());
    },
    onUncaught(work) {
      const stops = [on("uncaughtException", work), on("unhandledRejection", work)];
      return () => stops.forEach((stop) => stop());
    },
    exit: (code) => process.exit(code),
  };
}

function system() {
  return process.getBuiltinModule("node:os");
}

function on(event: string, work: (value: unknown) => void): Stop {
  // One listener for each call, so that a Stop removes its own even if `work` is registered twice.
  const listener = (value: unknown): void => work(value);
  process.on(event, listener);
  return () => process.off(event, listener);
}
