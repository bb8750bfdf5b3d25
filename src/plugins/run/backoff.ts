import { LIMITS } from "../../contract/limits.ts";
import type { Clock, Stop, Timers } from "../../ports.ts";

/** When what failed is tried again: later each time, and soon again after a quiet while. */
export class Backoff {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #again: () => void;
  #pauseMs: number = LIMITS.restartPauseMsMin;
  #healthySinceMs: number | undefined;
  #cancel: Stop | undefined;

  constructor({ clock, timers }: { readonly clock: Clock; readonly timers: Timers }, again: () => void) {
    this.#clock = clock;
    this.#timers = timers;
    this.#again = again;
  }

  /** It runs. */
  healthy(): void {
    this.cancel();
    this.#healthySinceMs = this.#clock.elapsed();
  }

  /** @returns the pause before it is tried again, ms */
  failed(): number {
    const sinceMs = this.#healthySinceMs;
    if (sinceMs !== undefined && this.#clock.elapsed() - sinceMs >= LIMITS.restartQuietMs) this.forget();
    this.#healthySinceMs = undefined;
    this.cancel();
    const pauseMs = this.#pauseMs;
    this.#cancel = this.#timers.after(pauseMs, this.#again);
    this.#pauseMs = Math.min(2 * pauseMs, LIMITS.restartPauseMsMax);
    return pauseMs;
  }

  /** It has failed, and is not tried again yet. */
  get isWaiting(): boolean {
    return this.#cancel !== undefined;
  }

  /** It failed for somebody else's fault: at once, and it counts for nothing. */
  failedForAnother(): void {
    this.cancel();
    this.#cancel = this.#timers.after(0, this.#again);
  }

  /** Somebody has changed something: what was before says nothing. */
  forget(): void {
    this.#pauseMs = LIMITS.restartPauseMsMin;
  }

  cancel(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
