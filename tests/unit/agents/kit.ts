import type { ChatModel, ModelEvent, ModelRequest } from "../../../src/agents/model.ts";
import { RpcError } from "../../../src/contract/errors.ts";
import type {
  AgentEnvironment,
  AgentEvent,
  AgentMessage,
  AgentPart,
  AgentRuntime,
  AgentTurn,
  Clock,
  Timers,
} from "../../../src/ports.ts";

/** The system's own time, for what really waits. */
export const realTimers: Timers = {
  after(ms, work) {
    const timer = setTimeout(work, ms);
    return () => clearTimeout(timer);
  },
  every(ms, work) {
    const timer = setInterval(work, ms);
    return () => clearInterval(timer);
  },
};

export const realClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  dayStart: (ms) => ms - (ms % 86_400_000),
};

export function message(role: AgentMessage["role"], ...parts: (string | AgentPart)[]): AgentMessage {
  return {
    role,
    parts: parts.map((part) => (typeof part === "string" ? { type: "text" as const, text: part } : part)),
  };
}

const toMessages = (said: readonly (string | AgentMessage)[]): AgentMessage[] =>
  said.map((one) => (typeof one === "string" ? message("user", one) : one));

/** A turn that nobody joins and every tool of which is allowed. */
export function turnOf(...messages: (string | AgentMessage)[]): AgentTurn {
  return {
    runId: "run-1",
    messages: toMessages(messages),
    steered: () => [],
    approve: () => Promise.resolve("allow_once"),
    remember: () => {},
  };
}

export function requestOf(...messages: (string | AgentMessage)[]): ModelRequest {
  return { messages: toMessages(messages), tools: [], states: [] };
}

export function environmentOf(...models: string[]): AgentEnvironment {
  return {
    sessionKey: "agent:main:main",
    sessionId: "session-1",
    agentId: "main",
    models,
    workspace: "/tmp",
    env: {},
    tools: {},
  };
}

export interface Heard<E = AgentEvent> {
  readonly events: E[];
  readonly text: string;
  readonly error: unknown;
}

/** All that an agent says, and what it throws. */
export function listen(
  runtime: AgentRuntime,
  turn = turnOf("hello"),
  signal = never(),
): Promise<Heard<AgentEvent>> {
  return collect(runtime.prompt(turn, signal));
}

/** All that one call of a model says, and what it throws. */
export function ask(
  model: ChatModel,
  request = requestOf("hello"),
  signal = never(),
): Promise<Heard<ModelEvent>> {
  return collect(model.complete(request, signal));
}

async function collect<E extends { readonly type: string }>(said: AsyncIterable<E>): Promise<Heard<E>> {
  const events: E[] = [];
  let error: unknown;
  try {
    for await (const event of said) events.push(event);
  } catch (thrown) {
    error = thrown;
  }
  return { events, text: textOf(events), error };
}

export function textOf(events: readonly { readonly type: string; readonly text?: unknown }[]): string {
  return events.map((event) => (event.type === "text" ? String(event.text) : "")).join("");
}

export function never(): AbortSignal {
  return new AbortController().signal;
}

/** Code, message and wait of an error of ours; anything else fails the test. */
export function faultOf(error: unknown): { code: string; message: string; retryAfterMs: number | undefined } {
  if (!(error instanceof RpcError)) throw new Error(`not an RpcError: ${String(error)}`);
  return { code: error.code, message: error.message, retryAfterMs: error.extra.retryAfterMs };
}
