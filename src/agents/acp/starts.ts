import type { Clock } from "../../ports.ts";

const FAILURES_MAX = 3;
const WINDOW_MS = 60_000;

/** Keeps a program that cannot start from being started all the time. */
export class Starts {
  readonly #clock: Clock;
  #failedAtMs: number[] = [];
  #why = "";

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  failed(why: string): void {
    this.#why = why;
    this.#failedAtMs = [...this.#recent(), this.#clock.elapsed()];
  }

  succeeded(): void {
    this.#failedAtMs = [];
  }

  /** Of the last failure. */
  get why(): string {
    return this.#why;
  }

  /** How long it must not be tried again. */
  get waitMs(): number | undefined {
    const [oldest] = this.#recent().slice(-FAILURES_MAX);
    if (oldest === undefined || this.#recent().length < FAILURES_MAX) return undefined;
    return Math.ceil(oldest + WINDOW_MS - this.#clock.elapsed());
  }

  #recent(): number[] {
    const fromMs = this.#clock.elapsed() - WINDOW_MS;
    return this.#failedAtMs.filter((atMs) => atMs > fromMs);
  }
}
