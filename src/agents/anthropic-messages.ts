import type {
  Base64ImageSource,
  ContentBlockParam,
  MessageParam,
  TextBlockParam,
  Tool,
  ToolResultBlockParam,
} from "@anthropic-ai/sdk/resources/messages";
import type { AgentMessage, AgentPart } from "../ports.ts";
import {
  type CallPart,
  createToolIds,
  CUT_OFF,
  textOf,
  toRounds,
  toToolInput,
  toToolName,
  UNSEEN_IMAGE,
} from "./history.ts";
import type { ModelRequest } from "./model.ts";

/** What one answer said, block by block: signed thinking has to come back as it was, where it was. */
export type SaidBlocks = { readonly ids: readonly string[]; readonly content: readonly SaidBlock[] };

export type SaidBlock =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "thinking"; readonly thinking: string; readonly signature: string }
  | { readonly type: "redacted_thinking"; readonly data: string }
  | { readonly type: "tool_use"; readonly id: string };

export type Conversation = {
  readonly system?: TextBlockParam[];
  readonly messages: MessageParam[];
  readonly tools?: Tool[];
  readonly tool_choice?: { readonly type: "none" };
};

/** Stands before an answer that nothing was asked for: a conversation begins with a person. */
const LEFT_OUT = "[What was said before this is left out]";

const IMAGE_TYPES = ["image/jpeg", "image/png", "image/gif", "image/webp"] as const;

/** The conversation as Anthropic's messages have it: sides take turns, the answers of tools are of the user's. */
export function toConversation(
  request: ModelRequest,
  states: readonly SaidBlocks[],
  seesImages: boolean,
): Conversation {
  const toId = createToolIds(/[^\w-]/g);
  const turns = new Turns();
  const system: TextBlockParam[] = [];
  for (const { role, parts } of request.messages) {
    if (role === "system") system.push(...toText(textOf(parts)));
    else if (role === "user") turns.add("user", toContent(parts, seesImages));
    else for (const round of toRounds(parts)) addRound(turns, round, { toId, states });
  }
  const tools = request.tools.map(({ name, description, inputSchema }): Tool => ({
    name,
    description,
    input_schema: { ...inputSchema, type: "object" },
  }));
  const offer = tools.length > 0 ? { tools } : namedTools(request.messages);
  const { messages } = turns;
  const conversation = { ...(system.length > 0 && { system }), messages, ...offer };
  markForCache(conversation);
  return conversation;
}

/** Calls in the conversation want their tools named, also where none may be called. */
function namedTools(messages: readonly AgentMessage[]): Pick<Conversation, "tools" | "tool_choice"> {
  const names = new Set<string>();
  for (const { role, parts } of messages) {
    if (role !== "assistant") continue;
    for (const part of parts) if (part.type === "tool_call") names.add(toToolName(part.name));
  }
  if (names.size === 0) return {};
  const tools = [...names].map((name): Tool => ({ name, input_schema: { type: "object" } }));
  return { tools, tool_choice: { type: "none" } };
}

/** Neighbours of one side are one message. */
class Turns {
  readonly messages: (MessageParam & { content: ContentBlockParam[] })[] = [];

  add(role: "user" | "assistant", content: readonly ContentBlockParam[]): void {
    if (content.length === 0) return;
    const last = this.messages.at(-1);
    if (last === undefined && role === "assistant") this.add("user", toText(LEFT_OUT));
    if (last?.role === role) last.content.push(...content);
    else this.messages.push({ role, content: [...content] });
  }
}

type Round = { readonly text: string; readonly calls: readonly CallPart[] };
type Wording = { readonly toId: (id: string) => string; readonly states: readonly SaidBlocks[] };

function addRound(turns: Turns, { text, calls }: Round, { toId, states }: Wording): void {
  const uses: ContentBlockParam[] = [];
  const answers = calls.map((call): ToolResultBlockParam => {
    const id = toId(call.id);
    uses.push({ type: "tool_use", id, name: toToolName(call.name), input: toToolInput(call.args) });
    const isError = call.isError === true || call.result === undefined;
    const content = call.result === undefined ? CUT_OFF : call.result;
    return { type: "tool_result", tool_use_id: id, content, ...(isError && { is_error: true }) };
  });
  const called = calls.map(({ id }) => id);
  const state = states.find(({ ids }) => ids.join("\n") === called.join("\n"));
  turns.add("assistant", state ? toSaid(state, uses) : [...toText(text), ...uses]);
  turns.add("user", answers);
}

/** The calls are in the order they were said in. */
function toSaid({ ids, content }: SaidBlocks, uses: readonly ContentBlockParam[]): ContentBlockParam[] {
  return content.flatMap((block): ContentBlockParam[] => {
    if (block.type === "text") return toText(block.text);
    if (block.type !== "tool_use") return [block];
    const use = uses[ids.indexOf(block.id)];
    return use === undefined ? [] : [use];
  });
}

function toContent(parts: readonly AgentPart[], seesImages: boolean): ContentBlockParam[] {
  return parts.flatMap((part): ContentBlockParam[] => {
    if (part.type === "text") return toText(part.text);
    if (part.type === "tool_call") return [];
    const mediaType = IMAGE_TYPES.find((type) => type === part.mimeType);
    if (!seesImages || mediaType === undefined) return toText(UNSEEN_IMAGE);
    const source: Base64ImageSource = { type: "base64", media_type: mediaType, data: part.data };
    return [{ type: "image", source }];
  });
}

/** Blank text is refused. */
function toText(text: string): TextBlockParam[] {
  return text.trim() === "" ? [] : [{ type: "text", text }];
}

/**
 * Marks what the server keeps for the next call: what is told before every conversation, and the conversation
 * up to the last two messages of the user's side. That is three marks of the four allowed.
 */
function markForCache({ system, tools, messages }: Conversation): void {
  const cacheControl = { type: "ephemeral" } as const;
  const first = system?.at(-1) ?? tools?.at(-1);
  if (first !== undefined) first.cache_control = cacheControl;
  const asked = messages.filter(({ role }) => role === "user").slice(-2);
  for (const { content } of asked) {
    const last = typeof content === "string" ? undefined : content.at(-1);
    if (last?.type === "text" || last?.type === "image" || last?.type === "tool_result")
      last.cache_control = cacheControl;
  }
}
