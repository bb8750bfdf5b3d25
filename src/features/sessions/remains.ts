import { LIMITS } from "../../contract/limits.ts";
import type { Database, SqlRow } from "../../ports.ts";
import type { Writer } from "../storage/writer.ts";
import { type SearchIndex, withinBytes } from "./search-index.ts";

interface RemainsParts {
  readonly db: Database;
  readonly writer: Pick<Writer, "write">;
  readonly index: SearchIndex;
}

/**
 * What is left of deleted sessions: it goes in pieces, as all of a long history at once would hold everybody
 * else for as long as it takes.
 */
export class Remains {
  readonly #parts: RemainsParts;
  readonly #sql: ReturnType<typeof prepare>;
  #clearing: Promise<void> | undefined;

  constructor(parts: RemainsParts) {
    this.#parts = parts;
    this.#sql = prepare(parts.db);
  }

  /** Takes all of it away. What a stop or the disk cuts off is for the next call. */
  clear(): Promise<void> {
    return (this.#clearing ??= this.#clearAll());
  }

  async #clearAll(): Promise<void> {
    // A turn of the loop, or `#clearing` would be set after it has ended.
    await Promise.resolve();
    try {
      while (this.#sql.next.get()) await this.#parts.writer.write(() => this.#clearIn());
    } finally {
      this.#clearing = undefined;
    }
  }

  #clearIn(): void {
    const { id = null } = this.#sql.next.get() ?? {};
    const messages: SqlRow[] = withinBytes(this.#sql.messages.all(id, LIMITS.indexBatchMax));
    for (const { id: messageId = null } of messages) {
      this.#parts.index.forgetIn(messageId);
      this.#sql.dropMessage.run(messageId);
    }
    if (messages.length > 0) return;
    const { changes } = this.#sql.dropRuns.run(id, LIMITS.indexBatchMax);
    if (changes === 0) this.#sql.dropSession.run(id);
  }
}

function prepare(db: Database) {
  return {
    next: db.prepare("SELECT id FROM sessions WHERE key < ' ' LIMIT 1"),
    messages: db.prepare(
      `SELECT id, octet_length(content) + coalesce(
         (SELECT sum(octet_length(data)) FROM images WHERE message_id = messages.id), 0) AS bytes
       FROM messages WHERE session_id = ? ORDER BY id LIMIT ?`,
    ),
    dropMessage: db.prepare("DELETE FROM messages WHERE id = ?"),
    dropRuns: db.prepare(
      "DELETE FROM runs WHERE seq IN (SELECT seq FROM runs WHERE session_id = ? ORDER BY seq LIMIT ?)",
    ),
    dropSession: db.prepare("DELETE FROM sessions WHERE id = ?"),
  };
}
