import type { Stop } from "../ports.ts";

/** What is to be done when a client has gone away. */
export class Departure {
  readonly #work = new Set<() => void>();
  readonly #onError: (error: unknown) => void;
  #isOver = false;

  /** @param onError told of work that throws: it must not keep the rest of the connection from ending */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Runs `work` then, at once if it has gone already. @returns takes it back */
  add(work: () => void): Stop {
    if (this.#isOver) {
      work();
      return () => {};
    }
    this.#work.add(work);
    return () => void this.#work.delete(work);
  }

  run(): void {
    this.#isOver = true;
    for (const work of this.#work) {
      try {
        work();
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#work.clear();
  }
}
