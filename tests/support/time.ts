import type { Clock, Stop, Timers } from "../../src/ports.ts";

/** Time that passes only when told to. */
export interface FakeTime {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Runs what is due within the next `ms`, in order of time. */
  advance(ms: number): void;
  /** Timers that are set. */
  pending(): number;
}

export function createFakeTime(startMs = 1_800_000_000_000): FakeTime {
  type Timer = { readonly atMs: number; readonly everyMs: number | undefined; readonly work: () => void };
  let elapsedMs = 0;
  const timers = new Set<Timer>();

  function add(timer: Timer): Stop {
    timers.add(timer);
    return () => void timers.delete(timer);
  }

  function next(untilMs: number): Timer | undefined {
    const due = [...timers].filter((timer) => timer.atMs <= untilMs);
    return due.sort((a, b) => a.atMs - b.atMs)[0];
  }

  return {
    clock: { now: () => startMs + elapsedMs, elapsed: () => elapsedMs, dayStart: dayStartUtc },
    timers: {
      after: (ms, work) => add({ atMs: elapsedMs + ms, everyMs: undefined, work }),
      every(ms, work) {
        let stop: Stop = () => {};
        const arm = (): void => {
          stop = add({
            atMs: elapsedMs + ms,
            everyMs: ms,
            work: () => {
              arm();
              work();
            },
          });
        };
        arm();
        return () => stop();
      },
    },
    advance(ms) {
      const untilMs = elapsedMs + ms;
      for (let timer = next(untilMs); timer; timer = next(untilMs)) {
        elapsedMs = Math.max(elapsedMs, timer.atMs);
        timers.delete(timer);
        timer.work();
      }
      elapsedMs = untilMs;
    },
    pending: () => timers.size,
  };
}

/** Where clocks show UTC. */
export function dayStartUtc(ms: number, hour: number): number {
  const dayMs = 24 * 60 * 60_000;
  const offsetMs = hour * 60 * 60_000;
  return Math.floor((ms - offsetMs) / dayMs) * dayMs + offsetMs;
}
