import { LIMITS } from "../contract/limits.ts";
import type { Outgoing } from "./outgoing.ts";

/** The last events, for clients that come back: bounded by number and by size. */
export class Ring {
  #events: Outgoing[] = [];
  /** Where the kept ones begin in `#events`; the gap before is cut off now and then. */
  #start = 0;
  #chars = 0;
  /** Highest number that is gone: who has not seen it has missed something. */
  #lostSeq = 0;

  push(event: Outgoing): void {
    this.#events.push(event);
    this.#chars += event.body.length;
    while (this.#events.length - this.#start > LIMITS.ringEventsMax || this.#chars > LIMITS.ringBytesMax) {
      const oldest = this.#events[this.#start++];
      if (!oldest) break;
      this.#chars -= oldest.body.length;
      this.#lostSeq = oldest.seq;
    }
    if (this.#start > LIMITS.ringEventsMax) {
      this.#events = this.#events.slice(this.#start);
      this.#start = 0;
    }
  }

  /** The events after `seq`, or undefined when one of them is gone. */
  after(seq: number): Outgoing[] | undefined {
    if (seq < this.#lostSeq) return undefined;
    const kept = this.#events.slice(this.#start);
    const first = kept.findIndex((event) => event.seq > seq);
    return first < 0 ? [] : kept.slice(first);
  }
}
