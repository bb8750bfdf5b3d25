import process from "node:process";

import type { Clock, Process, Stop, TextSink } from "../ports.ts";
import { systemClock } from "./clock.ts";
import { splitLines } from "./lines.ts";
import { pluginProcessEnd, type Again, startPluginProcess } from "./plugin-process.ts";
import { startProgram } from "./program.ts";
import { runInTerminal } from "./run.ts";

/** What the runtimes do better themselves than through `node:process`, which is slow to load there. */
type ProcessParts = {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  isTerminal(fd: number): boolean;
  collectGarbage(): void;
  readonly again: Again;
};

const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;

type StopSignal = (typeof STOP_SIGNALS)[number];

/** Nobody presses a key twice in this time; a launcher forwards within a few ms. */
const ECHO_MS = 50;

export function createProcess(parts: ProcessParts): Process {
  const { stdout, stderr, isTerminal, collectGarbage, again } = parts;
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
    collectGarbage,
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
    runInTerminal,
    startProgram,
    startPluginProcess: startPluginProcess(again),
    pluginProcessEnd,
    keepFilesPrivate: () => void process.umask(0o077),
    onStopSignal(work) {
      const tell = withoutEchoes(work, systemClock);
      const stops = STOP_SIGNALS.map((signal) => on(signal, () => tell(signal)));
      return () => stops.forEach((stop) => stop());
    },
    onHangup: (work) => on("SIGHUP", () => work()),
    onUncaught(work) {
      const stops = [on("uncaughtException", work), on("unhandledRejection", work)];
      return () => stops.forEach((stop) => stop());
    },
    exit: (code) => process.exit(code),
  };
}

/**
 * Tells of a signal once where it comes twice: a terminal sends Ctrl-C to the whole group, and `bun run`,
 * which has it too, forwards it to us again. Taken for a second one it would mean "do not wait".
 */
export function withoutEchoes(
  work: (signal: StopSignal) => void,
  { elapsed }: Pick<Clock, "elapsed">,
): (signal: StopSignal) => void {
  const toldAtMs = new Map<StopSignal, number>();
  return (signal) => {
    const nowMs = elapsed();
    if (nowMs - (toldAtMs.get(signal) ?? Number.NEGATIVE_INFINITY) < ECHO_MS) return;
    toldAtMs.set(signal, nowMs);
    work(signal);
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
