import { RpcError } from "../../contract/errors.ts";
import type { Crypto, Database, SqlRow } from "../../ports.ts";
import { isIntactMessage } from "../runs/rows.ts";
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

export interface SearchPage {
  readonly hits: SearchHit[];
  readonly next?: string;
  /** The disk takes nothing at present: what was said since the last search is not looked at. */
  readonly isPartial?: true;
}

interface SearchParts {
  readonly db: Database;
  readonly index: SearchIndex;
  readonly crypto: Pick<Crypto, "sha256">;
}

/** Finds messages by words. */
export class MessageSearch {
  readonly #parts: SearchParts;
  readonly #sql: ReturnType<typeof prepare>;

  constructor(parts: SearchParts) {
    this.#parts = parts;
    this.#sql = prepare(parts.db);
  }

  /** The newest first. @throws RpcError `invalid_params` for a cursor that is none of ours */
  async find(request: SearchRequest): Promise<SearchPage> {
    const before = toId(request.cursor);
    const words = toSearchWords(request.query);
    if (!words) return { hits: [] };
    const isWhole = await this.#parts.index.catchUp().then(() => true, toPartial);
    const { sessionDbId = null, limit } = request;
    const found = this.#sql.find.all(words.match, before, sessionDbId, sessionDbId, limit + 1);
    const kept = withinBytes(found.slice(0, limit));
    const next = found.length > kept.length ? kept.at(-1)?.["id"] : undefined;
    return {
      hits: kept.flatMap((row) => this.#hit(row, words)),
      ...(next !== undefined && { next: String(next) }),
      ...(!isWhole && { isPartial: true }),
    };
  }

  #hit({ id = null, key, role, ts }: SqlRow, words: SearchWords): SearchHit[] {
    const row = this.#sql.message.get(id);
    // Words of a damaged one may be anybody's.
    if (!row || !isIntactMessage(row, this.#parts.crypto)) return [];
    const text = storedText(row["content"]);
    const messageId = String(id);
    return [{ key: String(key), messageId, role: String(role), ts: Number(ts), ...snippetOf(text, words) }];
  }
}

/** The index cannot be written: what is in it can be searched. */
function toPartial(error: unknown): false {
  if (error instanceof RpcError && (error.code === "unavailable" || error.code === "busy")) return false;
  throw error;
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
    message: db.prepare("SELECT session_id, role, content, ts, checksum FROM messages WHERE id = ?"),
  };
}
