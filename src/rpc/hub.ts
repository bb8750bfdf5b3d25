import type { Events } from "../contract/define.ts";
import type { Cursor, PresenceEntry } from "../contract/frames.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Publish, PublishOptions } from "../feature.ts";
import type { Stop } from "../ports.ts";
import { Followers } from "./followers.ts";
import type { Interest } from "./interest.ts";
import { Outgoing, type OutgoingSpec } from "./outgoing.ts";
import { Ring } from "./ring.ts";
import type { Table } from "./table.ts";

/** A connected client as the hub knows it. */
export interface Client {
  readonly presence: PresenceEntry;
  /** What it is told; when that changes, {@link Hub.follow} is. */
  readonly interest: Interest;
  /** Queues the event for this client; never throws. */
  deliver(event: Outgoing): void;
  end(code: number, reason: string): void;
}

/** What it gets: the events it missed, or the word that they are gone. */
export interface Resumed {
  readonly events: readonly Outgoing[];
  readonly resync: boolean;
}

/** All that a hub has to remember so that another one goes on where it ended. */
export interface SavedEvents {
  readonly epoch: string;
  readonly seq: number;
  /** Highest number that is gone. */
  readonly lostSeq: number;
  /** In the order of their numbers. */
  readonly events: readonly OutgoingSpec[];
}

/** Every connected client, and the one counter of events they all share. */
export class Hub {
  readonly #table: Table;
  readonly #followers = new Followers<Client>();
  /** Connected, and not let in yet. */
  readonly #strangers = new Set<Client>();
  readonly #watchers = new Set<() => void>();
  #epoch: string;
  #seq = 0;
  #ring = new Ring();
  #presenceVersion = 0;

  /** @param epoch names this lifetime of the counter, unless it goes on with another one's */
  constructor(table: Table, epoch: string) {
    this.#table = table;
    this.#epoch = epoch;
  }

  /** The lifetime of the counter: a number means something only within it. */
  get epoch(): string {
    return this.#epoch;
  }

  get seq(): number {
    return this.#seq;
  }

  get size(): number {
    return this.#followers.size;
  }

  get presenceVersion(): number {
    return this.#presenceVersion;
  }

  /** The clients, longest connected first. */
  presence(): PresenceEntry[] {
    const entries: PresenceEntry[] = [];
    for (const client of this.#followers.clients()) {
      if (entries.push(client.presence) >= LIMITS.presenceEntriesMax) break;
    }
    return entries;
  }

  /** Called after a client came or went. */
  onClients(work: () => void): Stop {
    this.#watchers.add(work);
    return () => void this.#watchers.delete(work);
  }

  /** A socket that has yet to prove itself: no event reaches it, a stop does. */
  greet(client: Client): void {
    this.#strangers.add(client);
  }

  join(client: Client): void {
    this.#strangers.delete(client);
    this.#followers.set(client, client.interest);
    this.#changed();
  }

  leave(client: Client): void {
    this.#strangers.delete(client);
    if (this.#followers.delete(client)) this.#changed();
  }

  /** A client's interest is another one now. @returns number of the last event that went by the old one */
  follow(client: Client): number {
    if (this.#followers.has(client)) this.#followers.set(client, client.interest);
    return this.#seq;
  }

  /** Of what was published since `cursor`, the events that a client missed. */
  resume(cursor: Cursor, isMissed: (event: Outgoing) => boolean): Resumed {
    const isOurs = cursor.epoch === this.#epoch && cursor.seq <= this.#seq;
    const events = isOurs ? this.#ring.after(cursor.seq) : undefined;
    return events ? { events: events.filter(isMissed), resync: false } : { events: [], resync: true };
  }

  /** What {@link restore} takes; nothing may be published after it. */
  save(): SavedEvents {
    const { lostSeq } = this.#ring;
    return { epoch: this.#epoch, seq: this.#seq, lostSeq, events: this.#ring.after(lostSeq) ?? [] };
  }

  /** Goes on where another one ended; nothing has been published yet. */
  restore({ epoch, seq, lostSeq, events }: SavedEvents): void {
    this.#epoch = epoch;
    this.#seq = seq;
    this.#ring = new Ring(lostSeq);
    for (const event of events) this.#ring.push(new Outgoing(event));
  }

  /**
   * Sends an event to every client it concerns whose scopes allow it.
   *
   * @param payload an object that fits the event's schema; encoded here, once
   * @throws Error for an event nobody declared: fail closed rather than to everyone
   */
  broadcast(name: string, payload: object, options: PublishOptions = {}): void {
    const entry = this.#table.event(name);
    if (!entry) throw new Error(`Cannot broadcast "${name}": not declared`);
    const { scope, delivery, replay } = entry.event;
    const event = new Outgoing({
      name,
      seq: ++this.#seq,
      body: JSON.stringify(payload),
      scope,
      must: delivery === "must" && options.dropIfSlow !== true,
      key: options.key,
      audience: options.audience,
    });
    if (replay) this.#ring.push(event);
    this.#followers.deliver(event);
    event.settle();
  }

  /** `broadcast` with the names and payloads of one contract. */
  publisher<Es extends Events>(_contract: { readonly events: Es }): Publish<Es> {
    return (name, payload, options) => this.broadcast(name, payload, options);
  }

  closeAll(code: number, reason: string): void {
    for (const client of [...this.#followers.clients(), ...this.#strangers]) client.end(code, reason);
  }

  #changed(): void {
    this.#presenceVersion++;
    for (const work of this.#watchers) work();
  }
}
