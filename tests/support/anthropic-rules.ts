import { toRecord } from "./openai-exchange.ts";

const list = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.map(toRecord) : []);

/** Content as blocks, also where it is plain text. */
export function blocksOf(message: unknown): Record<string, unknown>[] {
  const { content } = toRecord(message);
  return typeof content === "string" ? [{ type: "text", text: content }] : list(content);
}

/**
 * What Anthropic's own server refuses.
 *
 * @param signed signatures it has given out
 */
export function flawOf(body: Record<string, unknown>, signed: ReadonlySet<string>): string | undefined {
  const { model, max_tokens: maxTokens, messages, system, tools } = body;
  if (typeof model !== "string") return "model: Field required";
  if (!Number.isInteger(maxTokens) || Number(maxTokens) < 1) return "max_tokens: Field required";
  const said = list(messages);
  if (said.length === 0) return "messages: at least one message is required";
  if (said[0]?.["role"] !== "user") return 'messages: first message must use the "user" role';
  const blocks = said.flatMap(blocksOf);
  const all = [...list(system), ...list(tools), ...blocks];
  if (all.filter((block) => "cache_control" in block).length > 4)
    return "A maximum of 4 blocks with cache_control may be provided";
  const usesTools = blocks.some(({ type }) => type === "tool_use" || type === "tool_result");
  if (usesTools && list(tools).length === 0) return "Requests which include `tool_use` must define tools";
  return blocks.map((block) => flawOfBlock(block, signed)).find(Boolean) ?? flawOfTurns(said);
}

function flawOfBlock(block: Record<string, unknown>, signed: ReadonlySet<string>): string | undefined {
  const { type, text, signature, id, name, input } = block;
  if (type === "text" && String(text).trim() === "")
    return "text content blocks must contain non-whitespace text";
  if (type === "thinking" && !signed.has(String(signature))) return "Invalid `signature` in `thinking` block";
  if (type !== "tool_use") return undefined;
  if (!/^[\w-]+$/.test(String(id))) return "tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'";
  if (!/^[\w-]{1,128}$/.test(String(name))) return "tool_use.name: String should match pattern";
  return typeof input === "object" && !Array.isArray(input)
    ? undefined
    : "tool_use.input: Input should be an object";
}

/** Sides take turns, and each call is answered at the start of the next message. */
function flawOfTurns(said: readonly Record<string, unknown>[]): string | undefined {
  const ids = new Set<unknown>();
  for (const [place, message] of said.entries()) {
    if (place > 0 && message["role"] === said[place - 1]?.["role"]) return "roles must alternate";
    const uses = blocksOf(message).filter(({ type }) => type === "tool_use");
    for (const { id } of uses) {
      if (ids.has(id)) return "`tool_use` ids must be unique";
      ids.add(id);
    }
    const next = said[place + 1];
    const answered = next ? blocksOf(next).filter(({ type }) => type === "tool_result") : [];
    const expected = uses.map(({ id }) => id);
    const got = answered.map(({ tool_use_id: id }) => id);
    const isOrphan = place === 0 && blocksOf(message).some(({ type }) => type === "tool_result");
    if (isOrphan) return "unexpected `tool_use_id` found in `tool_result` blocks";
    if (next && JSON.stringify(expected) !== JSON.stringify(got))
      return "`tool_use` ids were found without `tool_result` blocks immediately after";
  }
  return undefined;
}
