import { z } from "zod";
import { once } from "../../contract/define.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { AgentMessage, Database, SqlRow } from "../../ports.ts";
import { utf8Bytes } from "../../rpc/json.ts";
import { Content, CutStatus, type Message, type RunFailure, type RunStatus } from "./contract.ts";

/** A run as it is stored. */
export interface StoredRun {
  readonly seq: number;
  readonly id: string;
  readonly sessionId: string;
  /** What `chat.send` answered. */
  readonly reply: "started" | "queued";
  readonly status: RunStatus;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly error?: RunFailure;
}

export interface NewRun {
  readonly id: string;
  readonly sessionId: string;
  readonly idempotencyKey: string;
  readonly reply: "started" | "queued";
  readonly message: string;
  readonly ts: number;
}

/** How a run ended, and what its agent had said. */
export interface RunEnd {
  readonly status: Exclude<RunStatus, "queued" | "running">;
  readonly content: readonly Content[];
  readonly ts: number;
  readonly error?: RunFailure | undefined;
}

export interface Page {
  readonly messages: Message[];
  readonly before?: string;
  readonly after?: string;
}

export interface PageRequest {
  readonly limit: number;
  readonly before?: number | undefined;
  readonly after?: number | undefined;
}

const StoredContent = once(() => z.array(Content()));

/** Runs and messages on disk. Each writing method is one transaction. */
export class Journal {
  readonly #db: Database;
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.#db = db;
    this.#sql = prepare(db);
  }

  /** On disk when this returns: the run, and the message it is to answer. */
  accept(run: NewRun): StoredRun {
    return this.#db.transaction(() => {
      const { lastId } = this.#sql.insertRun.run(
        run.id,
        run.sessionId,
        run.idempotencyKey,
        run.reply,
        run.ts,
      );
      const content = JSON.stringify([{ type: "text", text: run.message }]);
      this.#sql.insertMessage.run(run.sessionId, lastId, "user", content, null, run.ts);
      this.#sql.touch.run(run.ts, 1, run.sessionId);
      return { seq: lastId, id: run.id, sessionId: run.sessionId, reply: run.reply, status: "queued" };
    });
  }

  /** The run that was accepted under this key, with the message it was given. */
  accepted(sessionId: string, idempotencyKey: string): { run: StoredRun; message: string } | undefined {
    const row = this.#sql.acceptedRun.get(sessionId, idempotencyKey);
    if (!row) return undefined;
    const run = toRun(row);
    const question = this.#sql.question.get(run.seq);
    return { run, message: question ? textOf(parseContent(question["content"] ?? null)) : "" };
  }

  find(runId: string): StoredRun | undefined {
    const row = this.#sql.findRun.get(runId);
    return row && toRun(row);
  }

  start(runId: string, ts: number): void {
    this.#sql.startRun.run(ts, runId);
  }

  /** @returns the agent's message; undefined when it had said nothing and nothing went wrong with it */
  end(
    run: { readonly seq: number; readonly id: string; readonly sessionId: string },
    end: RunEnd,
  ): Message | undefined {
    return this.#db.transaction(() => {
      const error = end.error ? JSON.stringify(end.error) : null;
      this.#sql.endRun.run(end.status, end.ts, error, run.id);
      if (end.content.length === 0 && end.status !== "interrupted") return undefined;
      const status = end.status === "ok" ? null : end.status;
      const content = JSON.stringify(end.content);
      const { lastId } = this.#sql.insertMessage.run(
        run.sessionId,
        run.seq,
        "assistant",
        content,
        status,
        end.ts,
      );
      this.#sql.touch.run(end.ts, 1, run.sessionId);
      return toMessage({ id: lastId, role: "assistant", content, status, ts: end.ts, run_id: run.id });
    });
  }

  /** Marks what a stop without notice left open. @returns how many runs that were */
  interruptOpen(ts: number): number {
    const open = this.#sql.openRuns.all().map(toRun);
    for (const run of open) this.end(run, { status: "interrupted", content: [], ts });
    return open.length;
  }

  /** A page in order of time: the last messages, or those next to one of them. */
  page(sessionId: string, { limit, before, after }: PageRequest): Page {
    const isForward = after !== undefined;
    const from = after ?? before ?? Number.MAX_SAFE_INTEGER;
    const statement = isForward ? this.#sql.pageAfter : this.#sql.pageBefore;
    const rows = statement.all(sessionId, from, limit + 1);
    const kept = withinBytes(rows.slice(0, limit));
    const hasMore = kept.length < rows.length;
    const ordered = isForward ? kept : kept.reverse();
    const messages = ordered.map(toMessage);
    const [first, last] = [messages[0]?.id, messages.at(-1)?.id];
    const hasOlder = isForward ? after > 0 && first !== undefined : hasMore;
    const hasNewer = isForward ? hasMore : before !== undefined && last !== undefined;
    return {
      messages,
      ...(hasOlder && first !== undefined && { before: first }),
      ...(hasNewer && last !== undefined && { after: last }),
    };
  }

  /** The conversation up to this run's question, as its agent should see it. */
  context(run: { readonly seq: number; readonly sessionId: string }): AgentMessage[] {
    const rows = this.#sql.context.all(run.sessionId, run.seq, LIMITS.contextMessagesMax);
    const messages = rows.reverse().map((row): AgentMessage => {
      return {
        role: row["role"] === "user" ? "user" : "assistant",
        text: textOf(parseContent(row["content"] ?? null)),
      };
    });
    return messages.filter((message) => message.text !== "");
  }
}

