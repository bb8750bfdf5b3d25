import type { Database, SqlRow } from "../../ports.ts";
import type { Sender } from "./contract.ts";

/** A person as an account of a channel knows them. */
export interface Who {
  readonly channel: string;
  readonly accountId: string;
  readonly senderId: string;
}

/** Who has written or may write, on disk. What ends in `In` is called inside a work of the writer. */
export class Senders {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.#sql = prepare(db);
  }

  find({ channel, accountId, senderId }: Who): (Sender & { chatId: string }) | undefined {
    const row = this.#sql.find.get(channel, accountId, senderId);
    return row && toSender(row);
  }

  byCode(code: string): (Sender & { chatId: string }) | undefined {
    const row = this.#sql.byCode.get(code);
    return row && toSender(row);
  }

  /** The newest first. */
  list(ts: number, channel: string | undefined): Sender[] {
    return this.#sql.list.all(ts, channel ?? null, channel ?? null).map((row) => {
      const { chatId: _, ...sender } = toSender(row);
      return sender;
    });
  }

  /** Those whose codes hold. */
  waiting(channel: string, accountId: string, ts: number): number {
    return Number(this.#sql.waiting.get(channel, accountId, ts)?.["n"] ?? 0);
  }

  /** In place of what was known of them. */
  waitIn(
    who: Who,
    wait: { chatId: string; name: string | undefined; code: string; ts: number; untilMs: number },
  ) {
    const { chatId, name = null, code, ts, untilMs } = wait;
    this.#sql.dropExpired.run(ts);
    this.#sql.wait.run(who.channel, who.accountId, who.senderId, chatId, name, code, ts, untilMs);
  }

  approveIn(code: string, ts: number): void {
    this.#sql.approve.run(ts, code);
  }

  /** @returns whether there was somebody */
  removeIn({ channel, accountId, senderId }: Who): boolean {
    return this.#sql.remove.run(channel, accountId, senderId).changes > 0;
  }
}

function prepare(db: Database) {
  const known = "channel = ? AND account_id = ? AND sender_id = ?";
  return {
    find: db.prepare(`SELECT * FROM channel_senders WHERE ${known}`),
    byCode: db.prepare("SELECT * FROM channel_senders WHERE code = ?"),
    list: db.prepare(
      `SELECT * FROM channel_senders WHERE (approved_at IS NOT NULL OR expires_at > ?)
         AND (? IS NULL OR channel = ?) ORDER BY created_at DESC, sender_id LIMIT 1000`,
    ),
    waiting: db.prepare(
      `SELECT count(*) AS n FROM channel_senders
       WHERE channel = ? AND account_id = ? AND code IS NOT NULL AND expires_at > ?`,
    ),
    dropExpired: db.prepare("DELETE FROM channel_senders WHERE code IS NOT NULL AND expires_at <= ?"),
    wait: db.prepare(
      `INSERT OR REPLACE INTO channel_senders
         (channel, account_id, sender_id, chat_id, name, code, created_at, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    approve: db.prepare(
      "UPDATE channel_senders SET approved_at = ?, code = NULL, expires_at = NULL WHERE code = ?",
    ),
    remove: db.prepare(`DELETE FROM channel_senders WHERE ${known}`),
  };
}

function toSender(row: SqlRow): Sender & { chatId: string } {
  const { name, code, expires_at: expiresAtMs } = row;
  return {
    channel: String(row["channel"]),
    accountId: String(row["account_id"]),
    senderId: String(row["sender_id"]),
    chatId: String(row["chat_id"]),
    ...(typeof name === "string" && { name }),
    state: row["approved_at"] === null ? "waiting" : "approved",
    ...(typeof code === "string" && { code }),
    createdAtMs: Number(row["created_at"]),
    ...(typeof expiresAtMs === "number" && { expiresAtMs }),
  };
}
