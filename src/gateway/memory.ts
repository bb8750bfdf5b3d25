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
  const { memoryLargeBytes, memoryGrowthBytes, memoryLookMs, memoryLargeLookMs } = LIMITS;
  let afterLast = 0;
  let stop: Stop = () => {};
  const look = (): void => {
    const now = memory.rssBytes();
    const isLarge = now >= memoryLargeBytes;
    if (isLarge && now - afterLast >= memoryGrowthBytes) {
      memory.collectGarbage();
      // Not less than it was large: what is in use then is no reason to try again each time.
      afterLast = Math.max(memory.rssBytes(), memoryLargeBytes - memoryGrowthBytes);
    }
    stop = timers.after(isLarge ? memoryLargeLookMs : memoryLookMs, look);
  };
  stop = timers.after(memoryLookMs, look);
  return () => stop();
}
