import { RESYNC_EVENT } from "../contract/frames.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Socket } from "../ports.ts";
import type { Codec } from "./codecs/codec.ts";
import type { Outgoing } from "./outgoing.ts";

/**
 * What goes out to one client, and the rule for one that does not read: `latest` events skip it while
 * its buffer is over the limit, the newest of each key waits for it, and what it did not get is
 * announced when it drains or before anything newer, whichever comes first. A `must` event or a reply
 * that finds the reserve used up ends it.
 *
 * @source PROTOCOL §5, §6
 */
export class Outbox {
  readonly #socket: Socket;
  /** Called once, when a `must` frame cannot be taken any more. */
  readonly #onSlow: () => void;
  readonly #waiting = new Map<string, Outgoing>();
  /** Numbers of waiting events that were announced as missing when something newer went out first. */
  readonly #told = new Set<number>();
  #isCongested = false;
  #missed: { from: number; to: number; dropped: number } | undefined;

  constructor(socket: Socket, onSlow: () => void) {
    this.#socket = socket;
    this.#onSlow = onSlow;
  }

  /** A reply, or anything else that must arrive. */
  must(text: string): void {
    const reserve = LIMITS.outboundBytesMax + LIMITS.outboundReserveBytes;
    if (this.#isCongested && this.#socket.bufferedBytes() > reserve) return this.#onSlow();
    this.#send(text);
  }

  event(event: Outgoing, codec: Codec): void {
    // Nearly every event takes this way: the last frame left at once, so nothing waits.
    if (!this.#isCongested) return this.#send(event.text(codec));
    if (!event.must && this.#socket.bufferedBytes() > LIMITS.outboundBytesMax) return this.#skip(event);
    // Room again before the buffer was empty: what waits is older, and must not come after this one.
    this.#supersede(event);
    this.#announce(codec, event.seq);
    return event.must ? this.must(event.text(codec)) : this.#send(event.text(codec));
  }

  /** The client reads again. */
  drain(codec: Codec): void {
    this.#isCongested = false;
    this.#announce(codec, 0);
    const waiting = [...this.#waiting.values()].sort((a, b) => a.seq - b.seq);
    this.#waiting.clear();
    for (const event of waiting) {
      this.event(event, codec);
      const waitsAgain = this.#waiting.get(nameOf(event)) === event;
      if (!waitsAgain) this.#told.delete(event.seq);
    }
  }

  /**
   * Tells what is not coming, or not yet. A client that is cut off resumes behind the newest event it has
   * seen: what is missing before that one must have been told by then.
   */
  #announce(codec: Codec, newerSeq: number): void {
    const reach = Math.max(newerSeq, this.#missed?.to ?? 0);
    for (const { seq } of this.#waiting.values()) {
      if (seq > reach || this.#told.has(seq)) continue;
      this.#told.add(seq);
      this.#miss(seq);
    }
    const missed = this.#missed;
    if (!missed) return;
    this.#missed = undefined;
    this.must(codec.event(RESYNC_EVENT, missed.to, JSON.stringify(missed)));
  }

  #send(text: string): void {
    const result = this.#socket.send(text);
    if (result === "sent") return;
    this.#isCongested = true;
    if (result === "dropped") this.#onSlow();
  }

  #skip(event: Outgoing): void {
    this.#supersede(event);
    if (event.key === undefined || this.#waiting.size >= LIMITS.outboundKeysMax) return this.#miss(event.seq);
    this.#waiting.set(nameOf(event), event);
  }

  /** What waits under the key of a newer event is not sent any more. */
  #supersede(event: Outgoing): void {
    const older = event.key === undefined ? undefined : this.#waiting.get(nameOf(event));
    if (!older) return;
    this.#waiting.delete(nameOf(event));
    if (!this.#told.delete(older.seq)) this.#miss(older.seq);
  }

  #miss(seq: number): void {
    const { from = seq, to = seq, dropped = 0 } = this.#missed ?? {};
    this.#missed = { from: Math.min(from, seq), to: Math.max(to, seq), dropped: dropped + 1 };
  }
}

function nameOf({ name, key }: Outgoing): string {
  return `${name}\n${key}`;
}
