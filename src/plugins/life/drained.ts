import { LIMITS } from "../../contract/limits.ts";
import type { Timers } from "../../ports.ts";
import type { RunningPlugin } from "../running.ts";

/** Most calls are answered at once; one that is not may take its time. */
const LOOK_MS_MIN = 10;
const LOOK_MS_MAX = 250;

/** Resolves when the last call has been answered, or has had its time, or nobody can wait any more. */
export function drained(timers: Timers, plugin: RunningPlugin, isCut: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (waitedMs: number, pauseMs: number): void => {
      const isOver = plugin.active() === 0 || waitedMs >= LIMITS.pluginDrainMs || isCut();
      if (isOver) return resolve();
      timers.after(pauseMs, () => look(waitedMs + pauseMs, Math.min(2 * pauseMs, LOOK_MS_MAX)));
    };
    look(0, LOOK_MS_MIN);
  });
}