function withinBytes(rows: readonly SqlRow[]): SqlRow[] {
  let bytes = 0;
  const over = rows.findIndex((row) => (bytes += utf8Bytes(String(row["content"]))) > LIMITS.historyBytesMax);
  return over < 0 ? [...rows] : rows.slice(0, Math.max(over, 1));
}

function prepare(db: Database) {
  const message =
    "SELECT messages.*, runs.id AS run_id FROM messages JOIN runs ON runs.seq = messages.run_seq";
  return {
    insertRun: db.prepare(
      `INSERT INTO runs (id, session_id, idempotency_key, reply, status, accepted_at) VALUES (?, ?, ?, ?, 'queued', ?)`,
    ),
    insertMessage: db.prepare(
      "INSERT INTO messages (session_id, run_seq, role, content, status, ts) VALUES (?, ?, ?, ?, ?, ?)",
    ),
    touch: db.prepare("UPDATE sessions SET updated_at = ?, messages = messages + ? WHERE id = ?"),
    acceptedRun: db.prepare("SELECT * FROM runs WHERE session_id = ? AND idempotency_key = ?"),
    question: db.prepare(
      "SELECT content FROM messages WHERE run_seq = ? AND role = 'user' ORDER BY id LIMIT 1",
    ),
    findRun: db.prepare("SELECT * FROM runs WHERE id = ?"),
    startRun: db.prepare("UPDATE runs SET status = 'running', started_at = ? WHERE id = ?"),
    endRun: db.prepare("UPDATE runs SET status = ?, ended_at = ?, error = ? WHERE id = ?"),
    openRuns: db.prepare("SELECT * FROM runs WHERE status IN ('queued', 'running') ORDER BY seq"),
    pageBefore: db.prepare(
      `${message} WHERE messages.session_id = ? AND messages.id < ? ORDER BY messages.id DESC LIMIT ?`,
    ),
    pageAfter: db.prepare(
      `${message} WHERE messages.session_id = ? AND messages.id > ? ORDER BY messages.id LIMIT ?`,
    ),
    // By run, not by time: a question that waits is older than the answer before it.
    context: db.prepare(
      `SELECT role, content FROM messages WHERE session_id = ? AND run_seq <= ? ORDER BY run_seq DESC, id DESC LIMIT ?`,
    ),
  };
}

function toRun(row: SqlRow): StoredRun {
  const { started_at: startedAt, ended_at: endedAt, error } = row;
  return {
    seq: Number(row["seq"]),
    id: String(row["id"]),
    sessionId: String(row["session_id"]),
    reply: row["reply"] === "queued" ? "queued" : "started",
    // Only this class writes the column, and only these words.
    status: String(row["status"]) as RunStatus,
    ...(typeof startedAt === "number" && { startedAt }),
    ...(typeof endedAt === "number" && { endedAt }),
    ...(typeof error === "string" && { error: JSON.parse(error) as NonNullable<StoredRun["error"]> }),
  };
}

function toMessage(row: SqlRow): Message {
  const status = CutStatus().safeParse(row["status"]);
  return {
    id: String(row["id"]),
    role: row["role"] === "user" ? "user" : "assistant",
    content: parseContent(row["content"] ?? null),
    ts: Number(row["ts"]),
    runId: String(row["run_id"]),
    ...(status.success && { status: status.data }),
  };
}

function parseContent(text: SqlRow[string]): Content[] {
  return StoredContent().parse(JSON.parse(String(text)));
}

/** The parts a person would read. */
export function textOf(content: readonly Content[]): string {
  return content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("");
}
