import type { AgentEvent, AgentPart, AgentTurn, Timers, ToolPolicy } from "../ports.ts";
import { needsApproval } from "./policy.ts";
import type { ToolAnswer, ToolSet } from "./tools.ts";

/** Characters of an answer that the model is told: about 25,000 tokens. */
const ANSWER_CHARS_MAX = 100_000;

/** Tool names in the answer to a call of one that does not exist. */
const NAMES_SHOWN_MAX = 40;

/** What the model wants called. */
export type WantedCall = { readonly id: string; readonly name: string; readonly args: string };

export type ToolContext = {
  readonly tools: ToolSet;
  readonly policy: ToolPolicy;
  readonly turn: AgentTurn;
  readonly timers: Timers;
  readonly signal: AbortSignal;
  /** What one call may take, a person's answer not counted. */
  readonly toolMs: number;
};

type CallPart = Extract<AgentPart, { type: "tool_call" }>;

/**
 * Runs what one answer of a model wants, all at the same time.
 *
 * @returns the calls in their order with what came of them; undefined when `signal` was aborted: what still
 *   runs is told so and not waited for
 */
export async function* runTools(
  calls: readonly WantedCall[],
  context: ToolContext,
): AsyncGenerator<AgentEvent, readonly CallPart[] | undefined> {
  const { signal } = context;
  for (const { id, name, args } of calls) yield { type: "tool_start", id, name, args };
  const own = new AbortController();
  const news = new News(signal);
  const results = new Map<string, ToolAnswer>();
  try {
    for (const call of calls) {
      void answerOf(call, { ...context, signal: own.signal }, news).then((answer) => {
        results.set(call.id, answer);
        news.add({ type: "tool_result", id: call.id, ...answer });
      });
    }
    for (let open = calls.length; open > 0;) {
      const event = await news.next();
      if (event === undefined) return undefined;
      if (event.type === "tool_result") open -= 1;
      yield event;
    }
  } finally {
    own.abort();
    news.stop();
  }
  return calls.map(({ id, name, args }) => {
    const { text = "", isError = true } = results.get(id) ?? {};
    return { type: "tool_call", id, name, args, result: text, ...(isError && { isError }) };
  });
}

/** Never rejects. */
async function answerOf(call: WantedCall, context: ToolContext, news: News): Promise<ToolAnswer> {
  try {
    const refusal = refusalOf(call, context) ?? (await refusalByPerson(call, context));
    return cut(refusal ?? (await callTool(call, context, news)));
  } catch (error) {
    return failure(`the tool failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function refusalOf({ name, args }: WantedCall, { tools }: ToolContext): ToolAnswer | undefined {
  if (!tools.specs.some((spec) => spec.name === name)) {
    const names = tools.specs.slice(0, NAMES_SHOWN_MAX).map((spec) => spec.name);
    const there = names.length === 0 ? "there are none" : `there is ${names.join(", ")}`;
    const more = tools.specs.length > names.length ? " and more" : "";
    return failure(`no such tool; ${there}${more}`);
  }
  return isObject(args) ? undefined : failure("the arguments are no JSON object; the tool was not called");
}

async function refusalByPerson(call: WantedCall, context: ToolContext): Promise<ToolAnswer | undefined> {
  const { name, args } = call;
  const { policy, turn, signal } = context;
  if (!needsApproval(policy, name)) return undefined;
  const request = { title: `call tool "${name}"`, tool: name, details: args };
  return (await turn.approve(request, signal)) === "deny" ? failure("denied by a person") : undefined;
}

async function callTool(call: WantedCall, context: ToolContext, news: News): Promise<ToolAnswer> {
  const { id, name, args } = call;
  const { tools, timers, signal, toolMs } = context;
  if (signal.aborted) return failure("stopped");
  const own = new AbortController();
  const { promise, resolve } = Promise.withResolvers<ToolAnswer>();
  const stop = (): void => own.abort();
  signal.addEventListener("abort", stop);
  let isOver = false;
  const stopTimer = timers.after(toolMs, () => {
    resolve(failure(`no answer within ${toolMs / 1_000} s`));
    own.abort();
  });
  const onUpdate = (text: string): void => {
    if (!isOver) news.add({ type: "tool_update", id, text: cutText(text) });
  };
  try {
    const answer = tools.call({ name, args: args.trim() === "" ? "{}" : args, signal: own.signal, onUpdate });
    return await Promise.race([answer, promise]);
  } finally {
    isOver = true;
    stopTimer();
    signal.removeEventListener("abort", stop);
  }
}

/** Models that want a tool without arguments often send none at all. */
function isObject(args: string): boolean {
  if (args.trim() === "") return true;
  try {
    const value: unknown = JSON.parse(args);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    // The question was whether it is JSON.
    return false;
  }
}

function failure(text: string): ToolAnswer {
  return { text, isError: true };
}

function cut({ text, isError }: ToolAnswer): ToolAnswer {
  return { text: cutText(text), isError };
}

function cutText(text: string): string {
  if (text.length <= ANSWER_CHARS_MAX) return text;
  const dropped = text.length - ANSWER_CHARS_MAX;
  return `${text.slice(0, ANSWER_CHARS_MAX).toWellFormed()}\n[${dropped} more characters were cut]`;
}

type ToolEvent = Extract<AgentEvent, { type: "tool_update" | "tool_result" }>;

/** What the tools say, for one reader. Of each at most one piece of progress waits: the newest. */
class News {
  readonly #waiting: ToolEvent[] = [];
  readonly #signal: AbortSignal;
  #wake: (() => void) | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", this.#tell);
  }

  add(event: ToolEvent): void {
    const old = this.#waiting.findIndex(({ type, id }) => type === "tool_update" && id === event.id);
    if (old !== -1) this.#waiting.splice(old, 1);
    this.#waiting.push(event);
    this.#tell();
  }

  /** @returns undefined when the signal is aborted */
  async next(): Promise<ToolEvent | undefined> {
    for (;;) {
      if (this.#signal.aborted) return undefined;
      const event = this.#waiting.shift();
      if (event !== undefined) return event;
      await new Promise<void>((resolve) => void (this.#wake = resolve));
    }
  }

  stop(): void {
    this.#signal.removeEventListener("abort", this.#tell);
  }

  readonly #tell = (): void => {
    this.#wake?.();
  };
}
