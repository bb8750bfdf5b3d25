import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Database, SqlRow } from "../../ports.ts";
import type { Writer } from "../storage/writer.ts";
import { type SearchWords, snippetOf, toSearchWords } from "./search-words.ts";
import { storedText } from "./text.ts";

export interface SearchRequest {
  readonly query: string;
  /** Only in this session, by the id of the tables. */
  readonly sessionDbId?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface SearchHit {
  readonly key: string;
  readonly messageId: string;
  readonly role: string;
  readonly ts: number;
  readonly snippet: string;
  readonly marks: [number, number][];
}

/**
 * Finds messages by words. What has been said since the last search is put in the index by the next one:
 * until somebody searches, a message costs nothing.
 */
export class MessageSearch {
  readonly #writer: Pick<Writer, "write">;
  readonly #sql: ReturnType<typeof prepare>;
  #indexing: Promise<void> | undefined;

  constructor(db: Database, writer: Pick<Writer, "write">) {
    this.#writer = writer;
    this.#sql = prepare(db);
  }

  /** The newest first. @throws RpcError `invalid_params` for a cursor that is none of ours; as the writer */
  async find(request: SearchRequest): Promise<{ hits: SearchHit[]; next?: string }> {
    const before = toId(request.cursor);
    const words = toSearchWords(request.query);
    if (!words) return { hits: [] };
    await this.#indexed();
    const { sessionDbId = null, limit } = request;
    const found = this.#sql.find.all(words.match, before, sessionDbId, sessionDbId, limit + 1);
    const kept = withinBytes(found.slice(0, limit));
    const next = found.length > kept.length ? kept.at(-1)?.["id"] : undefined;
    return {
      hits: kept.flatMap((row) => this.#hit(row, words)),
      ...(next !== undefined && { next: String(next) }),
    };
  }

  /** Messages of a session that are in the index. Asked in the work that deletes it. */
  indexedOf(sessionDbId: string): number[] {
    return this.#sql.indexedOf.all(sessionDbId, this.#indexedTo()).map((row) => Number(row["id"]));
  }

  /** Takes messages out of the index. */
  async forget(ids: readonly number[]): Promise<void> {
    for (let from = 0; from < ids.length; from += LIMITS.indexBatchMax) {
      const batch = ids.slice(from, from + LIMITS.indexBatchMax);
      await this.#writer.write(() => {
        for (const id of batch) this.#sql.forget.run(id);
      });
    }
  }

  /** Everything that is on disk by now is in the index when this resolves. */
  async #indexed(): Promise<void> {
    const newest = Number(this.#sql.newest.get()?.["id"] ?? 0);
    while (this.#indexedTo() < newest) {
      this.#indexing ??= this.#writer
        .write(() => this.#indexIn(newest))
        .finally(() => (this.#indexing = undefined));
      await this.#indexing;
    }
  }

  /** Some more messages: others get their turn in between. */
  #indexIn(newest: number): void {
    const from = this.#indexedTo();
    const rows = withinBytes(this.#sql.unindexed.all(from, LIMITS.indexBatchMax));
    // They may have been deleted meanwhile.
    if (rows.length === 0) this.#sql.saveIndexed.run(String(newest));
    for (const { id = null } of rows) {
      const text = storedText(this.#sql.content.get(id)?.["content"]);
      if (text !== "") this.#sql.index.run(id, text);
    }
    const last = rows.at(-1)?.["id"];
    if (last !== undefined) this.#sql.saveIndexed.run(String(last));
  }

  #indexedTo(): number {
    return Number(this.#sql.indexedTo.get()?.["value"] ?? 0);
  }

  #hit({ id = null, key, role, ts }: SqlRow, words: SearchWords): SearchHit[] {
    const row = this.#sql.content.get(id);
    if (!row) return [];
    const text = storedText(row["content"]);
    const messageId = String(id);
    return [{ key: String(key), messageId, role: String(role), ts: Number(ts), ...snippetOf(text, words) }];
  }
}

/** As many as are read at a time, at least one. */
function withinBytes(rows: readonly SqlRow[]): SqlRow[] {
  let bytes = 0;
  const over = rows.findIndex((row) => (bytes += Number(row["bytes"])) > LIMITS.searchBytesMax);
  return over < 0 ? [...rows] : rows.slice(0, Math.max(over, 1));
}

function toId(cursor: string | undefined): number {
  if (cursor === undefined) return Number.MAX_SAFE_INTEGER;
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw new RpcError("invalid_params", `Cannot search from cursor "${cursor}": no answer gave it`);
}

function prepare(db: Database) {
  return {
    find: db.prepare(
      `SELECT m.id, m.role, m.ts, s.key, octet_length(m.content) AS bytes
       FROM messages_fts JOIN messages m ON m.id = messages_fts.rowid JOIN sessions s ON s.id = m.session_id
       WHERE messages_fts MATCH ? AND messages_fts.rowid < ? AND (? IS NULL OR m.session_id = ?)
       ORDER BY messages_fts.rowid DESC LIMIT ?`,
    ),
    content: db.prepare("SELECT content FROM messages WHERE id = ?"),
    newest: db.prepare("SELECT max(id) AS id FROM messages"),
    unindexed: db.prepare(
      "SELECT id, octet_length(content) AS bytes FROM messages WHERE id > ? ORDER BY id LIMIT ?",
    ),
    index: db.prepare("INSERT INTO messages_fts (rowid, text) VALUES (?, ?)"),
    forget: db.prepare("DELETE FROM messages_fts WHERE rowid = ?"),
    indexedOf: db.prepare("SELECT id FROM messages WHERE session_id = ? AND id <= ?"),
    indexedTo: db.prepare("SELECT value FROM state WHERE key = 'search_indexed'"),
    saveIndexed: db.prepare(
      `INSERT INTO state (key, value) VALUES ('search_indexed', ?)
       ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    ),
  };
}
