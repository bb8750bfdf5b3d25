import { LIMITS } from "../../contract/limits.ts";
import type { Crypto, Database, SqlRow } from "../../ports.ts";
import { oneLine } from "../sessions/text.ts";
import type { Content, Message, SendStatus, Usage } from "./contract.ts";
import type { NewMessage, NewRun, RunEnd } from "./entries.ts";
import { type ContextRequest, type Page, type PageRequest, readContext, readPage } from "./reading.ts";
import { messageSum, parseContent, runSum, type StoredRun, toRun } from "./rows.ts";
import { type JournalStatements, prepareStatements } from "./statements.ts";
import { joined, textOf } from "./transcript.ts";

/** What `chat.send` answered to a message. */
export interface Answered {
  readonly run: StoredRun | undefined;
  readonly reply: SendStatus;
  /** Absent when it is damaged. */
  readonly text: string | undefined;
}

/** A session as its row knows it, and its time between two resets. */
interface SessionIds {
  readonly id: string;
  readonly sessionId: string;
}

/** Runs and messages on disk. What writes is called within a work of the `Writer`. */
export class Journal {
  readonly #sql: JournalStatements;
  readonly #crypto: Pick<Crypto, "sha256">;

  constructor(db: Database, crypto: Pick<Crypto, "sha256">) {
    this.#sql = prepareStatements(db);
    this.#crypto = crypto;
  }

  // --- written ---

  addRun(run: NewRun): StoredRun {
    const { id, sessionDbId, origin, owner, options, ts, retryOf, isStarted } = run;
    const status = isStarted ? "running" : "queued";
    const optionsText = JSON.stringify(options);
    const { lastId } = this.#sql.insertRun.run(
      id,
      sessionDbId,
      origin,
      owner,
      optionsText,
      status,
      ts,
      isStarted ? ts : null,
      retryOf ?? null,
      runSum(this.#crypto, [id, sessionDbId, origin, owner, optionsText, ts, retryOf ?? null]),
    );
    return {
      seq: lastId,
      id,
      sessionDbId,
      origin,
      owner,
      options,
      status,
      acceptedAt: ts,
      ...(isStarted && { startedAt: ts }),
      ...(retryOf !== undefined && { retryOf }),
    };
  }

  /** @returns its id */
  addMessage({ sessionDbId, runSeq, text, images, idempotencyKey, reply, ts }: NewMessage): number {
    const content: Content[] = text === "" ? [] : [{ type: "text", text }];
    for (const { id, mimeType, data } of images)
      content.push({ type: "image", id, mimeType, bytes: (data.replace(/=+$/, "").length * 3) >> 2 });
    const key = { key: idempotencyKey ?? null, reply: reply ?? null };
    const id = this.#insert({ sessionDbId, runSeq, role: "user", content, status: null, ts }, key);
    for (const image of images) this.#sql.insertImage.run(image.id, id, image.mimeType, image.data);
    return id;
  }

  /** A message of the agent without a run. */
  addNote(sessionDbId: string, text: string, ts: number): number {
    const content: Content[] = [{ type: "text", text }];
    return this.#insert({ sessionDbId, runSeq: undefined, role: "assistant", content, status: null, ts });
  }

  start(runId: string, ts: number): void {
    this.#sql.startRun.run(ts, runId);
  }

  /** What a running agent has said since the last piece: all that is left of it should we be killed. */
  addPiece(runSeq: number, place: number, content: readonly Content[]): void {
    this.#sql.insertPiece.run(runSeq, place, JSON.stringify(content));
  }

  dropPieces(runSeq: number): void {
    this.#sql.deletePieces.run(runSeq);
  }

  /** Messages that their run has not taken are another one's to answer. */
  moveMessages(ids: readonly number[], runSeq: number): void {
    for (const id of ids) this.#sql.moveMessage.run(runSeq, id);
  }

