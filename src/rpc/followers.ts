import type { Interest } from "./interest.ts";
import type { Outgoing } from "./outgoing.ts";

/** Who takes an event. */
interface Taker {
  /** Queues the event for this client; never throws. */
  deliver(event: Outgoing): void;
}

type Interests<T> = Map<T, Interest>;

/**
 * The clients and what each is told, found by session and by owner: an event of a session costs as much
 * as it has followers, however many clients there are.
 */
export class Followers<T extends Taker> {
  /** In the order in which they came. */
  readonly #clients: Interests<T> = new Map();
  /** Each client is in one of these three kinds, so that none gets an event twice. */
  readonly #ofAll: Interests<T> = new Map();
  readonly #ofSession = new Map<string, Interests<T>>();
  readonly #ofOwner = new Map<string, Interests<T>>();

  get size(): number {
    return this.#clients.size;
  }

  clients(): Iterable<T> {
    return this.#clients.keys();
  }

  has(client: T): boolean {
    return this.#clients.has(client);
  }

  /** Takes the place of what it followed before. */
  set(client: T, interest: Interest): void {
    this.#forget(client);
    this.#clients.set(client, interest);
    const { sessions, subject } = interest;
    if (sessions === "all") this.#ofAll.set(client, interest);
    else if (sessions === "own") enter(this.#ofOwner, subject, [client, interest]);
    else for (const key of sessions) enter(this.#ofSession, key, [client, interest]);
  }

  /** @returns whether it was there */
  delete(client: T): boolean {
    this.#forget(client);
    return this.#clients.delete(client);
  }

  deliver(event: Outgoing): void {
    const { audience } = event;
    if (!audience) return deliverTo(this.#clients, event);
    deliverTo(this.#ofAll, event);
    deliverTo(this.#ofSession.get(audience.sessionKey), event);
    if (audience.owner !== "") deliverTo(this.#ofOwner.get(audience.owner), event);
  }

  #forget(client: T): void {
    const interest = this.#clients.get(client);
    if (!interest) return;
    const { sessions, subject } = interest;
    if (sessions === "all") this.#ofAll.delete(client);
    else if (sessions === "own") leave(this.#ofOwner, subject, client);
    else for (const key of sessions) leave(this.#ofSession, key, client);
  }
}

/** Whose it is has been looked up already. */
function deliverTo<T extends Taker>(interests: Interests<T> | undefined, event: Outgoing): void {
  if (!interests) return;
  for (const [client, interest] of interests) if (interest.takes(event)) client.deliver(event);
}

function enter<T>(index: Map<string, Interests<T>>, key: string, [client, interest]: [T, Interest]): void {
  const interests = index.get(key) ?? new Map<T, Interest>();
  interests.set(client, interest);
  index.set(key, interests);
}

function leave<T>(index: Map<string, Interests<T>>, key: string, client: T): void {
  const interests = index.get(key);
  interests?.delete(client);
  if (interests?.size === 0) index.delete(key);
}
