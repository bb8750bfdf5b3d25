import type { Events } from "../contract/define.ts";
import type { Cursor, PresenceEntry } from "../contract/frames.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Publish, PublishOptions } from "../feature.ts";
import type { Stop } from "../ports.ts";
import { Outgoing } from "./outgoing.ts";
import { Ring } from "./ring.ts";
import { scopeBit } from "./scopes.ts";
import type { Table } from "./table.ts";

/** A connected client as the hub knows it. */
export interface Client {
  readonly scopeMask: number;
  readonly presence: PresenceEntry;
  /** Queues the event for this client; never throws. */
  deliver(event: Outgoing): void;
  end(code: number, reason: string): void;
}

/** What it gets: the events it missed, or the word that they are gone. */
export interface Resumed {
  readonly events: readonly Outgoing[];
  readonly resync: boolean;
}

/** Every connected client, and the one counter of events they all share. */
export class Hub {
  readonly epoch: string;
  readonly #table: Table;
  readonly #clients = new Set<Client>();
  /** Connected, and not let in yet. */
  readonly #strangers = new Set<Client>();
  readonly #ring = new Ring();
  readonly #watchers = new Set<() => void>();
  #seq = 0;
  #presenceVersion = 0;

  /** @param epoch names this lifetime of the counter */
  constructor(table: Table, epoch: string) {
    this.#table = table;
    this.epoch = epoch;
  }

  get seq(): number {
    return this.#seq;
  }

  get size(): number {
    return this.#clients.size;
  }

  get presenceVersion(): number {
    return this.#presenceVersion;
  }

  /** The clients, longest connected first. */
  presence(): PresenceEntry[] {
    const entries: PresenceEntry[] = [];
    for (const client of this.#clients) {
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
    this.#clients.add(client);
    this.#changed();
  }

  leave(client: Client): void {
    this.#strangers.delete(client);
    if (this.#clients.delete(client)) this.#changed();
  }

  /** What a client with these scopes missed since `cursor`, up to where it began to hear for itself. */
  resume(
    cursor: Cursor,
    { scopeMask, untilSeq }: { readonly scopeMask: number; readonly untilSeq: number },
  ): Resumed {
    const isOurs = cursor.epoch === this.epoch && cursor.seq <= this.#seq;
    const events = isOurs ? this.#ring.after(cursor.seq) : undefined;
    if (!events) return { events: [], resync: true };
    const missed = events.filter((event) => event.seq <= untilSeq && (event.scopeMask & scopeMask) !== 0);
    return { events: missed, resync: false };
  }

  /**
   * Sends an event to every client whose scopes allow it.
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
      scopeMask: scopeBit(scope),
      must: delivery === "must" && options.dropIfSlow !== true,
      key: options.key,
    });
    if (replay) this.#ring.push(event);
    const { scopeMask } = event;
    for (const client of this.#clients) {
      if ((client.scopeMask & scopeMask) !== 0) client.deliver(event);
    }
  }

  /** `broadcast` with the names and payloads of one contract. */
  publisher<Es extends Events>(_contract: { readonly events: Es }): Publish<Es> {
    return (name, payload, options) => this.broadcast(name, payload, options);
  }

  closeAll(code: number, reason: string): void {
    for (const client of [...this.#clients, ...this.#strangers]) client.end(code, reason);
  }

  #changed(): void {
    this.#presenceVersion++;
    for (const work of this.#watchers) work();
  }
}
