import type { ModelEvent } from "./model.ts";
import { isCount, isJson, record, text } from "./values.ts";

/** Tool calls in one answer: agents ask for a handful. */
const TOOL_CALLS_MAX = 128;

/** Characters of one call's arguments: a file to be written fits; and of all that is said of all calls. */
const ARGS_CHARS_MAX = 2_000_000;
const CALLS_CHARS_MAX = 8_000_000;

type EndReason = Extract<ModelEvent, { type: "end" }>["reason"];
type Call = { id: string; name: string; args: string; index: number; extra: unknown };

/** Servers have two names for reasoning; those that want it back want it by the name they use. */
type ThinkingField = "reasoning_content" | "reasoning";

/**
 * What a server wants back beside its tool calls until the turn has ended: its reasoning (DeepSeek, Kimi),
 * and what it added to a call (Gemini's signature).
 */
export type AnswerState = {
  readonly ids: readonly string[];
  readonly thinking?: { readonly field: ThinkingField; readonly text: string };
  readonly extras: Readonly<Record<string, unknown>>;
};

/** Characters of reasoning, and of what is added to one call, that are kept to be sent back. */
const THINKING_CHARS_MAX = 1_000_000;
const EXTRA_CHARS_MAX = 100_000;

/** Thrown for an answer past our bounds. */
export class AnswerTooLarge extends Error {
  override readonly name = "AnswerTooLarge";
}

/**
 * Puts one streamed chat completion together. Servers differ in what they leave out or send as null,
 * so nothing of a chunk is taken for granted.
 */
export class Answer {
  readonly #idPrefix: string;
  readonly #calls: Call[] = [];
  #thinking: { readonly field: ThinkingField; text: string } | undefined;
  #reason: EndReason | undefined;
  #usage: ModelEvent | undefined;
  #isEmpty = true;
  #callsChars = 0;
  #shownChars = 0;

  /** @param idPrefix begins the ids of calls that have none */
  constructor(idPrefix = "call") {
    this.#idPrefix = idPrefix;
  }

  /** A finish reason has come: what is left is usage and the end mark. */
  get isFinished(): boolean {
    return this.#reason !== undefined;
  }

  /** No chunk has come. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** All that has been said so far: text, reasoning, calls. */
  get chars(): number {
    return this.#shownChars + this.#callsChars;
  }

  /** @returns what of the chunk can be shown at once */
  take(chunk: unknown): ModelEvent[] {
    const { choices, usage } = record(chunk);
    this.#isEmpty = false;
    this.#takeUsage(record(usage));
    const choice = record(Array.isArray(choices) ? choices[0] : undefined);
    const delta = record(choice["delta"]);
    const events: ModelEvent[] = [];
    // Servers that send both names send the same text twice.
    const field = text(delta["reasoning_content"]) === "" ? "reasoning" : "reasoning_content";
    const thinking = text(delta[field]);
    if (thinking !== "") {
      this.#keepThinking(field, thinking);
      events.push({ type: "thinking", text: thinking });
    }
    const said = text(delta["content"]) || text(delta["refusal"]);
    if (said !== "") events.push({ type: "text", text: said });
    this.#shownChars += thinking.length + said.length;
    if (Array.isArray(delta["tool_calls"]))
      delta["tool_calls"].forEach((part) => this.#takeCall(record(part)));
    const reason = text(choice["finish_reason"]);
    if (reason !== "") this.#reason = toEndReason(reason);
    return events;
  }

  /** @returns what is only known at the end: whole tool calls, usage, and the end itself */
  end(): ModelEvent[] {
    const events: ModelEvent[] = [];
    const isCut = this.#reason === "length" || this.#reason === "filter";
    const extras: Record<string, unknown> = {};
    const ids: string[] = [];
    for (const [place, call] of this.#calls.entries()) {
      const { name, args, extra } = call;
      if (name === "" || (isCut && !isJson(args))) continue;
      const id = call.id || `${this.#idPrefix}_${place}`;
      ids.push(id);
      if (extra !== undefined) extras[id] = extra;
      events.push({ type: "tool_call", id, name, args });
    }
    // Some servers say "stop" after tool calls.
    const called = events.length > 0 && (this.#reason ?? "stop") === "stop";
    const thinking = this.#thinking;
    if (ids.length > 0 && (thinking !== undefined || Object.keys(extras).length > 0)) {
      const state: AnswerState = { ids, ...(thinking && { thinking }), extras };
      events.push({ type: "state", state });
    }
    if (this.#usage !== undefined) events.push(this.#usage);
    events.push({ type: "end", reason: called ? "tool_calls" : (this.#reason ?? "stop") });
    return events;
  }

  #takeUsage(usage: Record<string, unknown>): void {
    const { prompt_tokens: inputTokens, completion_tokens: outputTokens } = usage;
    if (!isCount(inputTokens) && !isCount(outputTokens)) return;
    // DeepSeek has its own name for it.
    const cached =
      record(usage["prompt_tokens_details"])["cached_tokens"] ?? usage["prompt_cache_hit_tokens"];
    this.#usage = {
      type: "usage",
      inputTokens: isCount(inputTokens) ? inputTokens : 0,
      outputTokens: isCount(outputTokens) ? outputTokens : 0,
      ...(isCount(cached) && cached > 0 && { cachedTokens: cached }),
    };
  }

  #keepThinking(field: ThinkingField, said: string): void {
    this.#thinking ??= { field, text: "" };
    if (this.#thinking.text.length + said.length > THINKING_CHARS_MAX)
      throw new AnswerTooLarge(`reasoning over ${THINKING_CHARS_MAX} characters`);
    this.#thinking.text += said;
  }

  #takeCall(part: Record<string, unknown>): void {
    const { name, arguments: args } = record(part["function"]);
    const call = this.#callFor(part, text(name) !== "");
    const extra = part["extra_content"];
    if (extra !== undefined && JSON.stringify(extra).length <= EXTRA_CHARS_MAX) call.extra = extra;
    call.id ||= text(part["id"]);
    call.name ||= text(name);
    const written = typeof args === "object" && args !== null ? JSON.stringify(args) : text(args);
    call.args += written;
    this.#callsChars += written.length + text(part["id"]).length + text(name).length;
    if (call.args.length > ARGS_CHARS_MAX)
      throw new AnswerTooLarge(`tool call over ${ARGS_CHARS_MAX} characters`);
    if (this.#callsChars > CALLS_CHARS_MAX)
      throw new AnswerTooLarge(`tool calls over ${CALLS_CHARS_MAX} characters`);
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
    const call = { id: "", name: "", args: "", index, extra: undefined };
    this.#calls.push(call);
    return call;
  }
}

function toEndReason(reason: string): EndReason {
  if (reason === "length" || reason === "max_tokens") return "length";
  if (reason === "tool_calls" || reason === "function_call") return "tool_calls";
  return reason === "content_filter" ? "filter" : "stop";
}
