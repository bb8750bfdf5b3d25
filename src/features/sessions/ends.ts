import { messageOf, RpcError } from "../../contract/errors.ts";
import type { Caller } from "../../feature.ts";
import type { Clock, Log } from "../../ports.ts";
import type { SessionsParts } from "./feature.ts";
import type { Remains } from "./remains.ts";
import type { StoredSession } from "./stored.ts";

type EndParts = Omit<SessionsParts, "compact" | "db"> & {
  readonly remains: Remains;
  readonly log: Pick<Log, "warn">;
};

interface End {
  readonly session: StoredSession;
  readonly by: Caller;
  readonly why: "reset" | "deleted";
}

/** How often runs that came meanwhile are stopped too, before the one who asks is told to try again. */
const ATTEMPTS = 5;

/** The ends of a session: it begins anew, or is gone. Nothing runs in it then. */
export class SessionEnds {
  readonly #parts: EndParts;

  constructor(parts: EndParts) {
    this.#parts = parts;
  }

  /** @throws RpcError `not_found` when it was deleted meanwhile, `busy` when messages keep coming */
  async reset(session: StoredSession, by: Caller, clock: Clock): Promise<StoredSession> {
    const { sessions } = this.#parts;
    const { key } = session;
    const fresh = await this.#quietly({ session, by, why: "reset" }, () => {
      const known = sessions.byId(session.id);
      if (!known) throw new RpcError("not_found", `Cannot reset session "${key}": there is none`);
      return sessions.resetIn(known, clock.now());
    });
    await this.#letGo(key);
    sessions.announce(key, "reset");
    return fresh;
  }

  /**
   * @returns false when there was none
   * @throws RpcError `conflict` for the main session of an agent, `busy` when messages keep coming
   */
  async delete(given: string, by: Caller): Promise<boolean> {
    const { sessions, remains } = this.#parts;
    const key = sessions.canonical(given);
    if (sessions.isMain(key)) {
      throw new RpcError(
        "conflict",
        `Cannot delete session "${key}": it is a main session, which can be reset`,
      );
    }
    const session = sessions.find(key);
    if (!session) return false;
    await this.#quietly({ session, by, why: "deleted" }, () => sessions.buryIn(session.id));
    sessions.announce(key, "deleted");
    await this.#letGo(key);
    // It is not found any more. What a stop cuts off goes on with the next deletion or start.
    remains.clear().catch((error: unknown) => this.#warn("messages of a deleted session stay", key, error));
    return true;
  }

  /** Does the work when nothing runs in the session: a message may come while its runs are being stopped. */
  async #quietly<T>({ session, by, why }: End, work: () => T): Promise<T> {
    const { sessions, writer, endRuns } = this.#parts;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      await endRuns(session, why, by);
      const done = await writer.write(() => (sessions.isActive(session.id) ? undefined : { value: work() }));
      if (done) return done.value;
    }
    const verb = why === "reset" ? "reset" : "delete";
    throw new RpcError("busy", `Cannot ${verb} session "${session.key}": messages keep coming in`);
  }

  /** It is done: an agent that does not end as it should is a line in the log. */
  async #letGo(key: string): Promise<void> {
    const { closeAgent } = this.#parts;
    await closeAgent(key).catch((error: unknown) => this.#warn("agent of a session did not end", key, error));
  }

  #warn(message: string, session: string, error: unknown): void {
    this.#parts.log.warn(message, { session, reason: messageOf(error) });
  }
}
