import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { AgentMessage, AgentRuntime, Crypto, Log } from "../../ports.ts";
import { utf8Bytes } from "../../rpc/json.ts";
import type { Writer } from "../storage/writer.ts";
import { type Line, linesOf, newestWithin, tokensOfText } from "./context.ts";
import type { Usage } from "./contract.ts";
import type { Journal } from "./journal.ts";

interface CompactionPorts {
  readonly journal: Journal;
  readonly writer: Writer;
  readonly crypto: Pick<Crypto, "sha256">;
  readonly log: Log;
  /** Tokens of a window kept free for the answer. */
  readonly reserveTokens: () => number;
}

/** Whose context it is. */
export interface ContextOf {
  readonly session: {
    readonly id: string;
    readonly sessionId: string;
    readonly key: string;
    readonly contextStart: number;
    readonly summary?: string | undefined;
  };
  readonly run: { readonly id: string; readonly seq: number; readonly retryOf: string | undefined };
  readonly runtime: AgentRuntime;
  /** What the agent is told first. */
  readonly instructions: readonly string[];
  readonly signal: AbortSignal;
  /** Told before and after a summary is made. */
  onCompaction(phase: "start" | "end", data: Record<string, unknown>): void;
  /** Told of each call of the model for it. */
  onUsage(usage: Usage): void;
}

/** Shares of a window: what a summary is asked about at once, and what stays as it was said. */
const CHUNK_SHARE = 0.5;
const RECENT_SHARE = 0.3;
/** A window is never all reserve. */
const RESERVE_SHARE_MAX = 0.25;

const SUMMARISE = `You keep the memory of a conversation between a person and an assistant. Write a summary
that lets the assistant go on as if it had read everything: what the person wants and likes, facts, names,
numbers, decisions, what has been done with which result, what is still open. Keep exact values. Write it as
notes, without an introduction.`;

/** What a model is given of a session's history, and its summary when that is more than the model reads. */
export class Contexts {
  readonly #ports: CompactionPorts;

  constructor(ports: CompactionPorts) {
    this.#ports = ports;
  }

  /** The turn's messages: instructions, what was summed up, the conversation, the question last. */
  async of(asked: ContextOf, force = false): Promise<AgentMessage[]> {
    const { session, runtime, instructions } = asked;
    const lines = this.#lines(asked);
    if (!lines.some(({ isQuestion }) => isQuestion))
      throw new RpcError("not_found", `Cannot run in session "${session.key}": its message is damaged`);
    const told = [...instructions, ...(session.summary === undefined ? [] : [summaryText(session.summary)])];
    const room = this.#roomFor(runtime, told);
    if (runtime.keepsHistory) return toMessages(told, newestWithin(lines, room));
    const tokens = lines.reduce((sum, line) => sum + line.tokens, 0);
    if (tokens <= room && !force) return toMessages(told, lines);
    const summary = await this.#compact(asked, lines).catch((error: unknown) => {
      if (asked.signal.aborted) throw error;
      const reason = messageOf(error);
      this.#ports.log.warn("history not summarised, its oldest part is left out", {
        session: session.key,
        reason,
      });
    });
    // What the model has refused once it refuses again.
    const rest = force ? Math.min(room, recentTokens(runtime)) : room;
    if (summary === undefined) return toMessages(told, newestWithin(lines, rest));
    const told2 = [...instructions, summaryText(summary.text)];
    return toMessages(told2, newestWithin(summary.kept, this.#roomFor(runtime, told2)));
  }

  /**
   * Sums up all but the newest part, whatever the window.
   *
   * @returns how many messages are in the summary, and how many stay as they were said
   */
  async compact(asked: ContextOf): Promise<{ compacted: number; kept: number }> {
    const lines = this.#lines(asked);
    const done = await this.#compact(asked, lines);
    return {
      compacted: lines.length - (done?.kept.length ?? lines.length),
      kept: done?.kept.length ?? lines.length,
    };
  }

  #lines({ session, run }: ContextOf): Line[] {
    const { journal, crypto } = this.#ports;
    const rows = journal.contextRows(session.id, { start: session.contextStart, run });
    return linesOf(rows, { run, crypto, image: (id) => journal.image(session.id, id) });
  }

  #roomFor({ contextWindow }: AgentRuntime, told: readonly string[]): number {
    const reserve = Math.min(this.#ports.reserveTokens(), contextWindow * RESERVE_SHARE_MAX);
    const room = contextWindow - reserve - told.reduce((sum, text) => sum + tokensOfText(text), 0);
    return Math.max(room, contextWindow * RESERVE_SHARE_MAX);
  }

  /** @returns undefined when there is nothing to sum up */
  async #compact(
    asked: ContextOf,
    lines: readonly Line[],
  ): Promise<{ text: string; kept: Line[] } | undefined> {
    const { session, runtime } = asked;
    const kept = newestWithin(lines, recentTokens(runtime));
    const older = lines.slice(0, lines.length - kept.length);
    const last = older.at(-1);
    if (!last) return undefined;
    asked.onCompaction("start", { messages: older.length });
    try {
      let text = session.summary ?? "";
      for (const chunk of chunksOf(older, runtime.contextWindow * CHUNK_SHARE))
        text = await summarise(asked, text, chunk);
      // A message that waits is older than the answer before it: then that answer is in the summary, and
      // given once more as it was said.
      const newestOlder = Math.max(...older.map(({ messageId }) => messageId));
      const { journal, writer } = this.#ports;
      const waitingId = journal.firstWaiting(session.id, asked.run.seq) ?? Number.MAX_SAFE_INTEGER;
      const oldestKept = Math.min(waitingId, ...kept.map(({ messageId }) => messageId));
      const contextStart = Math.min(newestOlder, oldestKept - 1);
      await writer.write(() => journal.summarise(session, text, contextStart), utf8Bytes(text));
      asked.onCompaction("end", { messages: older.length, kept: kept.length });
      return { text, kept };
    } catch (error) {
      asked.onCompaction("end", { messages: 0, kept: lines.length });
      throw error;
    }
  }
}

