/** The wire of chat completions, as OpenAI's own server speaks it and others copy it. */

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details?: { readonly cached_tokens: number };
}

/** What a model says. */
export interface Answer {
  /** One event each. */
  readonly text?: readonly string[];
  readonly thinking?: readonly string[];
  /** Servers have two names for it. */
  readonly thinkingField?: "reasoning_content" | "reasoning";
  /** Arguments are sent in pieces of a few characters, the calls' pieces mixed. */
  readonly toolCalls?: readonly { readonly id: string; readonly name: string; readonly args: string }[];
  /** null: none is sent. */
  readonly finish?: string | null;
  /** null: none is sent, whatever was asked. */
  readonly usage?: Usage | null;
  /** The end mark; sent unless false. */
  readonly done?: boolean;
  /** Each event waits for `release`. */
  readonly gated?: boolean;
}

/** Words with the space behind them. */
export function wordsOf(text: string): string[] {
  return text.match(/\S+\s*/g) ?? [];
}

/** The server-sent events of a streamed answer: role, thinking, text, tool calls, finish, usage, end mark. */
export function* sseEvents(model: string, answer: Answer, usage: Usage | undefined): Generator<string> {
  const { thinkingField = "reasoning_content", toolCalls = [] } = answer;
  const { finish = toolCalls.length > 0 ? "tool_calls" : "stop", done = true } = answer;
  const head = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model };
  const event = (delta: Record<string, unknown>, reason: string | null = null): string => {
    const choices = [{ index: 0, delta, logprobs: null, finish_reason: reason }];
    return `data: ${JSON.stringify({ ...head, choices, ...(usage && { usage: null }) })}\n\n`;
  };
  yield event({ role: "assistant", content: "" });
  for (const piece of answer.thinking ?? []) yield event({ [thinkingField]: piece });
  for (const piece of answer.text ?? []) yield event({ content: piece });
  for (const call of toolDeltas(toolCalls)) yield event({ tool_calls: [call] });
  if (finish !== null) yield event({}, finish);
  if (usage) yield `data: ${JSON.stringify({ ...head, choices: [], usage })}\n\n`;
  if (done) yield "data: [DONE]\n\n";
}

function* toolDeltas(calls: NonNullable<Answer["toolCalls"]>): Generator<Record<string, unknown>> {
  for (const [index, { id, name }] of calls.entries()) {
    yield { index, id, type: "function", function: { name, arguments: "" } };
  }
  const size = 5;
  const longest = Math.max(0, ...calls.map(({ args }) => args.length));
  for (let from = 0; from < longest; from += size) {
    for (const [index, { args }] of calls.entries()) {
      if (from < args.length) yield { index, function: { arguments: args.slice(from, from + size) } };
    }
  }
}

/** The whole answer in one object, for a request without `stream`. */
export function completion(model: string, answer: Answer, usage: Usage): Record<string, unknown> {
  const calls = answer.toolCalls?.map(({ id, name, args }) => ({
    id,
    type: "function",
    function: { name, arguments: args },
  }));
  const message = {
    role: "assistant",
    content: answer.text?.join("") ?? null,
    refusal: null,
    ...(calls && { tool_calls: calls }),
  };
  const finish = answer.finish ?? (calls ? "tool_calls" : "stop");
  const choices = [{ index: 0, message, logprobs: null, finish_reason: finish }];
  return { id: "chatcmpl-1", object: "chat.completion", created: 1_700_000_000, model, choices, usage };
}
