import type { Clock, Timers } from "../ports.ts";

/** Longest delay `setTimeout` can hold; a larger one would run at once. */
const delayMsMax = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  dayStart(ms, hour) {
    const day = new Date(ms);
    if (day.setHours(hour, 0, 0, 0) <= ms) return day.getTime();
    day.setDate(day.getDate() - 1);
    return day.setHours(hour, 0, 0, 0);
  },
};

/**
 * The runtime's timers. What a callback throws reaches `Process.onUncaught`; an interval goes on after it.
 */
export const systemTimers: Timers = {
  after(ms, work) {
    const timer = setTimeout(work, Math.min(ms, delayMsMax));
    return () => clearTimeout(timer);
  },
  every(ms, work) {
    const timer = setInterval(work, Math.min(ms, delayMsMax));
    return () => clearInterval(timer);
  },
};
