/** The wire of Anthropic's messages, as their own server speaks it and others copy it. */

export interface AnthropicUsage {
  readonly input_tokens: number;
  readonly cache_creation_input_tokens?: number;
  readonly cache_read_input_tokens?: number;
  readonly output_tokens: number;
}

/** What a model says, block by block. */
export type SaidBlock =
  | { readonly type: "text"; readonly text: readonly string[] }
  | { readonly type: "thinking"; readonly thinking: readonly string[]; readonly signature: string }
  | { readonly type: "redacted_thinking"; readonly data: string }
  | { readonly type: "tool_use"; readonly id: string; readonly name: string; readonly args: string };

export interface AnthropicSaid {
  readonly blocks: readonly SaidBlock[];
  /** null: neither it nor the end mark is sent. */
  readonly stop?: string | null;
  readonly usage?: AnthropicUsage;
  /** The end mark; sent unless false. */
  readonly done?: boolean;
  /** Each event waits for `release`. */
  readonly gated?: boolean;
}

export function sse(event: string, data: Record<string, unknown>): string {
  return `event: ${event}\ndata: ${JSON.stringify({ type: event, ...data })}\n\n`;
}

/** The server-sent events of one message: start, blocks with pings between, delta, stop. */
export function* messageEvents(model: string, said: AnthropicSaid): Generator<string> {
  const { blocks, usage = { input_tokens: 5, output_tokens: 7 }, done = true } = said;
  const calls = blocks.some(({ type }) => type === "tool_use");
  const { stop = calls ? "tool_use" : "end_turn" } = said;
  const message = { id: "msg_1", type: "message", role: "assistant", model, content: [] };
  const ends = { stop_reason: null, stop_sequence: null };
  yield sse("message_start", { message: { ...message, ...ends, usage: { ...usage, output_tokens: 1 } } });
  yield sse("ping", {});
  for (const [index, block] of blocks.entries()) {
    yield sse("content_block_start", { index, content_block: startOf(block) });
    for (const delta of deltasOf(block)) yield sse("content_block_delta", { index, delta });
    yield sse("content_block_stop", { index });
  }
  if (stop === null) return;
  const delta = { stop_reason: stop, stop_sequence: null };
  yield sse("message_delta", { delta, usage: { output_tokens: usage.output_tokens } });
  if (done) yield sse("message_stop", {});
}

function startOf(block: SaidBlock): Record<string, unknown> {
  switch (block.type) {
    case "text":
      return { type: "text", text: "" };
    case "thinking":
      return { type: "thinking", thinking: "", signature: "" };
    case "redacted_thinking":
      return { ...block };
    case "tool_use":
      return { type: "tool_use", id: block.id, name: block.name, input: {} };
  }
}

/** Arguments come in pieces of a few characters, the first one empty. */
function* deltasOf(block: SaidBlock): Generator<Record<string, unknown>> {
  if (block.type === "text") for (const text of block.text) yield { type: "text_delta", text };
  if (block.type === "thinking") {
    for (const thinking of block.thinking) yield { type: "thinking_delta", thinking };
    yield { type: "signature_delta", signature: block.signature };
  }
  if (block.type !== "tool_use") return;
  yield { type: "input_json_delta", partial_json: "" };
  for (let from = 0; from < block.args.length; from += 5)
    yield { type: "input_json_delta", partial_json: block.args.slice(from, from + 5) };
}
