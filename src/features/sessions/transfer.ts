import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Crypto, Database } from "../../ports.ts";
import { messageSum, parseContent, toMessage } from "../runs/rows.ts";
import type { Writer } from "../storage/writer.ts";
import { Branches } from "./branches.ts";
import { BranchCut } from "./branch-cut.ts";
import { agentOf } from "./keys.ts";
import type { Sessions } from "./sessions.ts";
import type { StoredSession } from "./stored.ts";
import { type SearchIndex, withinBytes } from "./search-index.ts";
import { oneLine, storedText } from "./text.ts";
import { answerCall, callsIn, readMessages, toHeader } from "./transcript-part.ts";
import {
  headerLine,
  messageLine,
  readHeader,
  type ToolResult,
  type TranscriptHeader,
  type TranscriptMessage,
} from "./transcript.ts";

interface TransferParts {
  readonly db: Database;
  readonly writer: Pick<Writer, "write">;
  readonly crypto: Pick<Crypto, "sha256">;
  readonly sessions: Sessions;
  readonly index: SearchIndex;
}

/** A tool's answer comes soon after its call: messages of an earlier part that are looked at for it. */
const CALLING_MAX = 5;

export interface ExportRequest {
  readonly after?: string | undefined;
  readonly limit: number;
  /** With what was said before the last reset. */
  readonly all: boolean;
}

export interface ImportRequest {
  readonly key: string;
  readonly lines: readonly string[];
  readonly isLast: boolean;
}

export interface Imported {
  readonly session: StoredSession;
  readonly created: boolean;
  readonly imported: number;
  readonly skipped: number;
  /** With the last call: messages off the last entry's branch, which went. */
  readonly leftOut: number;
  /** The last line was cut off, and left out. */
  readonly isTorn: boolean;
}

/** What an import of several calls has left; when the session is not like that any more, it is another's. */
interface OpenImport {
  readonly sessionId: string;
  readonly newestMessage: number;
  /** Of a transcript of the original; those of ours are no trees. */
  readonly branches: Branches | undefined;
}

/** Sessions as lines of JSON, out and in. */
export class Transfer {
  readonly #parts: TransferParts;
  readonly #sql: ReturnType<typeof prepare>;
  /** Imports of several calls that go on, by key. */
  readonly #open = new Map<string, OpenImport>();
  readonly #cut: BranchCut;

  constructor(parts: TransferParts) {
    this.#parts = parts;
    this.#sql = prepare(parts.db);
    this.#cut = new BranchCut(parts);
  }

