interface FloodBounds {
  readonly perSecondMax: number;
  /** More than that for so long is a flood. */
  readonly floodMs: number;
}

/** Without a refusal for so long it has come to rest: longer than a bucket takes to be full again. */
const REST_MS = 1_500;

/**
 * A bucket of tokens: so many a second, as many at once. And how long it has been asked for more than that.
 * Times are those of `Clock.elapsed`.
 */
export class Flood {
  readonly #bounds: FloodBounds;
  #tokens: number;
  #filledMs: number;
  #since: number | undefined;
  #refusedMs = 0;

  constructor(bounds: FloodBounds, nowMs: number) {
    this.#bounds = bounds;
    this.#tokens = bounds.perSecondMax;
    this.#filledMs = nowMs;
  }

  /** Takes a token if there is one. */
  take(nowMs: number): boolean {
    const { perSecondMax } = this.#bounds;
    const filled = this.#tokens + ((nowMs - this.#filledMs) * perSecondMax) / 1_000;
    this.#tokens = Math.min(perSecondMax, filled);
    this.#filledMs = nowMs;
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return true;
    }
    if (this.#since === undefined || this.isAtRest(nowMs)) this.#since = nowMs;
    this.#refusedMs = nowMs;
    return false;
  }

  /** Nothing has been refused for a while. */
  isAtRest(nowMs: number): boolean {
    return this.#since === undefined || nowMs - this.#refusedMs > REST_MS;
  }

  /** It has refused, without a rest, for as long as makes a flood. */
  isFlood(nowMs: number): boolean {
    if (this.#since === undefined || this.isAtRest(nowMs)) return false;
    return this.#refusedMs - this.#since >= this.#bounds.floodMs;
  }
}
