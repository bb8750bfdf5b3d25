import { isObject } from "../../rpc/json.ts";
import type { ToolAnswer } from "../tools.ts";
import { MCP } from "./bounds.ts";

/** What a model is told of a tool's result: text as it is, of anything else what it is. */
export function toAnswer(result: unknown): ToolAnswer {
  if (!isObject(result)) return { text: "The tool answered something that is no result", isError: true };
  const content = Array.isArray(result["content"]) ? (result["content"] as unknown[]) : [];
  const parts = content.flatMap((part) => describe(part) ?? []);
  const structured = result["structuredContent"];
  const hasText = content.some((part) => isObject(part) && part["type"] === "text");
  if (!hasText && structured !== undefined) parts.push(jsonOf(structured));
  return { text: bound(parts.join("\n")) || "(no output)", isError: result["isError"] === true };
}

function describe(part: unknown): string | undefined {
  if (!isObject(part)) return undefined;
  const type = textOf(part["type"]);
  if (type === "text") return textOf(part["text"]);
  if (type === "image" || type === "audio") {
    return `[${type} ${word(part["mimeType"])}, ${sizeOf(part["data"])}]`;
  }
  if (type === "resource_link") return [word(part["name"]), word(part["uri"])].join(": ");
  if (type === "resource") return describeResource(part["resource"]);
  return `[${word(part["type"])}]`;
}

function describeResource(resource: unknown): string | undefined {
  if (!isObject(resource)) return undefined;
  if (typeof resource["text"] === "string") return resource["text"];
  if (resource["blob"] === undefined) return word(resource["uri"]);
  return `[resource ${word(resource["uri"])}, ${word(resource["mimeType"])}, ${sizeOf(resource["blob"])}]`;
}

function bound(text: string): string {
  const whole = text.toWellFormed();
  if (whole.length <= MCP.answerCharsMax) return whole;
  const more = whole.length - MCP.answerCharsMax;
  return `${whole.slice(0, MCP.answerCharsMax).toWellFormed()}\n[${more} more characters are left out]`;
}

/** Of base64 text, the bytes it stands for. */
function sizeOf(data: unknown): string {
  const bytes = Math.floor((textOf(data).length * 3) / 4);
  return bytes < 1_024 ? `${bytes} B` : `${Math.round(bytes / 1_024)} KB`;
}

/** A type or an address inside our own brackets: one short line. */
function word(value: unknown): string {
  return textOf(value).slice(0, MCP.wordsCharsMax).replace(/\p{C}/gu, "") || "unknown";
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    // Nested deeper than the stack.
    return "[something nested too deep]";
  }
}
