import { listOf, record, textOf } from "../values.ts";
import { bounded } from "./texts.ts";

/** The parts of a tool's answer as text: words as they are, changes of files as lines taken and added. */
export function contentText(content: unknown): string {
  return bounded(
    listOf(content)
      .map((part) => partText(part))
      .filter((text) => text !== "")
      .join("\n"),
  );
}

/** What a tool answered in its own form. */
export function outputText(output: unknown): string {
  if (output === undefined || output === null) return "";
  const words = textOf(output) ?? textOf(record(output)["output"]) ?? JSON.stringify(output);
  return bounded(words);
}

/** The text of a block of a message; what is no text is named. */
export function blockText(block: unknown): string {
  const { type, text, resource, uri, mimeType } = record(block);
  switch (type) {
    case "text":
      return textOf(text) ?? "";
    case "resource":
      return textOf(record(resource)["text"]) ?? textOf(record(resource)["uri"]) ?? "";
    case "resource_link":
      return textOf(uri) ?? "";
    case "image":
    case "audio":
      return `(${type} ${textOf(mimeType) ?? ""})`;
    default:
      return "";
  }
}

function partText(part: unknown): string {
  const { type, content, path, oldText, newText } = record(part);
  if (type === "content") return blockText(content);
  if (type !== "diff") return "";
  const lines = [textOf(path) ?? "", ...marked("-", oldText), ...marked("+", newText)];
  return lines.join("\n");
}

function marked(mark: string, text: unknown): string[] {
  const lines = textOf(text) ?? "";
  return lines === ""
    ? []
    : bounded(lines)
        .split("\n")
        .map((line) => `${mark}${line}`);
}
