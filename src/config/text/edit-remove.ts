import type { Node } from "jsonc-parser";
import { boundaryOf, containerOf, isBreak, isSpace, piecesFrom, splice } from "./edit-source.ts";
import type { Container, Item, Splice } from "./edit-source.ts";

/** Takes out a member or an element with one comma; a line that is blank then goes too, comments stay. */
export function removeItem(text: string, node: Node, removed: Node): string {
  const container = containerOf(text, node);
  const index = container.items.findIndex(({ value }) => value === removed);
  const item = container.items[index];
  if (!item) return text;
  if (container.items.length === 1 && !hasCommentsAround(text, container, item)) {
    return splice(text, [{ start: container.open, end: container.close, text: "" }]);
  }
  return splice(
    text,
    cutsOf(text, container, index).map((cut) => tidy(text, container, cut)),
  );
}

/** A stretch to take out, and the side that it takes the space on within a line. */
interface Cut {
  readonly start: number;
  readonly end: number;
  readonly space: "before" | "behind" | "none";
}

function cutsOf(text: string, { items }: Container, index: number): Cut[] {
  const item = items[index];
  if (!item) return [];
  const { start, end, comma } = item;
  const space = index === items.length - 1 ? "before" : "behind";
  const own: Cut = { start, end, space };
  if (comma !== undefined) {
    if (!hasComment(text, end)) return [{ start, end: comma + 1, space }];
    return [own, { start: comma, end: comma + 1, space: "none" }];
  }
  const before = items[index - 1]?.comma;
  if (before === undefined) return [own];
  // Without comments around, all that was put in behind the item before goes.
  if (!hasComment(text, before + 1) && !hasCommentBehind(text, end)) {
    return [{ start: before, end, space: "none" }];
  }
  return [{ start: before, end: before + 1, space: "none" }, own];
}

/** Widens a cut by the white space that nobody would leave. */
function tidy(text: string, container: Container, { start, end, space }: Cut): Splice {
  let from = start;
  while (isSpace(text[from - 1])) from -= 1;
  let to = end;
  while (isSpace(text[to])) to += 1;
  const isLineStart = isBreak(text[from - 1]);
  if (!isBreak(text[to])) {
    if (space === "before" && !isLineStart) return { start: from, end, text: "" };
    return { start, end: space === "none" ? end : to, text: "" };
  }
  if (!isLineStart) return { start: from, end, text: "" };
  return { ...withoutBlank(text, container, { start: from, end: afterBreak(text, to) }), text: "" };
}

/** Of two blank lines that would meet, or of one beside a bracket, one goes with the lines between. */
function withoutBlank(
  text: string,
  container: Container,
  lines: { start: number; end: number },
): typeof lines {
  const { start, end } = lines;
  const before = blankBefore(text, start);
  let next = end;
  while (isSpace(text[next])) next += 1;
  const isBlankAfter = isBreak(text[next]);
  const isFirst = text.slice(container.open, start).trim() === "";
  if (before < start && (isBlankAfter || next === container.close)) return { start: before, end };
  return isFirst && isBlankAfter ? { start, end: afterBreak(text, next) } : lines;
}

/** Where the blank line before a line begins; where the line itself does if that has text. */
function blankBefore(text: string, start: number): number {
  const lineEnd = text[start - 1] === "\n" && text[start - 2] === "\r" ? start - 2 : start - 1;
  let at = lineEnd;
  while (isSpace(text[at - 1])) at -= 1;
  return isBreak(text[at - 1]) ? at : start;
}

function afterBreak(text: string, at: number): number {
  return text[at] === "\r" && text[at + 1] === "\n" ? at + 2 : at + 1;
}

function hasComment(text: string, from: number): boolean {
  return piecesFrom(text, from).some(({ kind }) => kind === "comment");
}

function hasCommentBehind(text: string, from: number): boolean {
  const first = piecesFrom(text, from).find(({ kind }) => kind !== "space");
  return first?.kind === "comment";
}

function hasCommentsAround(text: string, container: Container, { end, comma }: Item): boolean {
  const places = [boundaryOf(container, 0), end, ...(comma === undefined ? [] : [comma + 1])];
  return places.some((from) => hasComment(text, from));
}
