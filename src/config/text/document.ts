import { createScanner, parseTree, printParseErrorCode } from "jsonc-parser";
import type { Node, ParseError } from "jsonc-parser";
import { LIMITS } from "../../contract/limits.ts";
import { RESERVED_KEYS } from "../../contract/reserved-keys.ts";
import { isObject, keyOf, quote } from "../leaves.ts";
import type { Path } from "../leaves.ts";

/** A place in a text; both count from 1, columns in UTF-16 units as editors do. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A part of a text, in UTF-16 units from its start. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Something wrong with the text, where it is. */
export interface TextIssue extends Position {
  /** Empty where it is about the text as a whole. */
  readonly key: string;
  /** Half a sentence: what is wrong. */
  readonly reason: string;
}

/**
 * JSON with comments and trailing commas, read without loss: the text itself, its value, and what is where.
 */
export interface Document {
  readonly text: string;
  readonly value: unknown;
  /**
   * Where the key of a setting (or the element of a list) begins, or its value; undefined if it is not
   * there.
   */
  position(path: Path, of?: "key" | "value"): Position | undefined;
  /** Where the value at a path is written. */
  span(path: Path): Span | undefined;
}

export type Reading =
  | { readonly ok: true; readonly document: Document }
  | { readonly ok: false; readonly errors: readonly TextIssue[] };

/** Reads a configuration file's text: one object, `LIMITS.jsonDepthMax` deep at most. Never throws. */
export function readDocument(text: string): Reading {
  const reading = readJsonc(text);
  if (!reading.ok || isObject(reading.document.value)) return reading;
  const at = reading.document.position([], "value") ?? START;
  return failed([{ ...at, key: "", reason: "it must be an object, { … }" }]);
}

/** Reads any JSON value with comments and trailing commas. Never throws. */
export function readJsonc(text: string): Reading {
  // The text stays whole so that offsets fit the file; the parser does not know the byte order mark.
  const start = text.startsWith("\uFEFF") ? 1 : 0;
  const body = text.slice(start);
  const lines = createLines(body);
  const tooDeep = depthExceeded(body);
  if (tooDeep !== undefined) {
    const reason = `there are more than ${LIMITS.jsonDepthMax} levels of nesting`;
    return failed([{ ...lines.position(tooDeep), key: "", reason }]);
  }
  const errors: ParseError[] = [];
  const root = parseTree(body, errors, { allowTrailingComma: true, disallowComments: false });
  const first = errors[0];
  if (first || !root) return failed([syntaxIssue(body, lines, first)]);
  const found: Build = { lines, issues: [], count: 0 };
  const value = build(root, [], found);
  if (found.issues.length > 0) return failed(allOf(found));
  const nodeAt = createFinder(root);
  const position: Document["position"] = (path, of = "key") => {
    const node = nodeAt(path);
    if (!node) return undefined;
    const property = of === "key" && node.parent?.type === "property" ? node.parent : node;
    return lines.position(property.offset);
  };
  const span: Document["span"] = (path) => {
    const node = nodeAt(path);
    return node && { start: node.offset + start, end: node.offset + node.length + start };
  };
  return { ok: true, document: { text, value, position, span } };
}

/** What a path leads to. The members of an object are put into a map when one of them is first looked for. */
function createFinder(root: Node): (path: Path) => Node | undefined {
  const known = new WeakMap<Node, ReadonlyMap<string, Node>>();
  const childOf = (node: Node, step: string | number): Node | undefined => {
    if (node.type === "array") return typeof step === "number" ? node.children?.[step] : undefined;
    let members = known.get(node);
    if (!members) known.set(node, (members = membersOf(node)));
    return members.get(String(step));
  };
  return (path) => path.reduce<Node | undefined>((node, step) => node && childOf(node, step), root);
}

function membersOf({ children = [] }: Node): ReadonlyMap<string, Node> {
  const members = new Map<string, Node>();
  for (const { children: [key, value] = [] } of children) {
    if (key && value) members.set(String(key.value), value);
  }
  return members;
}

const START: Position = { line: 1, column: 1 };

function failed(errors: readonly TextIssue[]): Reading {
  return { ok: false, errors };
}

/**
 * Where the nesting passes the limit. Comes before the parser, which recurses and would overflow the stack.
 */
