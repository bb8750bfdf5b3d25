import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Crypto, Database } from "../../ports.ts";
import { messageSum, toMessage } from "../runs/rows.ts";
import type { Writer } from "../storage/writer.ts";
import { agentOf } from "./keys.ts";
import type { Sessions } from "./sessions.ts";
import type { StoredSession } from "./stored.ts";
import { oneLine, storedText } from "./text.ts";
import {
  headerLine,
  messageLine,
  readHeader,
  readLine,
  type TranscriptHeader,
  type TranscriptMessage,
} from "./transcript.ts";

interface TransferParts {
  readonly db: Database;
  readonly writer: Pick<Writer, "write">;
  readonly crypto: Pick<Crypto, "sha256">;
  readonly sessions: Sessions;
}

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
}

/** Sessions as lines of JSON, out and in. */
export class Transfer {
  readonly #parts: TransferParts;
  readonly #sql: ReturnType<typeof prepare>;
  /** Imports of several calls that go on: the session each one made, by key. */
  readonly #open = new Map<string, string>();

  constructor(parts: TransferParts) {
    this.#parts = parts;
    this.#sql = prepare(parts.db);
  }

  /** A page: at first the header, then messages in order. @throws RpcError `invalid_params` for a bad cursor */
  export(session: StoredSession, { after, limit, all }: ExportRequest): { lines: string[]; next?: string } {
    const lines = after === undefined ? [headerLine(session)] : [];
    const start = after === undefined ? (all ? 0 : session.historyStart) : toId(session.key, after);
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
   * @throws RpcError `conflict` when the session exists and no import of it goes on, `invalid_params` naming
   *   the line that cannot be read, and as `Sessions.admit`
   */
  async import({ key: given, lines, isLast }: ImportRequest, ts: number): Promise<Imported> {
    const { sessions, writer } = this.#parts;
    const key = sessions.canonical(given);
    const isFirst = !this.#goesOn(key);
    const header = isFirst ? toHeader(key, lines[0]) : undefined;
    const { messages, skipped } = readMessages(key, lines, header ? 1 : 0);
    const chars = lines.reduce((sum, line) => sum + line.length, 0);
    return writer.write(() => {
      const created = header !== undefined;
      if (created === this.#goesOn(key)) throw exists(key);
      const session = header ? this.#begin(key, header, ts) : sessions.find(key);
      if (!session) throw exists(key);
      for (const message of messages) this.#insert(session.id, message);
      if (isLast) this.#open.delete(key);
      else this.#open.set(key, session.id);
      return { session: sessions.byId(session.id) ?? session, created, imported: messages.length, skipped };
    }, chars);
  }

  /** A session that was deleted and made again is not the one that is being imported. */
  #goesOn(key: string): boolean {
    const id = this.#open.get(key);
    return id !== undefined && this.#parts.sessions.find(key)?.id === id;
  }

  #begin(key: string, header: TranscriptHeader, ts: number): StoredSession {
    const { sessions } = this.#parts;
    if (sessions.find(key)) throw exists(key);
    if (this.#open.size >= LIMITS.importsOpenMax) this.#forgetOldest();
    const { agentId, label, model, createdAtMs = ts } = header;
    const isKnown = agentId !== undefined && agentOf(key) === undefined && sessions.isAgent(agentId);
    const isFree = label !== undefined && sessions.byLabel(label) === undefined;
    const options = { model, ...(isKnown && { agentId }), ...(isFree && { label }) };
    const { session } = sessions.admit(key, options, ts);
    this.#sql.made.run(Math.min(createdAtMs, ts), session.id);
    return session;
  }

  /** An import whose client went away never ends; what it brought stays. */
  #forgetOldest(): void {
    const [oldest] = this.#open.keys();
    if (oldest !== undefined) this.#open.delete(oldest);
  }

  #insert(sessionDbId: string, { role, ts, status, content: parts }: TranscriptMessage): void {
    const content = JSON.stringify(parts);
    const sum = messageSum(this.#parts.crypto, { sessionDbId, role, content, ts });
    this.#sql.insert.run(sessionDbId, role, content, status ?? null, ts, sum);
    const text = oneLine(storedText(content), LIMITS.previewCharsMax);
    const title = role === "user" && text !== "" ? oneLine(text, LIMITS.titleCharsMax) : null;
    this.#sql.touch.run(text === "" ? null : text, title, sessionDbId);
  }
}

function toHeader(key: string, line: string | undefined): TranscriptHeader {
  const header = line === undefined ? "it is missing" : readHeader(line);
  if (typeof header === "string") throw badLine(key, 1, header);
  return header;
}

/** The messages, with what their tools answered. @param from lines before it are no messages */
function readMessages(
  key: string,
  lines: readonly string[],
  from: number,
): { messages: TranscriptMessage[]; skipped: number } {
  const messages: TranscriptMessage[] = [];
  let skipped = 0;
  lines.slice(from).forEach((text, place) => {
    const line = readLine(text);
    if (line.kind === "bad") throw badLine(key, from + place + 1, line.state);
    if (line.kind === "message") messages.push(line.message);
    else if (line.kind === "nothing" || !addResult(messages, line)) skipped++;
  });
  return { messages, skipped };
}

/** @returns false when its call is not among them */
function addResult(
  messages: readonly TranscriptMessage[],
  { id, text, isError }: { readonly id: string; readonly text: string; readonly isError: boolean },
): boolean {
  for (const { content } of messages.toReversed()) {
    const call = content.find((part) => part.type === "tool_call" && part.id === id);
    if (call?.type !== "tool_call") continue;
    call.result = text;
    if (isError) call.isError = true;
    return true;
  }
  return false;
}

function badLine(key: string, line: number, state: string): RpcError {
  return new RpcError(
    "invalid_params",
    `Cannot import session "${key}": line ${line} cannot be used, ${state}`,
    {
      details: { line },
    },
  );
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
    made: db.prepare("UPDATE sessions SET created_at = ? WHERE id = ?"),
    touch: db.prepare(
      `UPDATE sessions SET messages = messages + 1, preview = coalesce(?, preview), title = coalesce(title, ?)
       WHERE id = ?`,
    ),
  };
}
