import type { Stop, Timers } from "../../ports.ts";
import type { StoredRun } from "./rows.ts";

/** How a run ended, for those who wait. */
export type Ended = Pick<StoredRun, "status" | "startedAt" | "endedAt" | "error" | "stoppedBy">;

/** Who waits for the end of which run. */
export class Waits {
  readonly #timers: Timers;
  readonly #waiters = new Map<string, Set<(ended: Ended) => void>>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** @param onGone tells when nobody wants to know any more */
  wait(runId: string, timeoutMs: number, onGone: (work: () => void) => Stop): Promise<Ended | "timeout"> {
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(runId) ?? new Set();
      this.#waiters.set(runId, waiters);
      let stopGone: Stop = () => {};
      const settle = (outcome: Ended | "timeout"): void => {
        stopTimer();
        stopGone();
        waiters.delete(settle);
        if (waiters.size === 0) this.#waiters.delete(runId);
        resolve(outcome);
      };
      waiters.add(settle);
      const stopTimer = this.#timers.after(timeoutMs, () => settle("timeout"));
      stopGone = onGone(() => settle("timeout"));
    });
  }

  settle(runId: string, ended: Ended): void {
    for (const settle of [...(this.#waiters.get(runId) ?? [])]) settle(ended);
  }
}
