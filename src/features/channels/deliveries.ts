import type { Database, SqlRow } from "../../ports.ts";

/** One conversation of a channel. */
export interface Chat {
  readonly channel: string;
  readonly accountId: string;
  readonly to: string;
  readonly threadId?: string | undefined;
}

/** `run`: its text comes with the end of a run; `due`: to be sent. The others are ends. */
export type DeliveryState = "run" | "due" | "sent" | "silent" | "dropped" | "failed";

export interface NewDelivery {
  /** Named after what it answers, where the same may come twice. */
  readonly id: string;
  readonly chat: Chat;
  readonly replyTo?: string | undefined;
  /** Absent for messages that joined the run of another one. */
  readonly runId?: string | undefined;
  /** Absent: it comes with the end of its run. */
  readonly text?: string;
  readonly ts: number;
}

export interface Delivery extends Omit<NewDelivery, "text" | "ts"> {
  readonly text: string;
  readonly state: DeliveryState;
  readonly attempts: number;
  /** Since when it could have left. */
  readonly dueAtMs: number;
  readonly messageId?: string;
  readonly error?: string;
}

/** What is to leave over channels, on disk. What ends in `In` is called inside a work of the writer. */
export class Deliveries {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.#sql = prepare(db);
  }

  /** @returns false when it is there already */
  addIn({ id, chat, replyTo, runId, text, ts }: NewDelivery): boolean {
    const { channel, accountId, to, threadId } = chat;
    const values = [id, channel, accountId, to, threadId ?? null, replyTo ?? null, runId ?? null];
    const state = text === undefined ? "run" : "due";
    return this.#sql.insert.run(...values, text?.toWellFormed() ?? null, state, ts, ts).changes > 0;
  }

  /** The run has ended, and this is what it said. */
  dueIn(id: string, text: string, ts: number): void {
    this.#sql.due.run(text.toWellFormed(), ts, id);
  }

  endIn(
    id: string,
    state: DeliveryState,
    how: { ts?: number; messageId?: string; error?: string } = {},
  ): void {
    this.#sql.end.run(state, how.ts ?? null, how.messageId ?? null, how.error ?? null, id);
  }

  triedIn(id: string, error: string): void {
    this.#sql.tried.run(error, id);
  }

  /** What has ended before that moment is forgotten. */
  pruneIn(beforeMs: number): void {
    this.#sql.prune.run(beforeMs);
  }

  find(id: string): Delivery | undefined {
    const row = this.#sql.find.get(id);
    return row && toDelivery(row);
  }

  /** What has not ended, without its text: those whose turn is first come first. */
  open(): Pick<Delivery, "id" | "chat" | "state">[] {
    return this.#sql.open.all().map((row) => {
      const { id, chat, state } = toDelivery(row);
      return { id, chat, state };
    });
  }

  /** Everything that waits for messages of this run, in their order, ended ones included. */
  ofRun(runSeq: number): Pick<Delivery, "id" | "chat" | "state">[] {
    return this.#sql.ofRun.all(runSeq).map((row) => {
      const { id, chat, state } = toDelivery(row);
      return { id, chat, state };
    });
  }

  /** How many have not ended. */
  openCount(channel: string): number {
    return Number(this.#sql.openCount.get(channel)?.["n"] ?? 0);
  }

  /** How many could have left. */
  waiting(channel: string, accountId: string): number {
    return Number(this.#sql.waiting.get(channel, accountId)?.["n"] ?? 0);
  }

  /** Those that could have left since before that moment. */
  dueBefore(ms: number): Delivery[] {
    return this.#sql.dueBefore.all(ms).map((row) => toDelivery(row));
  }

  /** The session that has the message under this key: a look through all keys, for a start. */
  sessionOf(idempotencyKey: string): string | undefined {
    const id = this.#sql.sessionOf.get(idempotencyKey)?.["session_id"];
    return typeof id === "string" ? id : undefined;
  }

  /** What the agent said in a run: rows of messages, each with the fields of its checksum. */
  saidIn(runSeq: number): SqlRow[] {
    return this.#sql.said.all(runSeq);
  }
}

function prepare(db: Database) {
  const open = "state IN ('run', 'due')";
  const light = `id, channel, account_id, recipient, thread_id, state, attempts, due_at`;
  return {
    insert: db.prepare(
      `INSERT INTO deliveries
         (id, channel, account_id, recipient, thread_id, reply_to, run_id, text, state, due_at, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
    ),
    due: db.prepare(
      "UPDATE deliveries SET state = 'due', text = ?, due_at = ? WHERE id = ? AND state = 'run'",
    ),
    end: db.prepare(
      `UPDATE deliveries SET state = ?, sent_at = ?, message_id = ?, error = coalesce(?, error), text = NULL
       WHERE id = ?`,
    ),
    tried: db.prepare("UPDATE deliveries SET attempts = attempts + 1, error = ? WHERE id = ?"),
    prune: db.prepare(`DELETE FROM deliveries WHERE created_at < ? AND NOT ${open}`),
    find: db.prepare("SELECT * FROM deliveries WHERE id = ?"),
    open: db.prepare(`SELECT ${light} FROM deliveries WHERE ${open} ORDER BY due_at, rowid`),
    ofRun: db.prepare(
      `SELECT ${light.replaceAll(/\w+/g, "deliveries.$&")} FROM messages
       JOIN deliveries ON deliveries.id = messages.idempotency_key
       WHERE messages.run_seq = ? ORDER BY messages.id`,
    ),
    openCount: db.prepare(`SELECT count(*) AS n FROM deliveries WHERE ${open} AND channel = ?`),
    waiting: db.prepare(
      `SELECT count(*) AS n FROM deliveries
       WHERE ${open} AND state = 'due' AND channel = ? AND account_id = ?`,
    ),
    dueBefore: db.prepare(`SELECT * FROM deliveries WHERE ${open} AND state = 'due' AND due_at < ?`),
    sessionOf: db.prepare("SELECT session_id FROM messages WHERE idempotency_key = ?"),
    said: db.prepare("SELECT * FROM messages WHERE run_seq = ? AND role = 'assistant' ORDER BY id"),
  };
}

function toDelivery(row: SqlRow): Delivery {
  const { thread_id: threadId, reply_to: replyTo, run_id: runId, message_id: messageId, error } = row;
  return {
    id: String(row["id"]),
    chat: {
      channel: String(row["channel"]),
      accountId: String(row["account_id"]),
      to: String(row["recipient"]),
      ...(typeof threadId === "string" && { threadId }),
    },
    text: String(row["text"] ?? ""),
    // Only this class writes the column.
    state: String(row["state"]) as DeliveryState,
    attempts: Number(row["attempts"]),
    dueAtMs: Number(row["due_at"]),
    ...(typeof replyTo === "string" && { replyTo }),
    ...(typeof runId === "string" && { runId }),
    ...(typeof messageId === "string" && { messageId }),
    ...(typeof error === "string" && { error }),
  };
}

/** The same for two names of the same conversation, and for no others. */
export function keyOfChat({ channel, accountId, to, threadId }: Chat): string {
  return JSON.stringify([channel, accountId, to, threadId ?? null]);
}