  /** A page: the header, then messages in order. @throws RpcError `invalid_params` for a bad cursor */
  export(session: StoredSession, { after, limit, all }: ExportRequest): { lines: string[]; next?: string } {
    const lines = after === undefined ? [headerLine(session)] : [];
    const start = Math.max(
      all ? 0 : session.historyStart,
      after === undefined ? 0 : toId(session.key, after),
    );
    const rows = this.#sql.messages.all(session.id, start, limit + 1);
    let chars = 0;
    let last: string | undefined;
    for (const row of rows.slice(0, limit)) {
      const line = messageLine(toMessage(row, this.#parts.crypto));
      chars += line.length;
      if (chars > LIMITS.transcriptCharsMax && last !== undefined) break;
      lines.push(line);
      last = String(row["id"]);
    }
    const hasMore = last !== undefined && last !== String(rows.at(-1)?.["id"]);
    return { lines, ...(hasMore && last !== undefined && { next: last }) };
  }

  /**
   * Adds the lines of one call, all or none.
   *
   * @throws RpcError `conflict` when the session exists and no import of it goes on, or somebody has used it
   *   meanwhile; `invalid_params` naming the line that cannot be read; and as `Sessions.admit`
   */
  async import({ key: given, lines, isLast }: ImportRequest, ts: number): Promise<Imported> {
    const { sessions, writer } = this.#parts;
    const key = sessions.canonical(given);
    const header = this.#headerOf(key, lines);
    const branches = header ? toBranches(header) : this.#open.get(key)?.branches;
    // With nothing but a header before it there is nothing to import.
    const hasMore = lines.length > (header ? 2 : 0);
    const part = readMessages(key, lines, {
      from: header ? 1 : 0,
      mayBeTorn: isLast && hasMore && branches !== undefined,
    });
    const chars = lines.reduce((sum, line) => sum + line.length, 0);
    const done = await writer.write(() => {
      const session = header ? this.#begin(key, header, ts) : this.#goneOnWith(key);
      const lost = this.#answerIn(session.id, part.results);
      const before = this.#newestMessage(session.id);
      const rows = part.messages.map((message) => this.#insert(session.id, message));
      return { session, rows, before, skipped: part.skipped + lost };
    }, chars);
    const { rows, before, skipped } = done;
    for (const { place, messages } of part.entries) branches?.add(place, rows[messages - 1] ?? before);
    this.#open.delete(key);
    const { id, sessionId } = done.session;
    if (!isLast) this.#keepOpen(key, { sessionId, newestMessage: rows.at(-1) ?? before, branches });
    const leftOut = isLast && branches ? await this.#cut.leaveOut(id, branches.leftOut()) : 0;
    const session = sessions.byId(id) ?? done.session;
    const created = header !== undefined;
    return { session, created, imported: rows.length, skipped, leftOut, isTorn: part.isTorn };
  }

  /** The header of an import that begins; undefined where one goes on. */
  #headerOf(key: string, [first]: readonly string[]): TranscriptHeader | undefined {
    if (!this.#open.has(key)) return toHeader(key, first);
    const header = first === undefined ? undefined : readHeader(first);
    // A second import of the same key does not go on with the first one's.
    if (typeof header === "object") return header;
    this.#goneOnWith(key);
    return undefined;
  }

  /** @throws RpcError `conflict` when it is not as the last call left it: begun anew, made again, written in */
  #goneOnWith(key: string): StoredSession {
    const open = this.#open.get(key);
    const session = this.#parts.sessions.find(key);
    const isSame =
      session?.sessionId === open?.sessionId &&
      open?.newestMessage === this.#newestMessage(session?.id ?? "");
    if (session && isSame) return session;
    throw new RpcError("conflict", `Cannot import session "${key}": it was changed while it was imported`);
  }

  #newestMessage(sessionDbId: string): number {
    return Number(this.#sql.newest.get(sessionDbId)?.["id"] ?? 0);
  }

  #begin(key: string, header: TranscriptHeader, ts: number): StoredSession {
    const { sessions } = this.#parts;
    if (sessions.find(key)) throw exists(key);
    const { label, model, createdAtMs = ts } = header;
    const agentId = header.agentId?.toLowerCase();
    const isKnown = agentOf(key) === undefined && agentId !== undefined && sessions.isAgent(agentId);
    const isFree = label !== undefined && sessions.byLabel(label) === undefined;
    const options = { model, ...(isKnown && { agentId }), ...(isFree && { label }) };
    const { session } = sessions.admit(key, options, ts);
    this.#sql.made.run(Math.min(createdAtMs, ts), session.id);
    return session;
  }

  /** An import whose client went away never ends; what it brought stays. */
  #keepOpen(key: string, left: OpenImport): void {
    const [oldest] = this.#open.keys();
    if (oldest !== undefined && this.#open.size >= LIMITS.importsOpenMax) this.#open.delete(oldest);
    this.#open.set(key, left);
  }

  /** Tools' answers to calls that came with an earlier part. @returns how many calls are not there */
  #answerIn(sessionDbId: string, results: readonly ToolResult[]): number {
    const earlier = results.length === 0 ? [] : this.#sql.calling.all(sessionDbId, CALLING_MAX);
    const left = new Map(results.map((result) => [result.id, result]));
    let answered = 0;
    for (const { id = null, ts } of withinBytes(earlier)) {
      const parts = parseContent(this.#sql.content.get(id)?.["content"]) ?? [];
      const open = callsIn(parts).filter((call) => call.result === undefined && left.has(call.id));
      if (open.length === 0) continue;
      for (const call of open) {
        const result = left.get(call.id);
        if (result) answerCall(call, result);
        left.delete(call.id);
        answered++;
      }
      const content = JSON.stringify(parts);
      const fields = { sessionDbId, role: "assistant" as const, content, ts: Number(ts) };
      this.#sql.answer.run(content, messageSum(this.#parts.crypto, fields), id);
    }
    return results.length - answered;
  }

  /** @returns the number of its row */
  #insert(sessionDbId: string, { role, ts, status, content: parts }: TranscriptMessage): number {
    const content = JSON.stringify(parts);
    const sum = messageSum(this.#parts.crypto, { sessionDbId, role, content, ts });
    const { lastId } = this.#sql.insert.run(sessionDbId, role, content, status ?? null, ts, sum);
    const text = oneLine(storedText(content), LIMITS.previewCharsMax);
    const title = role === "user" && text !== "" ? oneLine(text, LIMITS.titleCharsMax) : null;
    this.#sql.touch.run(text === "" ? null : text, title, sessionDbId);
    return lastId;
  }
}

/** A session that is made has no row yet: whatever number its first one gets is after this one. */
function toBranches({ isOriginal }: TranscriptHeader): Branches | undefined {
  return isOriginal ? new Branches(0) : undefined;
}

function exists(key: string): RpcError {
  return new RpcError("conflict", `Cannot import session "${key}": there is one of this key`);
}

function toId(key: string, cursor: string): number {
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw new RpcError("invalid_params", `Cannot export session "${key}" after "${cursor}": no answer gave it`);
}

function prepare(db: Database) {
  return {
    messages: db.prepare(
      `SELECT messages.*, runs.id AS run_id FROM messages LEFT JOIN runs ON runs.seq = messages.run_seq
       WHERE messages.session_id = ? AND messages.id > ? ORDER BY messages.id LIMIT ?`,
    ),
    insert: db.prepare(
      "INSERT INTO messages (session_id, role, content, status, ts, checksum) VALUES (?, ?, ?, ?, ?, ?)",
    ),
    newest: db.prepare("SELECT max(id) AS id FROM messages WHERE session_id = ?"),
    calling: db.prepare(
      `SELECT id, ts, octet_length(content) AS bytes FROM messages
       WHERE session_id = ? AND role = 'assistant' ORDER BY id DESC LIMIT ?`,
    ),
    content: db.prepare("SELECT content FROM messages WHERE id = ?"),
    answer: db.prepare("UPDATE messages SET content = ?, checksum = ? WHERE id = ?"),
    made: db.prepare("UPDATE sessions SET created_at = ? WHERE id = ?"),
    touch: db.prepare(
      `UPDATE sessions SET messages = messages + 1, preview = coalesce(?, preview), title = coalesce(title, ?)
       WHERE id = ?`,
    ),
  };
}
