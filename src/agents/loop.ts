import { RpcError } from "../contract/errors.ts";
import type {
  AgentEvent,
  AgentMessage,
  AgentPart,
  AgentRuntime,
  AgentTurn,
  Timers,
  ToolPolicy,
} from "../ports.ts";
import type { LoopModel } from "./fallback.ts";
import type { ModelRequest } from "./model.ts";
import { runTools, type WantedCall } from "./tool-calls.ts";
import { NO_TOOLS, type ToolSet } from "./tools.ts";

/** Calls of a model in one turn. A run has its own budgets; this ends a turn that none of them held. */
const MODEL_CALLS_MAX = 200;

/** One call of a tool, however long its source lets it take: sources have shorter deadlines of their own. */
const TOOL_MS = 3_600_000;

export type LoopOptions = {
  readonly model: LoopModel;
  readonly contextWindow: number;
  readonly policy: ToolPolicy;
  readonly timers: Timers;
  /** What one call of a tool may take. */
  readonly toolMs?: number | undefined;
  /** Never rejects; asked once a turn. */
  openTools(): Promise<ToolSet>;
};

/** The agent of a model and tools: asks the model and runs what it wants, until it wants nothing more. */
export function createLoopRuntime(options: LoopOptions): AgentRuntime {
  return {
    contextWindow: options.contextWindow,
    keepsHistory: false,
    prompt: (turn, signal) => prompt(options, turn, signal),
  };
}

const NOTHING = Symbol("aborted");

async function* prompt(
  options: LoopOptions,
  turn: AgentTurn,
  signal: AbortSignal,
): AsyncGenerator<AgentEvent> {
  const { policy, timers, toolMs = TOOL_MS } = options;
  const tools = turn.isPlain ? NO_TOOLS : await orAborted(options.openTools(), signal);
  if (tools === NOTHING) return;
  const messages = [...turn.messages];
  const states: unknown[] = [];
  const seen: Seen = { model: undefined, ids: new Set() };
  for (let calls = 0; calls < MODEL_CALLS_MAX; calls += 1) {
    if (signal.aborted) return;
    const said: Said = { text: "", calls: [], states, end: undefined };
    const request: ModelRequest = { messages: [...messages], tools: tools.specs, states: [...states] };
    for await (const event of options.model.complete(request, signal)) yield* take(event, said, seen);
    if (signal.aborted) return;
    if (said.calls.length === 0 || said.end?.reason === "filter") {
      yield said.end ?? { type: "end", reason: "stop" };
      return;
    }
    const results = yield* runTools(said.calls, { policy, timers, toolMs, tools, turn, signal });
    if (results === undefined) return;
    messages.push(messageOf(said.text, results), ...turn.steered());
  }
  throw new RpcError(
    "too_large",
    `Cannot finish run "${turn.runId}": its model was called ${MODEL_CALLS_MAX} times and still wants tools`,
  );
}

/** What one call of the model has said. */
type Said = {
  text: string;
  readonly calls: WantedCall[];
  readonly states: unknown[];
  end: Extract<AgentEvent, { type: "end" }> | undefined;
};

/** What the calls before it have said. */
type Seen = { model: string | undefined; readonly ids: Set<string> };

type Heard = LoopModel["complete"] extends (...args: never[]) => AsyncIterable<infer E> ? E : never;

/** @returns what of it is told to whoever listens */
function* take(event: Heard, said: Said, seen: Seen): Generator<AgentEvent> {
  switch (event.type) {
    case "text":
      said.text += event.text;
      break;
    case "tool_call":
      said.calls.push({ ...event, id: unusedId(event.id, seen.ids) });
      return;
    case "state":
      said.states.push(event.state);
      return;
    case "end":
      said.end = event;
      return;
    case "model":
      if (seen.model === event.model) return;
      seen.model = event.model;
      break;
    default:
  }
  yield event;
}

/** Servers that number their calls begin anew with each answer. */
function unusedId(id: string, used: Set<string>): string {
  let free = id;
  for (let count = 2; used.has(free); count += 1) free = `${id}_${count}`;
  used.add(free);
  return free;
}

function messageOf(text: string, results: readonly AgentPart[]): AgentMessage {
  return { role: "assistant", parts: text === "" ? results : [{ type: "text", text }, ...results] };
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | typeof NOTHING> {
  if (signal.aborted) return NOTHING;
  const { promise, resolve } = Promise.withResolvers<typeof NOTHING>();
  const wake = (): void => resolve(NOTHING);
  signal.addEventListener("abort", wake);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", wake);
  }
}
