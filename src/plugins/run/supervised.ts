import { messageOf } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Clock, Timers } from "../../ports.ts";

interface Supervision {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Ends it: the work's own signal follows. */
  readonly signal: AbortSignal;
  readonly onState: (state: "running" | "ended" | "failed", detail?: string) => void;
}

/**
 * Runs `work` until it returns or `signal` is aborted; when it throws, again after a pause, which doubles
 * with each failure and is forgotten when it has run for `LIMITS.restartQuietMs`.
 */
export function supervise(
  work: (signal: AbortSignal) => void | Promise<void>,
  { clock, timers, signal, onState }: Supervision,
): void {
  let pauseMs: number = LIMITS.restartPauseMsMin;

  async function once(): Promise<void> {
    if (signal.aborted) return;
    const begunMs = clock.elapsed();
    onState("running");
    try {
      await work(signal);
      onState("ended");
    } catch (error) {
      if (signal.aborted) return onState("ended");
      if (clock.elapsed() - begunMs >= LIMITS.restartQuietMs) pauseMs = LIMITS.restartPauseMsMin;
      onState("failed", `${messageOf(error)}; again in ${pauseMs / 1_000} s`);
      again();
    }
  }

  function again(): void {
    const stop = timers.after(pauseMs, () => {
      signal.removeEventListener("abort", end);
      void once();
    });
    const end = (): void => {
      stop();
      onState("ended");
    };
    signal.addEventListener("abort", end, { once: true });
    pauseMs = Math.min(pauseMs * 2, LIMITS.restartPauseMsMax);
  }

  void once();
}
