import type { AgentEvent } from "../ports.ts";

/** Tool calls in one answer: agents ask for a handful. */
const TOOL_CALLS_MAX = 128;

/** Characters of one call's arguments: a file to be written fits. */
const ARGS_CHARS_MAX = 2_000_000;

type EndReason = Extract<AgentEvent, { type: "end" }>["reason"];
type Call = { id: string; name: string; args: string; index: number };

/** Thrown for an answer past our bounds. */
export class AnswerTooLarge extends Error {
  override readonly name = "AnswerTooLarge";
}

/**
 * Puts one streamed chat completion together. Servers differ in what they leave out or send as null,
 * so nothing of a chunk is taken for granted.
 */
export class Answer {
  readonly #calls: Call[] = [];
  #reason: EndReason | undefined;
  #usage: AgentEvent | undefined;
  #isEmpty = true;

  /** A finish reason has come: what is left is usage and the end mark. */
  get isFinished(): boolean {
    return this.#reason !== undefined;
  }

  /** No chunk has come. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** @returns what of the chunk can be shown at once */
  take(chunk: unknown): AgentEvent[] {
    const { choices, usage } = record(chunk);
    this.#isEmpty = false;
    this.#takeUsage(record(usage));
    const choice = record(Array.isArray(choices) ? choices[0] : undefined);
    const delta = record(choice["delta"]);
    const events: AgentEvent[] = [];
    // Two names for one thing; servers that send both send the same text twice.
    const thinking = text(delta["reasoning_content"]) || text(delta["reasoning"]);
    if (thinking !== "") events.push({ type: "thinking", text: thinking });
    const said = text(delta["content"]) || text(delta["refusal"]);
    if (said !== "") events.push({ type: "text", text: said });
    if (Array.isArray(delta["tool_calls"]))
      delta["tool_calls"].forEach((part) => this.#takeCall(record(part)));
    const reason = text(choice["finish_reason"]);
    if (reason !== "") this.#reason = toEndReason(reason);
    return events;
  }

  /** @returns what is only known at the end: whole tool calls, usage, and the end itself */
  end(): AgentEvent[] {
    const events: AgentEvent[] = [];
    const isCut = this.#reason === "length" || this.#reason === "filter";
    for (const [place, { id, name, args }] of this.#calls.entries()) {
      if (name === "" || (isCut && !isJson(args))) continue;
      events.push({ type: "tool_call", id: id || `call_${place}`, name, args });
    }
    // Some servers say "stop" after tool calls.
    const called = events.length > 0 && (this.#reason ?? "stop") === "stop";
    if (this.#usage !== undefined) events.push(this.#usage);
    events.push({ type: "end", reason: called ? "tool_calls" : (this.#reason ?? "stop") });
    return events;
  }

  #takeUsage(usage: Record<string, unknown>): void {
    const { prompt_tokens: inputTokens, completion_tokens: outputTokens } = usage;
    if (!isCount(inputTokens) && !isCount(outputTokens)) return;
    this.#usage = {
      type: "usage",
      inputTokens: isCount(inputTokens) ? inputTokens : 0,
      outputTokens: isCount(outputTokens) ? outputTokens : 0,
    };
  }

  #takeCall(part: Record<string, unknown>): void {
    const { name, arguments: args } = record(part["function"]);
    const call = this.#callFor(part, text(name) !== "");
    call.id ||= text(part["id"]);
    call.name ||= text(name);
    call.args += typeof args === "object" && args !== null ? JSON.stringify(args) : text(args);
    if (call.args.length > ARGS_CHARS_MAX)
      throw new AnswerTooLarge(`tool call over ${ARGS_CHARS_MAX} characters`);
  }

  #callFor(part: Record<string, unknown>, isNamed: boolean): Call {
    const id = text(part["id"]);
    const numbered = isCount(part["index"]) ? part["index"] : undefined;
    const index = numbered ?? this.#calls.at(-1)?.index ?? 0;
    const open = this.#calls.findLast((call) => call.index === index);
    // Some servers number every call 0 and tell them apart by id, some have neither and name each call once.
    const isSame = id !== "" ? open?.id === id || open?.id === "" : numbered !== undefined || !isNamed;
    if (open !== undefined && isSame) return open;
    if (this.#calls.length >= TOOL_CALLS_MAX) throw new AnswerTooLarge(`over ${TOOL_CALLS_MAX} tool calls`);
    const call = { id: "", name: "", args: "", index };
    this.#calls.push(call);
    return call;
  }
}

function toEndReason(reason: string): EndReason {
  if (reason === "length" || reason === "max_tokens") return "length";
  if (reason === "tool_calls" || reason === "function_call") return "tool_calls";
  return reason === "content_filter" ? "filter" : "stop";
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function isJson(args: string): boolean {
  try {
    JSON.parse(args);
    return true;
  } catch {
    // The question was whether it throws.
    return false;
  }
}
