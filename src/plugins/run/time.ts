import type { Timers } from "../../ports.ts";

export interface Patience {
  readonly ms: number;
  /** What is thrown, or said in an error, when the work has not ended by then. */
  readonly late: string | Error;
  /** Called when it has not. */
  readonly tooLate?: () => void;
}

/** The work, or an error when it takes too long; it goes on then, and nobody hears of it. */
export function within<T>(timers: Timers, work: T | Promise<T>, { ms, late, tooLate }: Patience): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = timers.after(ms, () => {
      tooLate?.();
      reject(typeof late === "string" ? new Error(late) : late);
    });
    Promise.resolve(work).then(resolve, reject).finally(stop);
  });
}

export function seconds(ms: number): string {
  return `${ms / 1_000} s`;
}
