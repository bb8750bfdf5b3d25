/** Enough to keep both sides busy; the rest stays in the pipe of the program, which then stands still. */
const WAITING_MAX = 256;

/** What has come and is not taken yet, in order; full, it holds back whoever puts. */
export class Mailbox<T> {
  #waiting: T[] = [];
  #failure: { readonly error: unknown } | undefined;
  #isClosed = false;
  #wakeTaker: (() => void) | undefined;
  #wakePutters: (() => void)[] = [];

  /** Resolves when there is room for more. After `close` nothing is kept. */
  put(items: readonly T[]): Promise<void> | undefined {
    if (this.#isClosed) return undefined;
    this.#waiting.push(...items);
    this.#wakeTaker?.();
    if (this.#waiting.length <= WAITING_MAX) return undefined;
    return new Promise((resolve) => this.#wakePutters.push(resolve));
  }

  /** Nothing more comes; what has come is still handed out, then the error if there is one. */
  close(failure?: { readonly error: unknown }): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#failure = failure;
    this.#wakeTaker?.();
    this.#release();
  }

  /** Nobody takes any more. */
  discard(): void {
    this.#isClosed = true;
    this.#failure = undefined;
    this.#waiting = [];
    this.#wakeTaker?.();
    this.#release();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const items = this.#waiting;
      this.#waiting = [];
      this.#release();
      yield* items;
      if (this.#waiting.length > 0) continue;
      if (this.#failure) throw this.#failure.error;
      if (this.#isClosed) return;
      await new Promise<void>((resolve) => (this.#wakeTaker = resolve));
    }
  }

  #release(): void {
    for (const wake of this.#wakePutters.splice(0)) wake();
  }
}
