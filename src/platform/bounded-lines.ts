const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Cuts bytes into lines of UTF-8 text, each at most `lineBytesMax`; what is longer than that is dropped. */
export class LineCutter {
  readonly #lineBytesMax: number;
  readonly #line: Uint8Array;
  #length = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
    this.#line = new Uint8Array(lineBytesMax);
  }

  /** The lines that end in these bytes. */
  push(bytes: Uint8Array): string[] {
    const lines: string[] = [];
    for (let start = 0; start < bytes.length;) {
      const newline = bytes.indexOf(NEWLINE, start);
      const end = newline === -1 ? bytes.length : newline;
      this.#keep(bytes.subarray(start, end));
      if (newline !== -1) lines.push(this.#take());
      start = end + 1;
    }
    return lines;
  }

  /** What follows the last end, if it is anything. */
  end(): string[] {
    return this.#length === 0 ? [] : [this.#take()];
  }

  #keep(bytes: Uint8Array): void {
    const kept = bytes.subarray(0, this.#lineBytesMax - this.#length);
    this.#line.set(kept, this.#length);
    this.#length += kept.length;
  }

  #take(): string {
    const isWhole = this.#length < this.#lineBytesMax;
    const length = this.#line[this.#length - 1] === RETURN ? this.#length - 1 : this.#length;
    this.#length = 0;
    // A character that the bound cuts in two is left out, and not shown as a broken one.
    return new TextDecoder().decode(this.#line.subarray(0, length), { stream: !isWhole });
  }
}

/** Lines that wait for a reader: past the bound the oldest go, and the reader is told how many. */
export class LineQueue implements AsyncIterable<string> {
  readonly #linesMax: number;
  #lines: string[] = [];
  #dropped = 0;
  #isEnded = false;
  #wake: (() => void) | undefined;

  constructor(linesMax: number) {
    this.#linesMax = linesMax;
  }

  push(lines: readonly string[]): void {
    this.#lines.push(...lines);
    const excess = this.#lines.length - this.#linesMax;
    if (excess > 0) {
      this.#lines.splice(0, excess);
      this.#dropped += excess;
    }
    this.#wake?.();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    for (;;) {
      if (this.#dropped > 0) {
        const dropped = this.#dropped;
        this.#dropped = 0;
        yield `(${dropped} lines left out)`;
      }
      const line = this.#lines.shift();
      if (line !== undefined) yield line;
      else if (this.#isEnded) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
