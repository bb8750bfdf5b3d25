import { expect } from "bun:test";
import { createScanner, findNodeAtLocation, parseTree } from "jsonc-parser";
import type { Node } from "jsonc-parser";
import { editText } from "../../../src/config/text/edit.ts";
import type { TextChange } from "../../../src/config/text/edit.ts";
import { isObject } from "../../../src/config/leaves.ts";
import type { Path } from "../../../src/config/leaves.ts";
import { documentOf } from "./support.ts";

interface Span {
  readonly start: number;
  readonly end: number;
}

interface Token extends Span {
  readonly text: string;
}

/** Everything that is not white space, comments included. */
export function tokensOf(text: string): Token[] {
  const scanner = createScanner(text, false);
  const tokens: Token[] = [];
  for (scanner.scan(); scanner.getTokenOffset() < text.length; scanner.scan()) {
    const start = scanner.getTokenOffset();
    const end = scanner.getPosition();
    const token = { start, end, text: text.slice(start, end) };
    if (token.text.trim() !== "") tokens.push(token);
  }
  return tokens;
}

const isComment = ({ text }: Token): boolean => text.startsWith("/");
const isIn = (span: Span | undefined, { start, end }: Span): boolean =>
  span !== undefined && span.start <= start && end <= span.end;

/** The comments of a text, without those in a stretch. */
export function commentsOf(text: string, without?: Span): string[] {
  const comments = tokensOf(text).filter((token) => isComment(token) && !isIn(without, token));
  return comments.map((token) => token.text);
}

function rootOf(text: string): Node {
  const root = parseTree(text, [], { allowTrailingComma: true });
  if (!root) throw new Error("the text has no value");
  return root;
}

function spanOf(text: string, path: Path, of: "value" | "item" = "value"): Span | undefined {
  const node = findNodeAtLocation(rootOf(text), [...path]);
  const found = of === "item" && node?.parent?.type === "property" ? node.parent : node;
  return found && { start: found.offset, end: found.offset + found.length };
}

/** A stretch as it is counted from the beginning of another. */
function inside(outer: Span, { start, end }: Span): Span {
  return { start: start - outer.start, end: end - outer.start };
}

// --- the same on plain values ---

export function applyTo(value: unknown, change: TextChange): unknown {
  const root = structuredClone(value);
  if (change.op === "move") {
    put(root, change.to, structuredClone(at(root, change.from)));
    drop(root, change.from);
  } else if (change.op === "remove") drop(root, change.path);
  else if (change.op === "insert") {
    const list = at(root, change.path.slice(0, -1));
    if (!Array.isArray(list)) put(root, change.path, change.value);
    else list.splice(Number(change.path.at(-1)), 0, structuredClone(change.value));
  } else put(root, change.path, structuredClone(change.value));
  return root;
}

export function at(value: unknown, path: Path): unknown {
  let here = value;
  for (const name of path) {
    if (Array.isArray(here) && typeof name === "number") here = here[name];
    else if (isObject(here) && typeof name === "string" && Object.hasOwn(here, name)) here = here[name];
    else return undefined;
  }
  return here;
}

function put(root: unknown, path: Path, value: unknown): void {
  for (let depth = 1; depth < path.length; depth += 1) {
    const made = typeof path[depth] === "number" ? [] : {};
    if (at(root, path.slice(0, depth)) === undefined) assign(root, path.slice(0, depth), made);
  }
  assign(root, path, value);
}

function assign(root: unknown, path: Path, value: unknown): void {
  const parent = at(root, path.slice(0, -1));
  const name = path.at(-1) ?? "";
  if (typeof parent !== "object" || parent === null) throw new Error("the model has no such parent");
  Object.defineProperty(parent, name, { value, enumerable: true, configurable: true, writable: true });
}

function drop(root: unknown, path: Path): void {
  const parent = at(root, path.slice(0, -1));
  const name = path.at(-1) ?? "";
  if (Array.isArray(parent) && typeof name === "number") parent.splice(name, 1);
  else if (isObject(parent)) delete parent[String(name)];
}

// --- what must hold of one edit ---

/** Makes an edit and holds it against the model, the comments and the bytes. */
export function checkEdit(text: string, change: TextChange): string {
  const before = documentOf(text).value;
  const after = editText(text, change);
  expect(documentOf(after).value).toEqual(applyTo(before, change));
  expect(lineEndsOf(after)).toEqual(lineEndsOf(text) || "\n");
  // The parser counts from behind the byte order mark.
  const mark = text.startsWith("\uFEFF") ? "\uFEFF" : "";
  expect(after.startsWith(mark)).toBe(true);
  const [old, now] = [text.slice(mark.length), after.slice(mark.length)];
  if (change.op === "move") checkMove(old, now, change);
  else if (change.op === "remove") checkRemove(old, now, change.path);
  else if (change.op === "set" && spanOf(old, change.path)) checkReplace(old, now, change.path);
  else checkAdd(old, now, change.path);
  return after;
}

/** The kinds of line ends of a text; that of a line feed where there is none yet. */
function lineEndsOf(text: string): string {
  return [...new Set(text.match(/\r\n|\r|\n/g) ?? ["\n"])].sort().join();
}

