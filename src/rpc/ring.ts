import { LIMITS } from "../contract/limits.ts";
import { utf8Bytes } from "./json.ts";
import type { Outgoing } from "./outgoing.ts";

type Kept = { readonly event: Outgoing; readonly bytes: number };

/** The last events, for clients that come back: bounded by number and by size. */
export class Ring {
  #kept: (Kept | undefined)[] = [];
  /** Where the kept ones begin; the gap before holds nothing and is cut off now and then. */
  #start = 0;
  #bytes = 0;
  #lostSeq: number;

  /** @param lostSeq highest number that is gone already */
  constructor(lostSeq = 0) {
    this.#lostSeq = lostSeq;
  }

  /** Highest number that is gone: who has not seen it has missed something. */
  get lostSeq(): number {
    return this.#lostSeq;
  }

  push(event: Outgoing): void {
    const bytes = utf8Bytes(event.body);
    this.#kept.push({ event, bytes });
    this.#bytes += bytes;
    while (this.#kept.length - this.#start > LIMITS.ringEventsMax || this.#bytes > LIMITS.ringBytesMax)
      this.#forgetOldest();
    if (this.#start > LIMITS.ringEventsMax) {
      this.#kept = this.#kept.slice(this.#start);
      this.#start = 0;
    }
  }

  /** The events after `seq`, or undefined when one of them is gone. */
  after(seq: number): Outgoing[] | undefined {
    if (seq < this.#lostSeq) return undefined;
    const first = this.#firstAfter(seq);
    return this.#kept.slice(first).flatMap((kept) => kept?.event ?? []);
  }

  /** Place of the first kept event after `seq`: a client that was away for a moment missed a few of thousands. */
  #firstAfter(seq: number): number {
    let low = this.#start;
    let high = this.#kept.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#kept[middle]?.event.seq ?? 0) > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #forgetOldest(): void {
    const oldest = this.#kept[this.#start];
    // Its place stays until the gap is cut off; the event itself must not.
    this.#kept[this.#start++] = undefined;
    this.#bytes -= oldest?.bytes ?? 0;
    this.#lostSeq = oldest?.event.seq ?? this.#lostSeq;
  }
}
