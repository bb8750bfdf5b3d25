/** What comes at its own pace, taken in order by one who waits for it. */
export class Mailbox<T> {
  readonly #waiting: T[] = [];
  #wake: (() => void) | undefined;
  #isClosed = false;

  put(item: T): void {
    this.#waiting.push(item);
    this.#wake?.();
  }

  close(): void {
    this.#isClosed = true;
    this.#wake?.();
  }

  /** @returns undefined when it is closed and empty */
  async take(): Promise<T | undefined> {
    while (this.#waiting.length === 0 && !this.#isClosed)
      await new Promise<void>((resolve) => void (this.#wake = resolve));
    return this.#waiting.shift();
  }
}
