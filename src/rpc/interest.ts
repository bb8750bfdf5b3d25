import { type Subscription, VITAL_EVENTS } from "../contract/frames.ts";
import type { Outgoing } from "./outgoing.ts";

/** Who a client is, as far as events ask. */
interface Hearer {
  readonly scopeMask: number;
  /** `Caller.subject`: what the runs it began are known by. */
  readonly subject: string;
}

/** What one client is told: what its scopes allow of what it has asked for. Never changes. */
export class Interest {
  readonly subject: string;
  /** `own`: of the runs it began. */
  readonly sessions: ReadonlySet<string> | "all" | "own";
  readonly #scopeMask: number;
  readonly #events: ReadonlySet<string> | undefined;

  constructor({ scopeMask, subject }: Hearer, { sessions, events }: Subscription = {}) {
    this.#scopeMask = scopeMask;
    this.subject = subject;
    this.sessions = sessions === "all" ? sessions : sessions ? new Set(sessions) : "own";
    this.#events = events && new Set([...events, ...VITAL_EVENTS]);
  }

  /** Whether it is told of such events at all, whosever they are. */
  takes({ name, scopeMask }: Outgoing): boolean {
    return (this.#scopeMask & scopeMask) !== 0 && (this.#events?.has(name) ?? true);
  }

  /** Whether it is told of this one. */
  hears(event: Outgoing): boolean {
    return this.takes(event) && this.#concerns(event);
  }

  #concerns({ audience }: Outgoing): boolean {
    if (!audience || this.sessions === "all") return true;
    if (this.sessions !== "own") return this.sessions.has(audience.sessionKey);
    return audience.owner !== "" && audience.owner === this.subject;
  }
}
