import { LIMITS } from "../../contract/limits.ts";
import type { Database, SqlRow, SqlValue } from "../../ports.ts";
import type { Writer } from "../storage/writer.ts";
import { storedText } from "./text.ts";

/** Ids, the first and the last. */
type Range = readonly [number, number];

/** Ids that are looked at for one batch: of other sessions are many between those of one that was deleted. */
const WINDOW = 5_000;

/**
 * The words of all messages. What has been said since the last search is put in by the next one: until
 * somebody searches, a message costs nothing. What is deleted goes out in the background, over restarts.
 */
export class SearchIndex {
  readonly #writer: Pick<Writer, "write">;
  readonly #sql: ReturnType<typeof prepare>;
  #indexing: Promise<void> | undefined;
  #forgetting: Promise<void> | undefined;

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

  /** Notes what is to be forgotten of a session, in the very work that deletes it. */
  noteDeletedIn(sessionDbId: string): void {
    const { first = null, last = null } = this.#sql.rangeOf.get(sessionDbId, this.#indexedTo()) ?? {};
    if (first === null || last === null) return;
    this.#saveDeleted([...this.#deleted(), [Number(first), Number(last)]]);
  }

  /** Takes what was deleted out of the index. */
  forgetDeleted(): Promise<void> {
    return (this.#forgetting ??= this.#forgetAll().finally(() => (this.#forgetting = undefined)));
  }

  async #forgetAll(): Promise<void> {
    while (this.#deleted().length > 0) await this.#writer.write(() => this.#forgetIn());
  }

  #forgetIn(): void {
    const [range, ...others] = this.#deleted();
    if (!range) return;
    const [first, last] = range;
    const end = Math.min(last, first + WINDOW);
    const gone = this.#sql.gone.all(first, end, LIMITS.indexBatchMax);
    for (const { id = null } of gone) this.#sql.forget.run(id);
    const next = gone.length === LIMITS.indexBatchMax ? Number(gone.at(-1)?.["id"]) + 1 : end + 1;
    this.#saveDeleted(next > last ? others : [[next, last], ...others]);
  }

  /** Some more messages: others get their turn in between. */
  #indexIn(newest: number): void {
    const rows = withinBytes(this.#sql.unindexed.all(this.#indexedTo(), LIMITS.indexBatchMax));
    for (const { id = null } of rows) {
      const text = storedText(this.#sql.content.get(id)?.["content"]);
      if (text !== "") this.#sql.index.run(id, text);
    }
    // None: they have been deleted meanwhile.
    this.#sql.save.run("search_indexed", String(rows.at(-1)?.["id"] ?? newest));
  }

  #indexedTo(): number {
    return Number(this.#state("search_indexed") ?? 0);
  }

  #deleted(): Range[] {
    const text = this.#state("search_deleted");
    // Only this class writes it, and only ranges.
    return typeof text === "string" ? (JSON.parse(text) as Range[]) : [];
  }

  #saveDeleted(ranges: readonly Range[]): void {
    if (ranges.length === 0) this.#sql.drop.run("search_deleted");
    else this.#sql.save.run("search_deleted", JSON.stringify(ranges));
  }

  #state(key: string): SqlValue | undefined {
    return this.#sql.state.get(key)?.["value"];
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
    rangeOf: db.prepare(
      "SELECT min(id) AS first, max(id) AS last FROM messages WHERE session_id = ? AND id <= ?",
    ),
    // The index keeps no text; which rows it has, only this table of its own says.
    gone: db.prepare(
      `SELECT d.id FROM messages_fts_docsize d LEFT JOIN messages m ON m.id = d.id
       WHERE d.id BETWEEN ? AND ? AND m.id IS NULL ORDER BY d.id LIMIT ?`,
    ),
    forget: db.prepare("DELETE FROM messages_fts WHERE rowid = ?"),
    state: db.prepare("SELECT value FROM state WHERE key = ?"),
    save: db.prepare(
      "INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    ),
    drop: db.prepare("DELETE FROM state WHERE key = ?"),
  };
}