function checkReplace(old: string, now: string, path: Path): void {
  const was = spanOf(old, path);
  const is = spanOf(now, path);
  if (!was || !is) throw new Error("the value is not there");
  expect(now.slice(0, is.start)).toBe(old.slice(0, was.start));
  expect(now.slice(is.end)).toBe(old.slice(was.end));
}

/** Without the run that was inserted, and one comma behind the value before it, it is the old text. */
function checkAdd(old: string, now: string, path: Path): void {
  expect(commentsOf(now)).toEqual(commentsOf(old));
  const parent = spanOf(old, presentPart(old, path));
  const inside = parent && old.slice(parent.start + 1, parent.end - 1);
  const isBare = inside?.trim() === "";
  const base = parent && isBare ? old.slice(0, parent.start + 1) + old.slice(parent.end - 1) : old;
  let same = 0;
  while (same < base.length && base[same] === now[same]) same += 1;
  const withoutComma = now[same] === "," ? now.slice(0, same) + now.slice(same + 1) : now;
  expect([now, withoutComma].filter((text) => isOneRunMore(base, text))).not.toEqual([]);
  expect(blankLines(now)).toBeLessThanOrEqual(blankLines(old));
  // A line that is added parts no comment from what it is beside.
  if (!isBare && lineCount(now) > lineCount(old)) expect(besides(now)).toEqual(besides(old));
}

function lineCount(text: string): number {
  return text.split(/\r\n|\r|\n/).length;
}

/** What each comment has before it on its line, commas and white space apart. */
function besides(text: string): string[] {
  return tokensOf(text)
    .filter(isComment)
    .map(({ start }) =>
      (
        text
          .slice(0, start)
          .split(/[\r\n]/)
          .at(-1) ?? ""
      ).replaceAll(/[\s,]/g, ""),
    );
}

function presentPart(text: string, path: Path): Path {
  let part = path.slice(0, -1);
  while (!spanOf(text, part)) part = part.slice(0, -1);
  return part;
}

function isOneRunMore(less: string, more: string): boolean {
  if (more.length <= less.length) return false;
  let head = 0;
  while (head < less.length && less[head] === more[head]) head += 1;
  return more.endsWith(less.slice(head));
}

/** What went is the item, one comma and white space around them. */
function checkRemove(old: string, now: string, path: Path): void {
  const item = spanOf(old, path, "item");
  if (!item) return expect(now).toBe(old);
  const all = tokensOf(old);
  const first = all.findIndex(({ start }) => start === item.start);
  const left = all.filter((token) => !isIn(item, token));
  const significant = (from: number, step: number): Token | undefined => {
    let index = from;
    while (left[index] && isComment(left[index] ?? { start: 0, end: 0, text: "" })) index += step;
    return left[index];
  };
  const [previous, next] = [significant(first - 1, -1), significant(first, 1)];
  const comma = [next, previous].find((token) => token?.text === ",");
  const kept = left.filter((token) => token !== comma);
  expect(tokensOf(now).map(({ text }) => text)).toEqual(kept.map(({ text }) => text));
  const gone = [item, ...(comma ? [comma] : [])];
  const start = Math.min(...gone.map((span) => span.start));
  const end = Math.max(...gone.map((span) => span.end));
  const head = all.findLast((token) => token.end <= start)?.end ?? 0;
  const tail = all.find((token) => token.start >= end)?.start ?? old.length;
  expect(now.slice(0, head)).toBe(old.slice(0, head));
  expect(now.endsWith(old.slice(tail))).toBe(true);
  expect(blankLines(now)).toBeLessThanOrEqual(blankLines(old));
}

function blankLines(text: string): number {
  return text.split(/\r\n|\r|\n/).filter((line) => line.trim() === "").length;
}

/** The value is written as it was; the other comments are where they were. */
function checkMove(old: string, now: string, { from, to }: { from: Path; to: Path }): void {
  const item = spanOf(old, from, "item");
  const value = spanOf(old, from);
  const list = from.slice(0, -1);
  const isBehind = typeof from.at(-1) === "number" && list.every((name, index) => to[index] === name);
  const place = to.map((name, index) =>
    isBehind && index === list.length && typeof name === "number" && name > Number(from.at(-1))
      ? name - 1
      : name,
  );
  const moved = spanOf(now, place, "item");
  const movedValue = spanOf(now, place);
  if (!item || !value || !moved || !movedValue) throw new Error("the value is not there");
  const unindented = (text: string, { start, end }: Span): string =>
    tokensOf(text.slice(start, end))
      .map((token) => token.text)
      .join("\n");
  expect(unindented(now, movedValue)).toBe(unindented(old, value));
  // In a list there is no key, so that what was behind the key is before the value.
  const behindKey = new Set(commentsOf(old.slice(item.start, item.end), inside(item, value)));
  const others = (comments: readonly string[]): string[] => comments.filter((text) => !behindKey.has(text));
  expect(others(commentsOf(now, moved))).toEqual(others(commentsOf(old, item)));
  expect(commentsOf(now).toSorted()).toEqual(commentsOf(old).toSorted());
}
