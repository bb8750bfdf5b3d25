import { LIMITS } from "../contract/limits.ts";

type Work = () => void | Promise<void>;
type Waiting = { readonly work: Work; readonly chars: number };

/**
 * The requests of one client: started in order of arrival, a bounded number at a time, a bounded
 * number waiting.
 *
 * @source PROTOCOL §4
 */
export class Lane {
  readonly #waiting: Waiting[] = [];
  #waitingChars = 0;
  #running = 0;

  /**
   * Starts `work` now or when its turn comes. It must not reject.
   *
   * @param chars size of the request, counted while it waits
   * @returns false when too much is waiting already; `work` is not run then
   */
  enter(work: Work, chars: number): boolean {
    if (this.#running < LIMITS.inflightMax && this.#waiting.length === 0) {
      this.#start(work);
      return true;
    }
    const isFull = this.#waiting.length >= LIMITS.queuedRequestsMax;
    if (isFull || this.#waitingChars + chars > LIMITS.queuedBytesMax) return false;
    this.#waiting.push({ work, chars });
    this.#waitingChars += chars;
    return true;
  }

  /** Forgets what waits: nobody is there for the answers. */
  clear(): void {
    this.#waiting.length = 0;
    this.#waitingChars = 0;
  }

  #start(work: Work): void {
    const pending = work();
    if (!pending) return;
    this.#running++;
    void pending.finally(() => {
      this.#running--;
      this.#next();
    });
  }

  #next(): void {
    while (this.#running < LIMITS.inflightMax) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#waitingChars -= next.chars;
      this.#start(next.work);
    }
  }
}
