import type { Node } from "jsonc-parser";
import { fits, print, printKey, styleAt } from "./edit-print.ts";
import type { Layout } from "./edit-print.ts";
import {
  boundaryOf,
  containerOf,
  lineIndent,
  ownIndent,
  parentOf,
  piecesFrom,
  splice,
} from "./edit-source.ts";
import type { Container, Piece, Splice } from "./edit-source.ts";

/** What is put in: a member of an object, or an element where it has no key. */
export interface Addition {
  /** Before the item that is there; behind the last at the end. */
  readonly index: number;
  readonly key?: string;
  readonly value: unknown;
}

interface Place {
  readonly text: string;
  readonly container: Container;
  /** The addition as text; on a line of its own where an indentation is given. */
  write(indent?: string): string;
  readonly lineEnd: string;
  readonly unit: string;
  readonly gap: string;
  readonly pad: string;
}

/**
 * Puts a member or an element before the one that is at the index, or behind the last. Comments stay with
 * what they are beside or above.
 */
export function insertItem(text: string, node: Node, addition: Addition): string {
  const { index } = addition;
  const container = containerOf(text, node);
  const style = styleAt(text, container);
  const write = (indent?: string): string => {
    const key = addition.key === undefined ? "" : printKey(addition.key, style);
    const layout: Layout = { ...style, indent: indent ?? lineIndent(text, node.offset), shape: "line" };
    const line = key + print(addition.value, layout);
    if (indent === undefined || (hasLineBeside(text, container, addition) && fits(line, indent))) return line;
    return key + print(addition.value, { ...layout, shape: "fit" });
  };
  const { lineEnd, unit, gap } = style;
  const pad = node.type === "array" ? style.listPad : style.pad;
  const place: Place = { text, container, write, lineEnd, unit, gap, pad };
  if (index < container.items.length) return splice(text, insertBefore(place, index));
  return splice(text, container.items.length === 0 ? fill(place) : append(place));
}

/** Whether what is beside the addition is of its kind, not empty and on one line. */
function hasLineBeside(text: string, { items }: Container, { index, value }: Addition): boolean {
  const beside = (items[index - 1] ?? items[index])?.value;
  if (!beside?.children || beside.children.length === 0) return false;
  if ((beside.type === "array") !== Array.isArray(value)) return false;
  return !/[\r\n]/.test(text.slice(beside.offset, beside.offset + beside.length));
}

function at(offset: number, text: string): Splice {
  return { start: offset, end: offset, text };
}

/** The comments above an item are its own, so that a new line comes before them. */
function insertBefore({ text, container, write, lineEnd, gap }: Place, index: number): Splice[] {
  const boundary = boundaryOf(container, index);
  const indent = ownIndent(text, boundary);
  const pieces = piecesFrom(text, boundary);
  if (indent === undefined) {
    const [first] = pieces;
    return [at(first?.kind === "space" ? first.end : boundary, `${write()},${gap}`)];
  }
  return [at(lastComment(sameLine(pieces))?.end ?? boundary, `${lineEnd}${indent}${write(indent)},`)];
}

function append(place: Place): Splice[] {
  const { text, container, write, lineEnd, gap } = place;
  const last = container.items.at(-1);
  if (!last) return fill(place);
  const own = ownIndent(text, boundaryOf(container, container.items.length - 1));
  const behind = last.comma === undefined ? last.end : last.comma + 1;
  const comment = lastComment(sameLine(piecesFrom(text, behind)));
  const end = comment?.end ?? behind;
  const closing = last.comma === undefined ? "" : ",";
  const needsLine = own !== undefined || (comment !== undefined && isLineComment(text, comment));
  if (!needsLine) {
    const lead = last.comma === undefined ? "," : "";
    return [at(end, lead + gap + write() + closing)];
  }
  const indent = own ?? lineIndent(text, container.node.offset) + place.unit;
  const line = at(end, lineEnd + indent + write(indent) + closing);
  return last.comma === undefined ? [at(last.end, ","), line] : [line];
}

/** The first item of an object or a list, which may hold comments. */
function fill(place: Place): Splice[] {
  const { text, container, write, lineEnd, unit, pad } = place;
  const { node, open, close } = container;
  const pieces = piecesFrom(text, open);
  const isBlock = pieces.some(({ kind }) => kind === "break");
  const outer = lineIndent(text, node.offset);
  const comment = lastComment(pieces);
  if (comment) {
    if (!isBlock) return [at(comment.end, ` ${write()}`)];
    const indent = indentOf(text, pieces, comment) ?? outer + unit;
    return [at(comment.end, lineEnd + indent + write(indent))];
  }
  if (!isBlock && !isInBlock(text, node)) {
    return [{ start: open, end: close, text: pad + write() + pad }];
  }
  const indent = outer + unit;
  return [{ start: open, end: close, text: lineEnd + indent + write(indent) + lineEnd + outer }];
}

/** Whether the item that has this value begins its line. The root counts as one that does. */
export function isInBlock(text: string, node: Node): boolean {
  const parent = parentOf(node);
  if (!parent) return true;
  const container = containerOf(text, parent);
  const index = container.items.findIndex(({ value }) => value === node);
  return ownIndent(text, boundaryOf(container, index)) !== undefined;
}

function sameLine(pieces: readonly Piece[]): readonly Piece[] {
  const end = pieces.findIndex(({ kind }) => kind === "break");
  return end === -1 ? pieces : pieces.slice(0, end);
}

function lastComment(pieces: readonly Piece[]): Piece | undefined {
  return pieces.findLast(({ kind }) => kind === "comment");
}

function isLineComment(text: string, { start }: Piece): boolean {
  return text[start + 1] === "/";
}

/** The white space before a comment that is the first on its line. */
function indentOf(text: string, pieces: readonly Piece[], comment: Piece): string | undefined {
  const index = pieces.indexOf(comment);
  const before = pieces[index - 1];
  if (before?.kind === "break") return "";
  if (before?.kind !== "space" || pieces[index - 2]?.kind !== "break") return undefined;
  return text.slice(before.start, before.end);
}
