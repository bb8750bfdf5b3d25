import { createScanner } from "jsonc-parser";
import type { Node } from "jsonc-parser";

/** White space within a line, a line break, or a comment. */
export interface Piece {
  readonly kind: "space" | "break" | "comment";
  readonly start: number;
  readonly end: number;
}

/** A property of an object or an element of a list. */
export interface Item {
  readonly start: number;
  readonly end: number;
  readonly value: Node;
  /** Where the comma behind it is; the last one may have none. */
  readonly comma: number | undefined;
}

/** An object or a list, with what is between its brackets. */
export interface Container {
  readonly node: Node;
  /** Behind the opening bracket. */
  readonly open: number;
  /** At the closing bracket. */
  readonly close: number;
  readonly items: readonly Item[];
}

export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Replaces stretches that are in order and do not overlap. */
export function splice(text: string, splices: readonly Splice[]): string {
  let result = "";
  let at = 0;
  for (const { start, end, text: inserted } of splices) {
    result += text.slice(at, start) + inserted;
    at = end;
  }
  return result + text.slice(at);
}

const KINDS: Readonly<Record<string, Piece["kind"]>> = {
  " ": "space",
  "\t": "space",
  "\r": "break",
  "\n": "break",
  "/": "comment",
};

/** What is between an offset outside of any token and the next token. */
export function piecesFrom(text: string, from: number): readonly Piece[] {
  const scanner = createScanner(text, false);
  scanner.setPosition(from);
  const pieces: Piece[] = [];
  for (;;) {
    scanner.scan();
    const start = scanner.getTokenOffset();
    const kind = KINDS[text[start] ?? ""];
    if (!kind) return pieces;
    pieces.push({ kind, start, end: scanner.getPosition() });
  }
}

export function containerOf(text: string, node: Node): Container {
  const items = (node.children ?? []).map((child): Item => {
    const value = child.type === "property" ? (child.children?.[1] ?? child) : child;
    const end = value.offset + value.length;
    const next = piecesFrom(text, end).at(-1)?.end ?? end;
    return { start: child.offset, end, value, comma: text[next] === "," ? next : undefined };
  });
  return { node, open: node.offset + 1, close: node.offset + node.length - 1, items };
}

/** The object or list that a value is in; undefined for the root. */
export function parentOf(node: Node): Node | undefined {
  return node.parent?.type === "property" ? node.parent.parent : node.parent;
}

/** Where what belongs to an item begins: behind the bracket or the comma before it. */
export function boundaryOf({ open, items }: Container, index: number): number {
  const comma = index === 0 ? undefined : items[index - 1]?.comma;
  return comma === undefined ? open : comma + 1;
}

/** The white space before an item that is the first on its line; undefined where it is not. */
export function ownIndent(text: string, boundary: number): string | undefined {
  const pieces = piecesFrom(text, boundary);
  const last = pieces.findLastIndex(({ kind }) => kind === "break");
  if (last === -1) return undefined;
  const next = pieces[last + 1];
  return next?.kind === "space" ? text.slice(next.start, next.end) : "";
}

export function isSpace(char: string | undefined): boolean {
  return char === " " || char === "\t";
}

export function isBreak(char: string | undefined): boolean {
  return char === "\n" || char === "\r";
}

/** The white space that the line around an offset begins with. */
export function lineIndent(text: string, offset: number): string {
  let start = offset;
  while (start > 0 && !isBreak(text[start - 1])) start -= 1;
  let end = start;
  while (isSpace(text[end])) end += 1;
  return text.slice(start, end);
}

/** The last line break before an offset, else the first one after it: a file may mix several kinds. */
export function lineEndAt(text: string, offset: number): string {
  let at = offset - 1;
  while (at >= 0 && !isBreak(text[at])) at -= 1;
  if (at === -1) return /\r\n|\n|\r/.exec(text)?.[0] ?? "\n";
  return text[at] === "\n" && text[at - 1] === "\r" ? "\r\n" : (text[at] ?? "\n");
}

/** The value that a syntax tree stands for. */
export function valueOf(node: Node): unknown {
  if (node.type === "array") return (node.children ?? []).map(valueOf);
  if (node.type !== "object") return node.value;
  const members = (node.children ?? []).flatMap(({ children }) => {
    const [key, value] = children ?? [];
    return key && value ? [[String(key.value), valueOf(value)] as const] : [];
  });
  return Object.fromEntries(members);
}

/** How many objects and lists a value has inside each other, itself among them. */
export function depthOf(node: Node): number {
  const below = (node.children ?? []).reduce((most, child) => Math.max(most, depthOf(child)), 0);
  return node.type === "object" || node.type === "array" ? below + 1 : below;
}
