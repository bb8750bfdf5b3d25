import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { AgentMessage, Stop } from "../../ports.ts";
import type { Budget } from "./budget.ts";
import type { Origin, RunFailure, Usage } from "./contract.ts";
import type { StoredRun } from "./rows.ts";
import { Transcript } from "./transcript.ts";

/** Why a run was stopped by somebody else than its agent. */
export type AbortReason = "request" | "timeout" | "shutdown" | "deleted" | "reset" | "interrupted";

/** What one run was asked beside its message; kept with it. */
export interface RunOptions {
  readonly timeoutMs?: number | undefined;
  readonly model?: string | undefined;
  readonly extraSystemPrompt?: string | undefined;
}

/** A message that came while the run went on and waits for a tool boundary to join it. */
export interface Steered {
  readonly messageId: number;
  readonly message: AgentMessage;
}

/** A run from its acceptance to its end. */
export interface Run {
  readonly seq: number;
  readonly id: string;
  /** The stable id of its session's row. */
  readonly sessionDbId: string;
  readonly sessionKey: string;
  readonly origin: Origin;
  /** Who began it: gets its events without asking for them. */
  readonly owner: string;
  readonly options: RunOptions;
  readonly budget: Budget;
  /** The run it tries again. */
  readonly retryOf: string | undefined;
  readonly controller: AbortController;
  readonly transcript: Transcript;
  /** On disk: it may start. */
  isAccepted: boolean;
  /** Messages may still join it or steer it. */
  readonly isOpen: boolean;
  readonly steered: Steered[];
  /** Messages that have joined it while it waits. */
  joined: number;
  /** Pieces of its answer that are on disk. */
  pieces: number;
  model: string | undefined;
  usage: Usage | undefined;
  /** What its last model call read and wrote. */
  contextTokens: number;
  startedAt: number | undefined;
  stopTimeout: Stop;
  /** Its agent has been asked. */
  hasStarted: boolean;
  isEnded: boolean;
}

interface Beginning {
  readonly sessionKey: string;
  readonly budget: Budget;
  readonly options: RunOptions;
}

export function createRun(stored: StoredRun, { sessionKey, budget, options }: Beginning): Run {
  const { seq, id, sessionDbId, origin, owner, startedAt, retryOf } = stored;
  return {
    seq,
    id,
    sessionDbId,
    sessionKey,
    origin,
    owner,
    options,
    budget,
    retryOf,
    controller: new AbortController(),
    transcript: new Transcript(),
    isAccepted: false,
    isOpen: origin === "chat" && options.timeoutMs === undefined && retryOf === undefined,
    steered: [],
    joined: 0,
    pieces: 0,
    model: undefined,
    usage: undefined,
    contextTokens: 0,
    startedAt,
    stopTimeout: () => {},
    hasStarted: false,
    isEnded: false,
  };
}

/** Of several model calls in one run. */
export function addUsage(known: Usage | undefined, more: Usage): Usage {
  const cachedTokens = (known?.cachedTokens ?? 0) + (more.cachedTokens ?? 0);
  return {
    inputTokens: (known?.inputTokens ?? 0) + more.inputTokens,
    outputTokens: (known?.outputTokens ?? 0) + more.outputTokens,
    ...(cachedTokens > 0 && { cachedTokens }),
  };
}

/** An error of ours as a run tells it. */
export function failureOf({ code, message, extra: { retryAfterMs } }: RpcError): RunFailure {
  return { code, message, ...(retryAfterMs !== undefined && { retryAfterMs: Math.ceil(retryAfterMs) }) };
}

// --- why not ---

export function keyUsed(sessionKey: string, idempotencyKey: string): RpcError {
  return new RpcError(
    "conflict",
    `Cannot send to session "${sessionKey}": key "${idempotencyKey}" was used for another message`,
  );
}

export function tooManyWait(sessionKey: string): RpcError {
  const bound = LIMITS.runsQueuedPerSessionMax;
  const message = `Cannot send to session "${sessionKey}": ${bound} messages are waiting already`;
  return new RpcError("busy", message, { details: { bound }, retryAfterMs: 1_000 });
}

export function stopping(sessionKey: string): RpcError {
  return new RpcError("unavailable", `Cannot send to session "${sessionKey}": the gateway is stopping`);
}

export function timedOut(run: Run): string {
  return `Cannot complete run "${run.id}": not done within ${run.budget.timeoutMs} ms`;
}
