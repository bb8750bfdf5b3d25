import { LIMITS } from "../../contract/limits.ts";

/** How long is waited after so many attempts that failed, ms: longer each time, up to a bound. */
export function pauseAfter(attempts: number): number {
  const grownMs = LIMITS.deliveryPauseMsMin * 2 ** Math.min(attempts, 20);
  return Math.min(grownMs, LIMITS.deliveryPauseMsMax);
}
