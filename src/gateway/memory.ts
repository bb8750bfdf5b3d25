import { LIMITS } from "../contract/limits.ts";
import type { Process, Stop, Timers } from "../ports.ts";

/** What is left of a process's memory that its runtime would rather collect later. */
type Memory = Pick<Process, "rssBytes" | "collectGarbage">;

/**
 * Has garbage collected while the process is large and grows: left alone, the runtime lets it pile up to
 * several times of what is in use, on a machine where that is memory of others. A small process is never
 * looked after: a collection stops everything for some ten milliseconds.
 */
export function keepSmall(memory: Memory, timers: Timers): Stop {
  let afterLast = 0;
  return timers.every(LIMITS.memoryLookMs, () => {
    const now = memory.rssBytes();
    if (now < LIMITS.memoryLargeBytes || now - afterLast < LIMITS.memoryGrowthBytes) return;
    memory.collectGarbage();
    // Not less than it was large: what is in use then is no reason to try again each second.
    afterLast = Math.max(memory.rssBytes(), LIMITS.memoryLargeBytes - LIMITS.memoryGrowthBytes);
  });
}
