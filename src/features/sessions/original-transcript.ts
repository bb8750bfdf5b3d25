import type { Content } from "../runs/contract.ts";
import type { TreePlace } from "./branches.ts";
import type { LineContent } from "./transcript.ts";

/** The last one that a Date can be; the database could keep later ones, and not give them back. */
export const MOMENT_MAX_MS = 8_640_000_000_000_000;

type Fields = Readonly<Record<string, unknown>>;

/** A line of the system we replace has its message inside. @source PEER F13 */
export function isOriginalEntry(line: object): line is { readonly message: Fields } {
  return "message" in line && isFields(line.message);
}

/** Longer ones are no ids. */
const ID_CHARS_MAX = 64;

/** Where any line of the original stands in its tree; older transcripts have none. */
export function toTreePlace(line: object): TreePlace | undefined {
  if (!("id" in line) || typeof line.id !== "string" || line.id.length > ID_CHARS_MAX) return undefined;
  const parent = "parentId" in line ? line.parentId : undefined;
  return parent === null || typeof parent === "string" ? { id: line.id, parent } : { id: line.id };
}

/** What such a line says; what only that system knows is left out. */
export function toOriginalMessage(entry: {
  readonly message: Fields;
  readonly timestamp?: unknown;
}): LineContent {
  const { message } = entry;
  const { role, content } = message;
  // Commands and summaries have roles, and shapes, of their own.
  if (role !== "user" && role !== "assistant" && role !== "toolResult") return { kind: "nothing" };
  const ts = toMs(message["timestamp"]) ?? toMs(entry.timestamp);
  if (ts === undefined) return { kind: "bad", state: "it has no time" };
  const parts = toParts(content);
  if (!parts) return { kind: "bad", state: "its content is no message's" };
  if (role === "toolResult") return toResult(message, parts);
  if (parts.length === 0) return { kind: "nothing" };
  const status = message["stopReason"] === "aborted" ? ("aborted" as const) : undefined;
  return { kind: "message", message: { role, content: parts, ts, status } };
}

function toResult({ toolCallId, isError }: Fields, parts: readonly Content[]): LineContent {
  if (typeof toolCallId !== "string") return { kind: "nothing" };
  const text = parts.map((part) => (part.type === "text" ? part.text : "")).join("");
  return { kind: "result", id: toolCallId, text, isError: isError === true };
}

function toParts(content: unknown): Content[] | undefined {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  return Array.isArray(content) ? content.flatMap(toPart) : undefined;
}

function toPart(part: unknown): Content[] {
  if (!isFields(part)) return [];
  const { type, text, thinking, id, name, arguments: args } = part;
  if (type === "text" && typeof text === "string") return text === "" ? [] : [{ type, text }];
  if (type === "thinking" && typeof thinking === "string") return [{ type, text: thinking }];
  if (type === "image") return [{ type: "text", text: "[a picture]" }];
  if (type !== "toolCall" || typeof id !== "string" || typeof name !== "string") return [];
  return [{ type: "tool_call", id, name, args: JSON.stringify(args ?? {}) }];
}

function toMs(value: unknown): number | undefined {
  const ms = typeof value === "string" ? Date.parse(value) : value;
  return typeof ms === "number" && ms >= 0 && ms <= MOMENT_MAX_MS ? Math.round(ms) : undefined;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