  /** @returns the agent's message; undefined when it had said nothing and nothing went wrong with it */
  end(
    run: Pick<StoredRun, "seq" | "id" | "sessionDbId"> & { readonly startedAt?: number | undefined },
    end: RunEnd,
  ): Message | undefined {
    const { status, ts, usage } = end;
    this.#sql.endRun.run(
      status,
      ts,
      end.error ? JSON.stringify(end.error) : null,
      end.stoppedBy ?? null,
      end.model ?? null,
      usage?.inputTokens ?? 0,
      usage?.outputTokens ?? 0,
      usage?.cachedTokens ?? 0,
      end.toolCalls ?? 0,
      run.startedAt ?? null,
      run.id,
    );
    this.#sql.deletePieces.run(run.seq);
    if (usage) {
      const { inputTokens, outputTokens } = usage;
      this.#sql.addTokens.run(inputTokens, outputTokens, end.contextTokens ?? inputTokens, run.sessionDbId);
    }
    if (end.content.length === 0 && status !== "interrupted") return undefined;
    const cut = status === "ok" ? null : status;
    const { sessionDbId, seq: runSeq } = run;
    const id = this.#insert({
      sessionDbId,
      runSeq,
      role: "assistant",
      content: end.content,
      status: cut,
      ts,
    });
    const message = {
      id: String(id),
      role: "assistant" as const,
      content: [...end.content],
      ts,
      runId: run.id,
    };
    return cut === null ? message : { ...message, status: cut };
  }

  /** Tokens of a day, by agent and model. @param day `YYYY-MM-DD`, UTC */
  addUsage(day: string, who: { readonly agentId: string; readonly model: string }, usage: Usage): void {
    const { inputTokens, outputTokens, cachedTokens = 0 } = usage;
    this.#sql.addUsage.run(day, who.agentId, who.model, inputTokens, outputTokens, cachedTokens);
  }

  /** Marks runs that are open and nobody's, with what had been written of them; the others stay. */
  interruptOpen(ts: number, among: ReadonlySet<string>): void {
    for (const run of this.openRuns()) if (among.has(run.id)) this.interrupt(run, ts);
  }

  /** Ends a run that nobody works on any more; a piece that is damaged is left out. */
  interrupt(run: StoredRun, ts: number): void {
    const pieces = this.#sql.pieces.all(run.seq).flatMap((row) => parseContent(row["content"]) ?? []);
    this.end(run, { status: "interrupted", content: joined(pieces), ts });
  }

  /**
   * From here on the session's context is this text, and what comes after that message; unless it began anew.
   */
  summarise({ id, sessionId }: SessionIds, summary: string, contextStart: number): void {
    this.#sql.summarise.run(summary, contextStart, id, sessionId, contextStart);
  }

  /** What an agent keeps for its session, unless that began anew meanwhile. */
  remember({ id, sessionId }: SessionIds, note: string): void {
    this.#sql.remember.run(note, id, sessionId);
  }

  // --- read ---

  /** Runs that wait or go on, as far as the disk knows; in the order they came. */
  openRuns(): StoredRun[] {
    return this.#sql.openRuns.all().map((row) => toRun(row, this.#crypto));
  }

  /** What the message under this key was answered with. */
  answered(sessionDbId: string, idempotencyKey: string): Answered | undefined {
    const row = this.#sql.messageByKey.get(sessionDbId, idempotencyKey);
    if (!row) return undefined;
    const content = parseContent(row["content"]);
    const run = row["run_seq"] === null ? undefined : this.#sql.runBySeq.get(row["run_seq"] ?? null);
    return {
      run: run && toRun(run, this.#crypto),
      // Only this class writes the column.
      reply: String(row["reply"]) as SendStatus,
      text: content && textOf(content),
    };
  }

  find(runId: string): StoredRun | undefined {
    const row = this.#sql.findRun.get(runId);
    return row && toRun(row, this.#crypto);
  }

  /** The newest run of a session that has a message to answer, of those after `start`. */
  last(sessionDbId: string, start: number): StoredRun | undefined {
    const row = this.#sql.lastRun.get(sessionDbId, start);
    return row && toRun(row, this.#crypto);
  }

  /** Of the newest message of the session; 0 when it has none. */
  lastMessageId(sessionDbId: string): number {
    return Number(this.#sql.lastMessage.get(sessionDbId)?.["id"] ?? 0);
  }

  image(sessionDbId: string, id: string): { mimeType: string; data: string } | undefined {
    const row = this.#sql.findImage.get(id, sessionDbId);
    return row && { mimeType: String(row["mime_type"]), data: String(row["data"]) };
  }

  /** As {@link readPage}. */
  page(sessionDbId: string, request: PageRequest): Page {
    return readPage(this.#sql, this.#crypto, { ...request, sessionDbId });
  }

  /** As {@link readContext}. */
  contextRows(sessionDbId: string, request: ContextRequest): SqlRow[] {
    return readContext(this.#sql, { ...request, sessionDbId });
  }

  /** The oldest message that waits for a later run than this one; undefined when there is none. */
  firstWaiting(sessionDbId: string, runSeq: number): number | undefined {
    const id = this.#sql.firstWaiting.get(sessionDbId, runSeq)?.["id"];
    return typeof id === "number" ? id : undefined;
  }

  #insert(
    message: {
      readonly sessionDbId: string;
      readonly runSeq: number | undefined;
      readonly role: Message["role"];
      readonly content: readonly Content[];
      readonly status: string | null;
      readonly ts: number;
    },
    { key, reply }: { readonly key: string | null; readonly reply: string | null } = {
      key: null,
      reply: null,
    },
  ): number {
    const { sessionDbId, runSeq, role, status, ts } = message;
    const content = JSON.stringify(message.content);
    const sum = messageSum(this.#crypto, { sessionDbId, role, content, ts });
    const { lastId } = this.#sql.insertMessage.run(
      sessionDbId,
      runSeq ?? null,
      role,
      content,
      status,
      ts,
      key,
      reply,
      sum,
    );
    const text = oneLine(textOf(message.content), LIMITS.previewCharsMax);
    const title = role === "user" && text !== "" ? oneLine(text, LIMITS.titleCharsMax) : null;
    this.#sql.touch.run(ts, text === "" ? null : text, title, sessionDbId);
    return lastId;
  }
}