function recentTokens({ contextWindow }: AgentRuntime): number {
  return Math.min(LIMITS.compactionRecentTokens, contextWindow * RECENT_SHARE);
}

/** As many lines at once as a model reads; a single longer one is cut. */
function chunksOf(lines: readonly Line[], tokensMax: number): string[] {
  const chunks: string[] = [];
  let open: string[] = [];
  let tokens = 0;
  for (const line of lines) {
    if (tokens + line.tokens > tokensMax && open.length > 0) {
      chunks.push(open.join("\n\n"));
      [open, tokens] = [[], 0];
    }
    open.push(
      toText(line.message)
        .slice(0, Math.ceil(tokensMax * 3))
        .toWellFormed(),
    );
    tokens += line.tokens;
  }
  if (open.length > 0) chunks.push(open.join("\n\n"));
  return chunks;
}

function toText({ role, parts }: AgentMessage): string {
  const said = parts.map((part) => {
    if (part.type === "text") return part.text;
    if (part.type === "image") return "[a picture]";
    return `[called ${part.name} with ${part.args}: ${part.result ?? "cut off"}]`;
  });
  return `${role === "user" ? "Person" : "Assistant"}: ${said.join("\n")}`;
}

async function summarise(asked: ContextOf, known: string, chunk: string): Promise<string> {
  const { runtime, run, signal } = asked;
  const before = known === "" ? "" : `Your notes so far, to be kept up to date:\n\n${known}\n\n`;
  const text = `${before}What was said next:\n\n${chunk}\n\nWrite the notes anew.`;
  let summary = "";
  const turn = {
    runId: `${run.id}-summary`,
    messages: toMessages([SUMMARISE], []).concat({ role: "user", parts: [{ type: "text", text }] }),
    isPlain: true,
    steered: () => [],
    approve: async () => "deny" as const,
    remember: () => {},
  };
  for await (const event of runtime.prompt(turn, signal)) {
    if (event.type === "text" && summary.length < LIMITS.summaryCharsMax) summary += event.text;
    if (event.type === "usage") asked.onUsage(event);
    signal.throwIfAborted();
  }
  signal.throwIfAborted();
  if (summary.trim() === "") throw new Error("the model said nothing");
  return summary.slice(0, LIMITS.summaryCharsMax).toWellFormed();
}

function summaryText(summary: string): string {
  return `What was said before, summed up:\n\n${summary}`;
}

function toMessages(told: readonly string[], lines: readonly Line[]): AgentMessage[] {
  const system = told.map((text): AgentMessage => ({ role: "system", parts: [{ type: "text", text }] }));
  return [...system, ...lines.map(({ message }) => message)];
}
