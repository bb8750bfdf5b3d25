import type { SqlRow } from "../../ports.ts";

/** What a person would read of a message as it is stored; nothing of one that is damaged. */
export function storedText(content: SqlRow[string] | undefined): string {
  let parts: unknown;
  try {
    parts = JSON.parse(String(content));
  } catch {
    // The history says that it is damaged; here there is nothing of it to show.
    return "";
  }
  if (!Array.isArray(parts)) return "";
  return parts.map((part: unknown) => textOfPart(part)).join("");
}

function textOfPart(part: unknown): string {
  if (typeof part !== "object" || part === null || !("type" in part) || part.type !== "text") return "";
  return "text" in part && typeof part.text === "string" ? part.text : "";
}

/** The start of a text, in one line. */
export function oneLine(text: string, charsMax: number): string {
  const start = text.slice(0, charsMax * 4);
  const line = start.replace(/[\p{Cc}\p{Cf}\s]+/gu, " ").trim();
  return line.length <= charsMax ? line : `${cut(line, charsMax - 1).trimEnd()}…`;
}

/** At most so many UTF-16 units, no character cut in half. */
export function cut(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  const isSplit = /[\uD800-\uDBFF]/.test(text.charAt(charsMax - 1));
  return text.slice(0, isSplit ? charsMax - 1 : charsMax);
}