function depthExceeded(text: string): number | undefined {
  const scanner = createScanner(text, true);
  let depth = 0;
  for (scanner.scan(); scanner.getTokenOffset() < text.length; scanner.scan()) {
    const first = text[scanner.getTokenOffset()];
    if (first === "}" || first === "]") depth -= 1;
    if (first !== "{" && first !== "[") continue;
    depth += 1;
    if (depth > LIMITS.jsonDepthMax) return scanner.getTokenOffset();
  }
  return undefined;
}

interface Build {
  readonly lines: Lines;
  /** The first of what is wrong. */
  readonly issues: TextIssue[];
  /** Of all that is. */
  count: number;
}

function allOf({ issues, count }: Build): readonly TextIssue[] {
  const last = issues.at(-1);
  const more = count - issues.length;
  if (!last || more === 0) return issues;
  return [...issues.slice(0, -1), { ...last, key: "", reason: `and ${more + 1} more keys like these` }];
}

/**
 * The value of a syntax tree. The parser's own `parse` would set prototypes and let the last of two equal
 * keys win.
 */
function build(node: Node, path: Path, found: Build): unknown {
  const { lines, issues } = found;
  if (node.type === "array") {
    return (node.children ?? []).map((child, index) => build(child, [...path, index], found));
  }
  if (node.type !== "object") return node.value;
  const object: Record<string, unknown> = {};
  const seen = new Map<string, number>();
  for (const { children } of node.children ?? []) {
    const [keyNode, valueNode] = children ?? [];
    if (!keyNode || !valueNode) continue;
    const key = String(keyNode.value);
    const here = [...path, key];
    const earlier = seen.get(key);
    if (!RESERVED_KEYS.has(key) && earlier === undefined) {
      seen.set(key, keyNode.offset);
      object[key] = build(valueNode, here, found);
      continue;
    }
    found.count += 1;
    if (issues.length >= LIMITS.configIssuesMax) continue;
    const reason =
      earlier === undefined
        ? `the key ${quote(key)} is not allowed`
        : `${quote(keyOf(here))} is set already on line ${lines.position(earlier).line}`;
    issues.push({ ...lines.position(keyNode.offset), key: keyOf(here), reason });
  }
  return object;
}

// --- what is where ---

interface Lines {
  position(offset: number): Position;
}

function createLines(text: string): Lines {
  let starts: readonly number[] | undefined;
  return {
    position(offset) {
      starts ??= lineStarts(text);
      let low = 0;
      let high = starts.length - 1;
      while (low < high) {
        const middle = Math.ceil((low + high) / 2);
        if ((starts[middle] ?? 0) <= offset) low = middle;
        else high = middle - 1;
      }
      return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
    },
  };
}

function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === "\n" || (char === "\r" && text[at + 1] !== "\n")) starts.push(at + 1);
  }
  return starts;
}

// --- syntax errors in words ---

const SYNTAX_WORDS: Readonly<Record<string, string>> = {
  InvalidSymbol: "this is no value; keys and text need double quotes",
  InvalidNumberFormat: "this is no number",
  PropertyNameExpected: "a key in double quotes is missing here",
  ValueExpected: "a value is missing here",
  ColonExpected: 'a ":" is missing between key and value',
  CommaExpected: 'a "," is missing before this',
  CloseBraceExpected: 'a "}" is missing at the end',
  CloseBracketExpected: 'a "]" is missing at the end',
  EndOfFileExpected: 'something follows the last "}"',
  UnexpectedEndOfComment: "this comment does not end",
  UnexpectedEndOfString: "a closing double quote is missing on this line",
  UnexpectedEndOfNumber: "this number is incomplete",
  InvalidUnicode: "\\u must be followed by four hexadecimal digits",
  InvalidEscapeCharacter: "a backslash in text is written \\\\",
  InvalidCharacter: "a control character in text must be escaped",
};

function syntaxIssue(text: string, lines: Lines, error: ParseError | undefined): TextIssue {
  if (text.trim() === "") return { ...START, key: "", reason: "the file is empty" };
  const words = error && SYNTAX_WORDS[printParseErrorCode(error.error)];
  return { ...lines.position(error?.offset ?? 0), key: "", reason: words ?? "this is not JSON" };
}
