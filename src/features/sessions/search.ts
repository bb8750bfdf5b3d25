import { RpcError } from "../../contract/errors.ts";
import type { Database, SqlRow } from "../../ports.ts";
import { type SearchIndex, withinBytes } from "./search-index.ts";
import { type SearchWords, snippetOf, toSearchWords } from "./search-words.ts";
import { IS_THERE } from "./stored.ts";
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

/** Finds messages by words. */
export class MessageSearch {
  readonly #index: SearchIndex;
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: Database, index: SearchIndex) {
    this.#index = index;
    this.#sql = prepare(db);
  }

  /** The newest first. @throws RpcError `invalid_params` for a cursor that is none of ours; as the writer */
  async find(request: SearchRequest): Promise<{ hits: SearchHit[]; next?: string }> {
    const before = toId(request.cursor);
    const words = toSearchWords(request.query);
    if (!words) return { hits: [] };
    await this.#index.catchUp();
    const { sessionDbId = null, limit } = request;
    const found = this.#sql.find.all(words.match, before, sessionDbId, sessionDbId, limit + 1);
    const kept = withinBytes(found.slice(0, limit));
    const next = found.length > kept.length ? kept.at(-1)?.["id"] : undefined;
    return {
      hits: kept.flatMap((row) => this.#hit(row, words)),
      ...(next !== undefined && { next: String(next) }),
    };
  }

  #hit({ id = null, key, role, ts }: SqlRow, words: SearchWords): SearchHit[] {
    const row = this.#sql.content.get(id);
    if (!row) return [];
    const text = storedText(row["content"]);
    const messageId = String(id);
    return [{ key: String(key), messageId, role: String(role), ts: Number(ts), ...snippetOf(text, words) }];
  }
}

function toId(cursor: string | undefined): number {
  if (cursor === undefined) return Number.MAX_SAFE_INTEGER;
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw new RpcError("invalid_params", `Cannot search from cursor "${cursor}": no answer gave it`);
}

function prepare(db: Database) {
  return {
    find: db.prepare(
      `SELECT m.id, m.role, m.ts, sessions.key, octet_length(m.content) AS bytes
       FROM messages_fts JOIN messages m ON m.id = messages_fts.rowid
       JOIN sessions ON sessions.id = m.session_id AND ${IS_THERE}
       WHERE messages_fts MATCH ? AND messages_fts.rowid < ? AND (? IS NULL OR m.session_id = ?)
       ORDER BY messages_fts.rowid DESC LIMIT ?`,
    ),
    content: db.prepare("SELECT content FROM messages WHERE id = ?"),
  };
}
