import type { TextSink } from "../ports.ts";

/** Text that may wait for a reader that stalls; a log that is not read must not fill the memory. */
const waitingCharsMax = 4 * 1024 * 1024;

/** Writes the text: done when it returns, or a promise while the reader lets it wait. */
export type WriteText = (text: string) => Promise<unknown> | undefined;

/** Standard output or error: asynchronous, bounded, and deaf to a reader that went away. */
export class Output implements TextSink {
  /** Writes lost so far, because the reader stalled or is gone. */
  dropped = 0;
  readonly #isTerminal: () => boolean;
  readonly #writeText: WriteText;
  #waiting: string[] = [];
  #waitingChars = 0;
  #isPumping = false;
  #pumped: Promise<void> | undefined;

  constructor(isTerminal: () => boolean, writeText: WriteText) {
    this.#isTerminal = isTerminal;
    this.#writeText = writeText;
  }

  get isTerminal(): boolean {
    return this.#isTerminal();
  }

  write(text: string): void {
    const isFull = this.#waitingChars > 0 && this.#waitingChars + text.length > waitingCharsMax;
    if (isFull) {
      this.dropped += 1;
      return;
    }
    this.#waiting.push(text);
    this.#waitingChars += text.length;
    if (!this.#isPumping) this.#pumped = this.#pump();
  }

  async flush(): Promise<void> {
    await this.#pumped;
  }

  async #pump(): Promise<void> {
    this.#isPumping = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      const text = batch.join("");
      try {
        const pending = this.#writeText(text);
        // Without this check a program that exits right after its last line would lose it.
        if (pending !== undefined) await pending;
      } catch {
        // The reader is gone or the disk is full: a later write may succeed, this one is lost.
        this.dropped += batch.length;
      }
      this.#waitingChars -= text.length;
    }
    this.#isPumping = false;
  }
}
