import type { RpcError } from "../contract/errors.ts";
import type { Clock } from "../ports.ts";

/** A server that cannot be reached is often back soon; one that stays away is asked less and less. */
const UNAVAILABLE_MS = 30_000;
const UNAVAILABLE_MS_MAX = 10 * 60_000;

/** A person has to see to the key. */
const FORBIDDEN_MS = 10 * 60_000;

/** A server that is busy and does not say for how long; and the longest that one is believed. */
const BUSY_MS = 30_000;
const BUSY_MS_MAX = 60 * 60_000;

/** Models remembered; past it the one that failed longest ago is forgotten. */
const MODELS_MAX = 256;

type Failure = { readonly untilMs: number; readonly unavailableMs: number };

/** Which models failed a moment ago, for all sessions. */
export class CoolDowns {
  readonly #clock: Clock;
  readonly #failures = new Map<string, Failure>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Those that are well in their order, then those that cool. */
  sort<T extends { readonly ref: string }>(candidates: readonly T[]): readonly T[] {
    const isCooling = (candidate: T): boolean => this.isCooling(candidate.ref);
    return [...candidates.filter((one) => !isCooling(one)), ...candidates.filter(isCooling)];
  }

  isCooling(ref: string): boolean {
    return (this.#failures.get(ref)?.untilMs ?? 0) > this.#clock.elapsed();
  }

  failed(ref: string, error: RpcError): void {
    // Sessions that fail together are one failure.
    if (error.code === "unavailable" && this.isCooling(ref)) return;
    const before = this.#failures.get(ref)?.unavailableMs;
    const ms = coolingMs(error, before);
    if (ms === undefined) return;
    this.#failures.delete(ref);
    const [oldest] = this.#failures.keys();
    if (this.#failures.size >= MODELS_MAX && oldest !== undefined) this.#failures.delete(oldest);
    const unavailableMs = error.code === "unavailable" ? ms : (before ?? 0);
    this.#failures.set(ref, { untilMs: this.#clock.elapsed() + ms, unavailableMs });
  }

  succeeded(ref: string): void {
    this.#failures.delete(ref);
  }
}

function coolingMs(error: RpcError, unavailableMs = 0): number | undefined {
  if (error.code === "forbidden") return FORBIDDEN_MS;
  if (error.code === "busy") return Math.min(error.extra.retryAfterMs ?? BUSY_MS, BUSY_MS_MAX);
  if (error.code !== "unavailable") return undefined;
  return unavailableMs === 0 ? UNAVAILABLE_MS : Math.min(unavailableMs * 2, UNAVAILABLE_MS_MAX);
}
