import { LIMITS } from "../contract/limits.ts";

/** The answers of one batch: collected as they come, sent together when the last one is there. */
export class BatchReplies {
  readonly #texts: string[] = [];
  readonly #send: (texts: readonly string[]) => void;
  #missing: number;
  #chars = 0;

  /** @param send called once, unless nothing in the batch wants an answer */
  constructor(requests: number, send: (texts: readonly string[]) => void) {
    this.#missing = requests;
    this.#send = send;
  }

  /** Whether they are as much as one frame may hold: what has not begun is sent back. */
  get isFull(): boolean {
    return this.#chars > LIMITS.batchReplyCharsMax;
  }

  /** @param text the answer of one request, undefined for a notification */
  add(text: string | undefined): void {
    this.#missing--;
    if (text !== undefined) {
      this.#texts.push(text);
      this.#chars += text.length;
    }
    if (this.#missing === 0 && this.#texts.length > 0) this.#send(this.#texts);
  }
}
