import type { AgentPart } from "../ports.ts";

/** What a tool answered that did not come to it; servers refuse a call without an answer. */
export const CUT_OFF = "cut off";

/** What stands for an image where the model sees none. */
export const UNSEEN_IMAGE = "[an image that this model cannot see]";

export type CallPart = Extract<AgentPart, { type: "tool_call" }>;

type Round = { text: string; readonly calls: CallPart[] };

/** What was said and then called, as often as the model began to speak again. */
export function toRounds(parts: readonly AgentPart[]): readonly Round[] {
  const found: Round[] = [];
  for (const part of parts) {
    if (part.type === "image") continue;
    let last = found.at(-1);
    if (last === undefined || (part.type === "text" && last.calls.length > 0)) {
      last = { text: "", calls: [] };
      found.push(last);
    }
    if (part.type === "text") last.text += part.text;
    else last.calls.push(part);
  }
  return found.filter(({ text, calls }) => text !== "" || calls.length > 0);
}

/** The texts of a message, and words for its images. */
export function textOf(parts: readonly AgentPart[]): string {
  return parts
    .flatMap((part) => (part.type === "text" ? [part.text] : part.type === "image" ? [UNSEEN_IMAGE] : []))
    .join("\n");
}

/**
 * Ids of tool calls for one request. Histories may hold the same id twice (servers that number their calls
 * begin anew with each answer), and ids of other providers.
 *
 * @param unwanted what this provider takes in no id; written as `_`
 */
export function createToolIds(unwanted?: RegExp): (id: string) => string {
  const used = new Set<string>();
  return (id) => {
    const plain = (unwanted === undefined ? id : id.replace(unwanted, "_").slice(0, 60)) || "call";
    let free = plain;
    for (let count = 2; used.has(free); count += 1) free = `${plain}_${count}`;
    used.add(free);
    return free;
  };
}

/** Agents that are programs name their tools in words, which no provider takes. */
export function toToolName(name: string): string {
  return name.replace(/[^\w-]+/g, "_").slice(0, 64) || "tool";
}

/** What a tool was called with, as an object whatever the model wrote. */
export function toToolInput(args: string): Readonly<Record<string, unknown>> {
  if (args.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(args);
    // An object, and no array: checked here.
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
    return { value };
  } catch {
    // Said by a model or a program in its own form: the text is all there is.
    return { text: args };
  }
}
