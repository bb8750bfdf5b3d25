import type {
  ChatCompletionAssistantMessageParam,
  ChatCompletionContentPart,
  ChatCompletionMessageParam,
  ChatCompletionMessageToolCall,
} from "openai/resources/chat/completions";
import type { AgentMessage, AgentPart } from "../ports.ts";
import type { AnswerState } from "./answer.ts";
import {
  type CallPart,
  createToolIds,
  CUT_OFF,
  textOf,
  toRounds,
  toToolInput,
  toToolName,
} from "./history.ts";

export type Wording = {
  readonly states: readonly AnswerState[];
  readonly seesImages: boolean;
};

/** The conversation as chat completions have it: the answers of tools are messages of their own. */
export function toOpenAiMessages(
  messages: readonly AgentMessage[],
  wording: Wording,
): ChatCompletionMessageParam[] {
  const toId = createToolIds();
  return messages.flatMap((message): ChatCompletionMessageParam[] => {
    if (message.role === "system") return [{ role: "system", content: textOf(message.parts) }];
    if (message.role === "user")
      return [{ role: "user", content: toContent(message.parts, wording.seesImages) }];
    return toRounds(message.parts).flatMap((round) => toRound(round, toId, wording.states));
  });
}

function toRound(
  { text, calls }: { readonly text: string; readonly calls: readonly CallPart[] },
  toId: (id: string) => string,
  states: readonly AnswerState[],
): ChatCompletionMessageParam[] {
  if (calls.length === 0) return [{ role: "assistant", content: text }];
  const state = states.find(({ ids }) => calls.some(({ id }) => ids.includes(id)));
  const named = calls.map((call) => ({ call, id: toId(call.id) }));
  const toolCalls = named.map(({ call, id }): ChatCompletionMessageToolCall => {
    const extra = state?.extras[call.id];
    // Whatever was written is sent as JSON: some servers read it.
    const written = JSON.stringify(toToolInput(call.args));
    const own: ChatCompletionMessageToolCall = {
      id,
      type: "function",
      function: { name: toToolName(call.name), arguments: written },
    };
    return extra === undefined ? own : Object.assign(own, { extra_content: extra });
  });
  const said: ChatCompletionAssistantMessageParam = {
    role: "assistant",
    content: text === "" ? null : text,
    tool_calls: toolCalls,
  };
  if (state?.thinking !== undefined) Object.assign(said, { [state.thinking.field]: state.thinking.text });
  const answers = named.map(({ call, id }): ChatCompletionMessageParam => {
    return { role: "tool", tool_call_id: id, content: call.result ?? CUT_OFF };
  });
  return [said, ...answers];
}

/** Plain text where there is nothing else: some servers take no parts. */
function toContent(parts: readonly AgentPart[], seesImages: boolean): string | ChatCompletionContentPart[] {
  if (!seesImages || !parts.some(({ type }) => type === "image")) return textOf(parts);
  return parts.flatMap((part): ChatCompletionContentPart[] => {
    if (part.type === "text") return [{ type: "text", text: part.text }];
    if (part.type === "tool_call") return [];
    return [{ type: "image_url", image_url: { url: `data:${part.mimeType};base64,${part.data}` } }];
  });
}
