import { AnswerTooLarge } from "./answer.ts";
import type { SaidBlock, SaidBlocks } from "./anthropic-messages.ts";
import type { ModelEvent } from "./model.ts";
import { isCount, isJson, record, text } from "./values.ts";

/** Blocks of one answer: text, thinking and a handful of calls in turn. */
const BLOCKS_MAX = 512;

/** Characters of one answer, arguments included: a file to be written fits. */
const CHARS_MAX = 8_000_000;

type EndReason = Extract<ModelEvent, { type: "end" }>["reason"];
type Block = { type: string; text: string; signature: string; id: string; name: string; input: unknown };
type Counts = Record<"input" | "created" | "read" | "output", number>;

/** Puts one streamed message together. Nothing of an event is taken for granted: others copy it. */
export class AnthropicAnswer {
  readonly #blocks = new Map<number, Block>();
  readonly #counts: Counts = { input: 0, created: 0, read: 0, output: 0 };
  #reason: EndReason | undefined;
  #chars = 0;
  #isEmpty = true;
  #isCounted = false;

  /** A stop reason has come: what is left is the end mark. */
  get isFinished(): boolean {
    return this.#reason !== undefined;
  }

  /** No event has come. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** All that has been said so far: text, thinking, calls. */
  get chars(): number {
    return this.#chars;
  }

  /** @returns what of the event can be shown at once */
  take(event: unknown): ModelEvent[] {
    const said = record(event);
    this.#isEmpty = false;
    switch (said["type"]) {
      case "message_start":
        this.#count(record(record(said["message"])["usage"]));
        return [];
      case "content_block_start":
        return this.#start(said["index"], record(said["content_block"]));
      case "content_block_delta":
        return this.#add(said["index"], record(said["delta"]));
      case "message_delta": {
        this.#count(record(said["usage"]));
        const reason = text(record(said["delta"])["stop_reason"]);
        if (reason !== "") this.#reason = toEndReason(reason);
        return [];
      }
      case "message_stop":
        this.#reason ??= "stop";
        return [];
      default:
        // Pings, and what later versions add.
        return [];
    }
  }

  /** @returns what is only known at the end: whole tool calls, what is wanted back, usage, the end */
  end(): ModelEvent[] {
    const isCut = this.#reason === "length" || this.#reason === "filter";
    const events: ModelEvent[] = [];
    const ids: string[] = [];
    const content: SaidBlock[] = [];
    for (const block of this.#blocks.values()) {
      const { type, id, name, input, text: written } = block;
      if (type === "tool_use") {
        const args = written === "" ? JSON.stringify(input ?? {}) : written;
        if (name === "" || id === "" || ids.includes(id) || (isCut && !isJson(args))) continue;
        ids.push(id);
        events.push({ type: "tool_call", id, name, args });
      }
      content.push(...toSaidBlock(block));
    }
    if (ids.length > 0 && content.some(({ type }) => type.endsWith("thinking")))
      events.push(stateOf({ ids, content }));
    if (this.#isCounted) events.push(this.#usage());
    const called = ids.length > 0 && (this.#reason ?? "stop") === "stop";
    events.push({ type: "end", reason: called ? "tool_calls" : (this.#reason ?? "stop") });
    return events;
  }

  #start(index: unknown, start: Record<string, unknown>): ModelEvent[] {
    if (!isCount(index) || this.#blocks.has(index)) return [];
    if (this.#blocks.size >= BLOCKS_MAX) throw new AnswerTooLarge(`over ${BLOCKS_MAX} blocks`);
    const { type, text: said, thinking, data, signature, id, name, input } = start;
    const block = {
      type: text(type),
      text: "",
      signature: text(signature),
      id: text(id),
      name: text(name),
      input,
    };
    this.#grow(block.type.length + block.signature.length + block.id.length + block.name.length);
    this.#blocks.set(index, block);
    if (block.type === "tool_use") this.#grow(JSON.stringify(input ?? {}).length);
    return this.#write(block, text(said) || text(thinking) || text(data));
  }

  #add(index: unknown, delta: Record<string, unknown>): ModelEvent[] {
    const block = isCount(index) ? this.#blocks.get(index) : undefined;
    if (block === undefined) return [];
    switch (delta["type"]) {
      case "text_delta":
        return this.#write(block, text(delta["text"]));
      case "thinking_delta":
        return this.#write(block, text(delta["thinking"]));
      case "input_json_delta":
        return this.#write(block, text(delta["partial_json"]));
      case "signature_delta":
        this.#grow(text(delta["signature"]).length);
        block.signature += text(delta["signature"]);
        return [];
      default:
        return [];
    }
  }

  #write(block: Block, said: string): ModelEvent[] {
    if (said === "") return [];
    this.#grow(said.length);
    block.text += said;
    if (block.type === "text") return [{ type: "text", text: said }];
    return block.type === "thinking" ? [{ type: "thinking", text: said }] : [];
  }

  #grow(chars: number): void {
    this.#chars += chars;
    if (this.#chars > CHARS_MAX) throw new AnswerTooLarge(`over ${CHARS_MAX} characters`);
  }

  /** Counts are totals, the later the truer. */
  #count(usage: Record<string, unknown>): void {
    const take = (name: keyof Counts, value: unknown): void => {
      if (!isCount(value)) return;
      this.#counts[name] = value;
      this.#isCounted = true;
    };
    take("input", usage["input_tokens"]);
    take("created", usage["cache_creation_input_tokens"]);
    take("read", usage["cache_read_input_tokens"]);
    take("output", usage["output_tokens"]);
  }

  #usage(): ModelEvent {
    const { input, created, read, output } = this.#counts;
    const inputTokens = input + created + read;
    return { type: "usage", inputTokens, outputTokens: output, ...(read > 0 && { cachedTokens: read }) };
  }
}

function stateOf(state: SaidBlocks): ModelEvent {
  return { type: "state", state };
}

function toSaidBlock({ type, text: said, signature, id }: Block): SaidBlock[] {
  switch (type) {
    case "text":
      return [{ type, text: said }];
    case "thinking":
      return signature === "" ? [] : [{ type, thinking: said, signature }];
    case "redacted_thinking":
      return [{ type, data: said }];
    case "tool_use":
      return [{ type, id }];
    default:
      return [];
  }
}

function toEndReason(reason: string): EndReason {
  if (reason === "max_tokens" || reason === "model_context_window_exceeded") return "length";
  if (reason === "tool_use") return "tool_calls";
  return reason === "refusal" ? "filter" : "stop";
}
