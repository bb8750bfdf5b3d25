import { RpcError } from "../../contract/errors.ts";
import type { Publish } from "../../feature.ts";
import type { Clock, Crypto, Database, SqlRow } from "../../ports.ts";
import type { Session, sessionsContract } from "./contract.ts";

/** A session as it is stored; whether it is active is known elsewhere. */
export type StoredSession = Omit<Session, "active">;

export interface SessionOptions {
  readonly label?: string | undefined;
  readonly agentId?: string | undefined;
  readonly model?: string | undefined;
}

export interface SessionFilter {
  readonly limit: number;
  readonly search?: string | undefined;
  readonly agentId?: string | undefined;
}

interface SessionsPorts {
  readonly db: Database;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly publish: Publish<(typeof sessionsContract)["events"]>;
  readonly keepMax: () => number;
  /** The agent of a session nobody gave one. */
  readonly defaultAgent: () => string;
  /** Is a run of this session going on or waiting? */
  readonly isActive: (sessionId: string) => boolean;
}

/** The sessions on disk, and the word about their changes. */
export class Sessions {
  readonly #ports: SessionsPorts;
  readonly #sql: ReturnType<typeof prepare>;

  constructor(ports: SessionsPorts) {
    this.#ports = ports;
    this.#sql = prepare(ports.db);
  }

  count(): number {
    return Number(this.#sql.count.get()?.["n"] ?? 0);
  }

  /** The last used first, and how many fit the filter in all. */
  list({ limit, search, agentId }: SessionFilter): { sessions: Session[]; total: number } {
    const like = `%${(search ?? "").replace(/[\\%_]/g, "\\$&")}%`;
    const agent = agentId ?? null;
    const rows = this.#sql.list.all(like, like, agent, agent, limit);
    const total = Number(this.#sql.listCount.get(like, like, agent, agent)?.["n"] ?? 0);
    return { sessions: rows.map((row) => this.show(toSession(row))), total };
  }

  find(key: string): StoredSession | undefined {
    const row = this.#sql.find.get(key);
    return row && toSession(row);
  }

  /** The session of this key, made if there is none. @throws RpcError `busy` when too many are kept */
  ensure(key: string, options: SessionOptions = {}): { session: StoredSession; created: boolean } {
    const known = this.find(key);
    if (known) return { session: known, created: false };
    const keepMax = this.#ports.keepMax();
    if (this.count() >= keepMax) {
      throw new RpcError("busy", `Cannot create session "${key}": ${keepMax} are kept already`, {
        details: { bound: keepMax },
      });
    }
    const now = this.#ports.clock.now();
    const { label = null, agentId = this.#ports.defaultAgent(), model = null } = options;
    this.#sql.insert.run(this.#ports.crypto.id(), key, agentId, label, model, now, now);
    const session = this.find(key);
    if (!session) throw new Error("session not found after its insert");
    return { session, created: true };
  }

  /** @returns false when there was none */
  remove(key: string): boolean {
    const { changes } = this.#sql.remove.run(key);
    if (changes > 0) this.#ports.publish("sessions.changed", { key, action: "deleted" }, { key });
    return changes > 0;
  }

  /** Tells clients how the session is now. */
  announce(key: string, action: "created" | "updated"): void {
    const stored = this.find(key);
    if (stored) this.#ports.publish("sessions.changed", { key, action, session: this.show(stored) }, { key });
  }

  /** The session with what is known of it only now. */
  show(session: StoredSession): Session {
    return { ...session, active: this.#ports.isActive(session.id) };
  }
}

function prepare(db: Database) {
  const filter = "(key LIKE ? ESCAPE '\\' OR label LIKE ? ESCAPE '\\') AND (? IS NULL OR agent_id = ?)";
  return {
    count: db.prepare("SELECT count(*) AS n FROM sessions"),
    list: db.prepare(`SELECT * FROM sessions WHERE ${filter} ORDER BY updated_at DESC, rowid DESC LIMIT ?`),
    listCount: db.prepare(`SELECT count(*) AS n FROM sessions WHERE ${filter}`),
    find: db.prepare("SELECT * FROM sessions WHERE key = ?"),
    insert: db.prepare(
      "INSERT INTO sessions (id, key, agent_id, label, model, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    ),
    remove: db.prepare("DELETE FROM sessions WHERE key = ?"),
  };
}

function toSession(row: SqlRow): StoredSession {
  const { label, model } = row;
  return {
    key: String(row["key"]),
    id: String(row["id"]),
    agentId: String(row["agent_id"]),
    ...(typeof label === "string" && { label }),
    ...(typeof model === "string" && { model }),
    createdAtMs: Number(row["created_at"]),
    updatedAtMs: Number(row["updated_at"]),
    messages: Number(row["messages"]),
  };
}
