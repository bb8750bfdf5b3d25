import { createScanner } from "jsonc-parser";
import type { Node } from "jsonc-parser";
import { isBreak, isSpace, lineEndAt, lineIndent, parentOf, piecesFrom } from "./edit-source.ts";
import type { Container } from "./edit-source.ts";

/** How the author writes, as far as it can be seen near a place. */
export interface Style {
  readonly lineEnd: string;
  /** One level of indentation. */
  readonly unit: string;
  /** What is between a key and its value. */
  readonly colon: string;
  /** What follows a comma on one line. */
  readonly gap: string;
  /** What is inside the braces and the brackets of one line. */
  readonly pad: string;
  readonly listPad: string;
}

export interface Layout extends Style {
  /** What the line begins with that the value begins on. */
  readonly indent: string;
  /**
   * `line`: all on one line. `block`: an item a line. `fit`: an object in a block, a list of plain values
   * on one line if that is short.
   */
  readonly shape: "line" | "block" | "fit";
}

/** Longer lines are broken where the author's own text does not forbid it. */
const LINE_COLUMNS_MAX = 100;

/** Text that is put in as its author wrote it. */
export class Raw {
  readonly text: string;
  /** What the line began with that it was taken from. */
  readonly indent: string;

  constructor(text: string, indent: string) {
    this.text = text;
    this.indent = indent;
  }
}

/** A checked value as JSON, its first line without indentation. */
export function print(value: unknown, layout: Layout): string {
  if (value instanceof Raw) return reindent(value, layout.indent);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value);
  const isList = Array.isArray(value);
  const [open, close, pad] = isList ? ["[", "]", layout.listPad] : ["{", "}", layout.pad];
  if (entries.length === 0) return open + close;
  const write = (inner: Layout): string[] =>
    entries.map(([key, member]) => (isList ? "" : printKey(key, layout)) + print(member, inner));
  const oneLine = (): string =>
    open + pad + write({ ...layout, shape: "line" }).join(`,${layout.gap}`) + pad + close;
  if (layout.shape === "line") return oneLine();
  if (layout.shape === "fit" && isList && entries.every(([, member]) => !isContainer(member))) {
    const line = oneLine();
    if (fits(line, layout.indent)) return line;
  }
  const inner: Layout = { ...layout, shape: "fit", indent: layout.indent + layout.unit };
  const newLine = layout.lineEnd + inner.indent;
  return open + newLine + write(inner).join(`,${newLine}`) + layout.lineEnd + layout.indent + close;
}

/** Whether a text is one line of a bearable length. */
export function fits(text: string, indent: string): boolean {
  return indent.length + text.length <= LINE_COLUMNS_MAX && !/[\r\n]/.test(text);
}

/** A key with its colon. */
export function printKey(key: string, { colon }: Style): string {
  return JSON.stringify(key) + colon;
}

function isContainer(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** Lines below the first begin as deep as before, from the new place; comments stay as they are inside. */
function reindent({ text, indent }: Raw, to: string): string {
  if (indent === to) return text;
  const scanner = createScanner(text, false);
  let result = "";
  let isLineStart = false;
  for (scanner.scan(); scanner.getTokenOffset() < text.length; scanner.scan()) {
    const token = text.slice(scanner.getTokenOffset(), scanner.getPosition());
    const isNewLine = isBreak(token[0]);
    if (!isLineStart || isNewLine) result += token;
    else if (isSpace(token[0])) result += token.startsWith(indent) ? to + token.slice(indent.length) : token;
    else result += (indent === "" ? to : "") + token;
    isLineStart = isNewLine;
  }
  return result;
}

// --- what the author does ---

export function styleAt(text: string, container: Container): Style {
  const { node, items, open } = container;
  const colon = colonAt(text, node);
  const comma = items.slice(0, -1).at(-1)?.comma;
  const isTight = comma === undefined ? !colon.endsWith(" ") : !isWhite(text[comma + 1]);
  return {
    lineEnd: lineEndAt(text, open),
    unit: unitAt(text, node),
    colon,
    gap: isTight ? "" : " ",
    pad: padAt(text, node) ?? (colon.endsWith(" ") ? " " : ""),
    listPad: node.type === "array" && items.length > 0 && isSpace(text[open]) ? " " : "",
  };
}

function isWhite(char: string | undefined): boolean {
  return isSpace(char) || isBreak(char);
}

/** As the nearest property has it: the object's own last one, else the one whose value the object is. */
function colonAt(text: string, node: Node): string {
  let property = node.type === "object" ? node.children?.at(-1) : undefined;
  for (let at: Node | undefined = node; !property && at; at = at.parent) {
    if (at.type === "property") property = at;
  }
  const offset = property?.colonOffset;
  if (offset === undefined) return ": ";
  return (isSpace(text[offset - 1]) ? " " : "") + ":" + (isWhite(text[offset + 1]) ? " " : "");
}

/** As the innermost object around has it that is written on one line. */
function padAt(text: string, node: Node): string | undefined {
  for (let at: Node | undefined = node; at; at = parentOf(at)) {
    if (at.type !== "object" || (at.children ?? []).length === 0) continue;
    const first = text[at.offset + 1];
    if (!isBreak(first)) return isSpace(first) ? " " : "";
  }
  return undefined;
}

/** The indentation that one level adds: here, else around, else anywhere in the file. */
function unitAt(text: string, node: Node): string {
  let root = node;
  for (let at: Node | undefined = node; at; at = at.parent) {
    const unit = unitOf(text, at);
    if (unit !== undefined) return unit;
    root = at;
  }
  const rest = [root];
  for (let at = rest.pop(); at; at = rest.pop()) {
    const unit = unitOf(text, at);
    if (unit !== undefined) return unit;
    for (const child of (at.children ?? []).toReversed()) rest.push(child);
  }
  return "  ";
}

function unitOf(text: string, node: Node): string | undefined {
  if (node.type !== "object" && node.type !== "array") return undefined;
  const pieces = piecesFrom(text, node.offset + 1);
  const isEmpty = (node.children ?? []).length === 0;
  for (const [index, { kind }] of pieces.entries()) {
    const next = pieces[index + 1];
    if (kind !== "break" || next?.kind !== "space") continue;
    const isLast = index + 2 === pieces.length;
    if (isLast ? isEmpty : pieces[index + 2]?.kind === "break") continue;
    const outer = lineIndent(text, node.offset);
    const inner = text.slice(next.start, next.end);
    return inner.length > outer.length && inner.startsWith(outer) ? inner.slice(outer.length) : undefined;
  }
  return undefined;
}
