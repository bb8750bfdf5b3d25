import { LIMITS } from "../../contract/limits.ts";
import type { Clock } from "../../ports.ts";

/** Who starts for longer lets the next one begin, as soon as their process shows that it is not blocked. */
const TURN_MS = LIMITS.hostPingMs;

interface Turn {
  readonly id: string;
  readonly sinceMs: number;
  readonly pass: () => void;
  isPassed: boolean;
}

/**
 * Starts in one process are one after the other, so that the one that ends or blocks it is known. One that
 * only waits, for an answer of another machine or without end, does not hold up the others.
 */
export class Turns {
  readonly #clock: Clock;
  readonly #now = new Set<Turn>();
  #last: Promise<void> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ids of those that start now. */
  get ids(): string[] {
    return [...this.#now].map(({ id }) => id);
  }

  /** Whose turn it is; undefined when nobody starts, or only such as let others begin meanwhile. */
  get current(): string | undefined {
    return [...this.#now].find(({ isPassed }) => !isPassed)?.id;
  }

  /** @throws what `work` throws */
  async take<T>(id: string, work: (sinceMs: number) => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.#last;
    this.#last = promise;
    await before;
    const sinceMs = this.#clock.elapsed();
    const turn: Turn = { id, sinceMs, pass: resolve, isPassed: false };
    this.#now.add(turn);
    try {
      return await work(sinceMs);
    } finally {
      this.#now.delete(turn);
      resolve();
    }
  }

  /** Their process has answered: nothing blocks it. */
  answered(): void {
    const nowMs = this.#clock.elapsed();
    for (const turn of this.#now) {
      if (turn.isPassed || nowMs - turn.sinceMs < TURN_MS) continue;
      turn.isPassed = true;
      turn.pass();
    }
  }
}
