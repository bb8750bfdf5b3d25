import { LIMITS } from "../../contract/limits.ts";
import type { Database, SqlRow, SqlValue } from "../../ports.ts";
import type { Writer } from "../storage/writer.ts";
import { storedText } from "./text.ts";

/**
 * The words of all messages. What has been said since the last search is put in by the next one: until
 * somebody searches, a message costs nothing.
 */
export class SearchIndex {
  readonly #writer: Pick<Writer, "write">;
  readonly #sql: ReturnType<typeof prepare>;
  #indexing: Promise<void> | undefined;

  constructor(db: Database, writer: Pick<Writer, "write">) {
    this.#writer = writer;
    this.#sql = prepare(db);
  }

  /** Everything that is on disk by now is in the index when this resolves. */
  async catchUp(): Promise<void> {
    const newest = Number(this.#sql.newest.get()?.["id"] ?? 0);
    while (this.#indexedTo() < newest) {
      this.#indexing ??= this.#writer
        .write(() => this.#indexIn(newest))
        .finally(() => (this.#indexing = undefined));
      await this.#indexing;
    }
  }

  /** Takes a message out that is being deleted, where it is in. */
  forgetIn(messageId: SqlValue): void {
    this.#sql.forget.run(messageId);
  }

  /** Some more messages: others get their turn in between. */
  #indexIn(newest: number): void {
    const rows = withinBytes(this.#sql.unindexed.all(this.#indexedTo(), LIMITS.indexBatchMax));
    for (const { id = null } of rows) {
      const text = storedText(this.#sql.content.get(id)?.["content"]);
      if (text !== "") this.#sql.index.run(id, text);
    }
    // None: they have been deleted meanwhile.
    this.#sql.save.run(String(rows.at(-1)?.["id"] ?? newest));
  }

  #indexedTo(): number {
    return Number(this.#sql.indexedTo.get()?.["value"] ?? 0);
  }
}

/** As many as are read at a time, at least one. */
export function withinBytes(rows: readonly SqlRow[]): SqlRow[] {
  let bytes = 0;
  const over = rows.findIndex((row) => (bytes += Number(row["bytes"])) > LIMITS.searchBytesMax);
  return over < 0 ? [...rows] : rows.slice(0, Math.max(over, 1));
}

function prepare(db: Database) {
  return {
    newest: db.prepare("SELECT max(id) AS id FROM messages"),
    unindexed: db.prepare(
      "SELECT id, octet_length(content) AS bytes FROM messages WHERE id > ? ORDER BY id LIMIT ?",
    ),
    content: db.prepare("SELECT content FROM messages WHERE id = ?"),
    index: db.prepare("INSERT INTO messages_fts (rowid, text) VALUES (?, ?)"),
    // The index keeps no text; which rows it has, only this table of its own says.
    forget: db.prepare(
      "DELETE FROM messages_fts WHERE rowid = (SELECT id FROM messages_fts_docsize WHERE id = ?)",
    ),
    indexedTo: db.prepare("SELECT value FROM state WHERE key = 'search_indexed'"),
    save: db.prepare(
      `INSERT INTO state (key, value) VALUES ('search_indexed', ?)
       ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    ),
  };
}
