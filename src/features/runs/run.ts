import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { AgentEvent, Stop } from "../../ports.ts";
import { utf8Bytes } from "../../rpc/json.ts";
import type { Content, RunFailure } from "./contract.ts";
import type { StoredRun } from "./journal.ts";

/** Why a run was stopped by somebody else than its agent. */
export type AbortReason = "request" | "timeout" | "shutdown" | "deleted";

/** What `chat.send` is asked. */
export interface SendRequest {
  readonly sessionKey: string;
  readonly message: string;
  readonly idempotencyKey: string;
  readonly timeoutMs?: number | undefined;
}

/** What the configuration says about runs; read when one starts. */
export interface RunSettings {
  readonly activeMax: number;
  readonly timeoutMs: number;
  /** The agent of a session: its model, the first of several to try, and what it is told first. */
  agent(agentId: string | undefined): {
    readonly models: readonly string[];
    readonly systemPrompt: string | undefined;
  };
}

interface Usage {
  inputTokens: number;
  outputTokens: number;
}

/** A run from its acceptance to its end. */
export interface Run {
  readonly seq: number;
  readonly id: string;
  readonly sessionId: string;
  readonly sessionKey: string;
  readonly timeoutMs: number;
  readonly controller: AbortController;
  /** What the agent said beside its text, in order. */
  readonly extras: Content[];
  thinking: string;
  /** UTF-8 of all the agent has said. */
  bytes: number;
  usage: Usage | undefined;
  startedAt: number | undefined;
  stopTimeout: Stop;
  isEnded: boolean;
}

export function createRun(stored: StoredRun, request: SendRequest, timeoutMs: number): Run {
  const { seq, id, sessionId } = stored;
  return {
    seq,
    id,
    sessionId,
    sessionKey: request.sessionKey,
    timeoutMs: request.timeoutMs ?? timeoutMs,
    controller: new AbortController(),
    extras: [],
    thinking: "",
    bytes: 0,
    usage: undefined,
    startedAt: undefined,
    stopTimeout: () => {},
    isEnded: false,
  };
}

/** What an event adds to what is kept of its run: tool calls in full, so that many empty ones count. */
export function bytesOf(event: AgentEvent): number {
  if (event.type === "text" || event.type === "thinking") return utf8Bytes(event.text);
  return event.type === "tool_call" ? utf8Bytes(JSON.stringify(event)) : 0;
}

/** What is kept of a run: its thinking, its text, its tool calls. */
export function contentOf(run: Run, text: string): Content[] {
  return [
    ...(run.thinking === "" ? [] : [{ type: "thinking" as const, text: run.thinking }]),
    ...(text === "" ? [] : [{ type: "text" as const, text }]),
    ...run.extras,
  ];
}

/** An error of ours as a run tells it. */
export function failureOf({ code, message, extra: { retryAfterMs } }: RpcError): RunFailure {
  return { code, message, ...(retryAfterMs !== undefined && { retryAfterMs: Math.ceil(retryAfterMs) }) };
}

// --- why not ---

export function repeat(
  known: { run: StoredRun; message: string },
  request: SendRequest,
): { runId: string; status: "started" | "queued" } {
  if (known.message === request.message) return { runId: known.run.id, status: known.run.reply };
  const { idempotencyKey, sessionKey } = request;
  throw new RpcError(
    "conflict",
    `Cannot send to session "${sessionKey}": key "${idempotencyKey}" was used for another message`,
  );
}

export function tooManyWait(sessionKey: string): RpcError {
  const bound = LIMITS.runsQueuedPerSessionMax;
  const message = `Cannot send to session "${sessionKey}": ${bound} messages are waiting already`;
  return new RpcError("busy", message, { details: { bound }, retryAfterMs: 1_000 });
}

export function tooLong(): RpcError {
  const bound = LIMITS.runBytesMax;
  return new RpcError("too_large", `Cannot go on with the answer: longer than ${bound} bytes`, {
    details: { bound },
  });
}

export function timedOut(run: Run): string {
  return `Cannot complete run "${run.id}": not done within ${run.timeoutMs} ms`;
}
