import { RESYNC_EVENT } from "../contract/frames.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Socket } from "../ports.ts";
import type { Codec } from "./codecs/codec.ts";
import type { Outgoing } from "./outgoing.ts";

/**
 * What goes out to one client, and the rule for one that does not read: `latest` events skip it while
 * its buffer is over the limit, the newest of each key waits for it, and what it did not get is
 * announced when it drains. A `must` event or a reply that finds the reserve used up ends it.
 *
 * @source PROTOCOL §5, §6
 */
export class Outbox {
  readonly #socket: Socket;
  /** Called once, when a `must` frame cannot be taken any more. */
  readonly #onSlow: () => void;
  readonly #waiting = new Map<string, Outgoing>();
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
    if (event.must) return this.must(event.text(codec));
    if (this.#socket.bufferedBytes() <= LIMITS.outboundBytesMax) return this.#send(event.text(codec));
    this.#skip(event);
  }

  /** The client reads again. */
  drain(codec: Codec): void {
    this.#isCongested = false;
    const waiting = [...this.#waiting.values()].sort((a, b) => a.seq - b.seq);
    this.#waiting.clear();
    for (const event of waiting) this.event(event, codec);
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
    if (event.key === undefined) return this.#miss(event.seq);
    const name = `${event.name}\n${event.key}`;
    const older = this.#waiting.get(name);
    if (older) this.#miss(older.seq);
    if (!older && this.#waiting.size >= LIMITS.outboundKeysMax) return this.#miss(event.seq);
    this.#waiting.set(name, event);
  }

  #miss(seq: number): void {
    const { from = seq, to = seq, dropped = 0 } = this.#missed ?? {};
    this.#missed = { from: Math.min(from, seq), to: Math.max(to, seq), dropped: dropped + 1 };
  }
}
