import { LIMITS } from "../../contract/limits.ts";
import type { Database, SqlRow } from "../../ports.ts";
import type { StoredSession } from "./stored.ts";
import { cut, storedText } from "./text.ts";

export interface PreviewItem {
  readonly id: string;
  readonly role: string;
  readonly ts: number;
  readonly text: string;
}

/** The last messages of sessions, cut short. One for each call: it reads no more than one answer is worth. */
export class Previews {
  readonly #sql: {
    readonly sizes: ReturnType<Database["prepare"]>;
    readonly messages: ReturnType<Database["prepare"]>;
  };
  #bytesLeft: number = LIMITS.previewBytesMax;

  constructor(db: Database) {
    this.#sql = {
      sizes: db.prepare(
        `SELECT id, octet_length(content) AS bytes FROM messages WHERE session_id = ? AND id > ?
         ORDER BY id DESC LIMIT ?`,
      ),
      messages: db.prepare(
        "SELECT id, role, ts, content FROM messages WHERE session_id = ? AND id >= ? ORDER BY id",
      ),
    };
  }

  /** In order of time, those since the last reset; fewer where they are very long. */
  of(
    { id, historyStart }: StoredSession,
    { limit, maxChars }: { limit: number; maxChars: number },
  ): PreviewItem[] {
    const sizes = this.#sql.sizes.all(id, historyStart, limit);
    const fits = sizes.filter((row) => (this.#bytesLeft -= Number(row["bytes"])) >= 0);
    const oldest = fits.at(-1)?.["id"];
    if (oldest === undefined) return [];
    return this.#sql.messages.all(id, oldest).map((row) => toItem(row, maxChars));
  }
}

function toItem(row: SqlRow, maxChars: number): PreviewItem {
  return {
    id: String(row["id"]),
    role: String(row["role"]),
    ts: Number(row["ts"]),
    text: cut(storedText(row["content"]), maxChars),
  };
}
