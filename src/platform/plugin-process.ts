import { createWriteStream, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

import type { Confinement, PluginProcessEnd, Process } from "../ports.ts";
import { wordsOf } from "./failures.ts";
import { startOwn } from "./program.ts";

/** How this very program is started once more. */
export type Again = (confinement: Confinement) => readonly [string, ...string[]];

/** The argument that makes the program a process of plugins. */
const COMMAND = "plugin-host";

/** Where it writes to us. */
const CHANNEL = 3;

/** The system ends what is worth the least when memory is short: never the gateway first. */
const OOM_SCORE = "500";

/** The same for the processor: one that spins leaves three quarters of it to the gateway. */
const NICENESS = 5;

/**
 * Ends with us, however we end, tells nobody on the net of a crash, asks nobody for a newer version, and
 * writes words alone.
 */
const ENV = {
  BUN_FEATURE_FLAG_NO_ORPHANS: "1",
  BUN_ENABLE_CRASH_REPORTING: "0",
  DO_NOT_TRACK: "1",
  DENO_NO_UPDATE_CHECK: "1",
  NO_COLOR: "1",
};

export function startPluginProcess(again: Again): Process["startPluginProcess"] {
  return async ({ directory, env, confinement }) => {
    try {
      // Not over a pipe: to be confined it may have to start anew, and what it has read would be lost.
      const command = [...again(confinement), COMMAND, JSON.stringify(confinement)] as const;
      const program = await startOwn({
        command,
        directory,
        env: { ...env, ...ENV },
        hasChannel: true,
      });
      return { program, rssBytes: async () => rssOf(program.pid) };
    } catch (cause) {
      throw new Error(`Cannot start process of plugins: ${wordsOf(cause)}`, { cause });
    }
  };
}

function rssOf(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const kib = /^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    // It has ended, or this system tells such things elsewhere.
    return undefined;
  }
}

/** This process as one of plugins. */
export function pluginProcessEnd(): PluginProcessEnd {
  const channel = createWriteStream("", { fd: CHANNEL });
  // The gateway is gone then, which the end of the input tells.
  channel.on("error", () => {});
  return {
    get input() {
      return process.stdin;
    },
    write: (text) =>
      new Promise((resolve, reject) => {
        channel.write(text, (error) => (error ? reject(error) : resolve()));
      }),
    async confine(confinement) {
      sparesOthers();
      // The gateway itself never is: it has no need of the code.
      const { confine } = await import("./confine/confine.ts");
      return confine(confinement);
    },
  };
}

function sparesOthers(): void {
  // A system without them decides as it likes.
  for (const spare of [spareMemory, spareProcessor]) {
    try {
      spare();
    } catch {
      // Nor is one of them a reason to go without the other.
    }
  }
}

function spareMemory(): void {
  writeFileSync("/proc/self/oom_score_adj", OOM_SCORE);
}

function spareProcessor(): void {
  const { getPriority, setPriority } = process.getBuiltinModule("node:os");
  // Whoever has started us less important than that has said so.
  if (getPriority() < NICENESS) setPriority(NICENESS);
}
