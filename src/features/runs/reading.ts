import { LIMITS } from "../../contract/limits.ts";
import type { Crypto, SqlRow } from "../../ports.ts";
import { utf8Bytes } from "../../rpc/json.ts";
import type { Message } from "./contract.ts";
import { toMessage } from "./rows.ts";
import type { JournalStatements } from "./statements.ts";

export interface Page {
  readonly messages: Message[];
  readonly before?: string;
  readonly after?: string;
}

export interface PageRequest {
  readonly limit: number;
  readonly before?: number | undefined;
  readonly after?: number | undefined;
  /** Messages up to this one are not looked at. */
  readonly start: number;
}

/** Whose conversation is read for its agent. */
export interface ContextRequest {
  /** Messages up to this one are not looked at, nor are those of later runs. */
  readonly start: number;
  readonly run: { readonly id: string; readonly seq: number; readonly retryOf: string | undefined };
}

type Reads = Pick<JournalStatements, "pageBefore" | "pageAfter" | "context" | "questions">;

/** Rows that are read at once: a message may be half a MiB. */
const ROWS_AT_ONCE = 32;

/** A page in order of time: the last messages, or those next to one of them. */
export function readPage(
  sql: Reads,
  crypto: Pick<Crypto, "sha256">,
  { sessionDbId, limit, before, after, start }: PageRequest & { readonly sessionDbId: string },
): Page {
  const bounds = { rowsMax: limit, bytesMax: LIMITS.historyBytesMax };
  const isForward = after !== undefined;
  const { rows, hasMore } = isForward
    ? readWithin((from, count) => sql.pageAfter.all(sessionDbId, from, count), Math.max(after, start), bounds)
    : readWithin(
        (from, count) => sql.pageBefore.all(sessionDbId, start, from, count),
        before ?? Number.MAX_SAFE_INTEGER,
        bounds,
      );
  const messages = (isForward ? rows : rows.reverse()).map((row) => toMessage(row, crypto));
  const [first, last] = [messages[0]?.id, messages.at(-1)?.id];
  const hasOlder = isForward ? after > start && first !== undefined : hasMore;
  const hasNewer = isForward ? hasMore : before !== undefined && last !== undefined;
  return {
    messages,
    ...(hasOlder && first !== undefined && { before: first }),
    ...(hasNewer && last !== undefined && { after: last }),
  };
}

/** Rows of the newest messages up to a run, oldest first; its question always, whatever came behind it. */
export function readContext(
  sql: Reads,
  { sessionDbId, start, run }: ContextRequest & { readonly sessionDbId: string },
): SqlRow[] {
  const bounds = { rowsMax: LIMITS.contextMessagesMax, bytesMax: LIMITS.contextBytesMax };
  const { rows, hasMore } = readWithin(
    (from, count) => sql.context.all(sessionDbId, start, from, run.seq, count),
    Number.MAX_SAFE_INTEGER,
    bounds,
  );
  if (!hasMore) return rows.reverse();
  const oldest = Number(rows.at(-1)?.["id"]);
  const questions = sql.questions.all(run.id, run.retryOf ?? run.id, start, oldest);
  return [...questions, ...rows.reverse()];
}

/** @param read so many of the rows that come after this one's id, in its order */
function readWithin(
  read: (from: number, count: number) => SqlRow[],
  start: number,
  { rowsMax, bytesMax }: { readonly rowsMax: number; readonly bytesMax: number },
): { rows: SqlRow[]; hasMore: boolean } {
  const rows: SqlRow[] = [];
  let bytes = 0;
  let from = start;
  for (;;) {
    const count = Math.min(ROWS_AT_ONCE, rowsMax - rows.length + 1);
    const found = read(from, count);
    for (const row of found) {
      bytes += utf8Bytes(String(row["content"]));
      if (rows.length === rowsMax || (rows.length > 0 && bytes > bytesMax)) return { rows, hasMore: true };
      rows.push(row);
      from = Number(row["id"]);
    }
    if (found.length < count) return { rows, hasMore: false };
  }
}
