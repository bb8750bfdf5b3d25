import { LIMITS } from "../../contract/limits.ts";
import { RESERVED_KEYS } from "../../contract/reserved-keys.ts";
import { quote } from "../leaves.ts";

/** Something that cannot be taken, by its offset in the text. */
export interface Flaw {
  readonly offset: number;
  readonly reason: string;
}

export interface Scan {
  /** JSON with comments, if the text was JSON5; anything else is for its parser to refuse. */
  readonly text: string;
  /** The same JSON5 without what its parser would complain about on the console. */
  readonly source: string;
  /** Set where the nesting passes the limit; the scan ends there. */
  readonly tooDeep: Flaw | undefined;
  /** What JSON5 allows and we do not, in the order of the text. */
  readonly flaws: readonly Flaw[];
}

interface Token {
  readonly offset: number;
  readonly raw: string;
}

interface State {
  readonly flaws: Flaw[];
  /** The objects and lists around; an object knows its keys so far. */
  readonly open: (Map<string, number> | undefined)[];
  /** Of the token that is being read, from 1. */
  line: number;
  isKeyNext: boolean;
}

/** Rewrites JSON5 token by token. Takes time in proportion to the text, whatever is in it. */
export function scanJson5(text: string): Scan {
  const state: State = { flaws: [], open: [], line: 1, isKeyNext: false };
  let made = "";
  let source = "";
  let offset = 0;
  while (offset < text.length) {
    const raw = text.slice(offset, endOfToken(text, offset));
    const token = { offset, raw };
    const isText = raw.startsWith('"') || raw.startsWith("'");
    made += rewrite(state, token);
    source += isText ? withoutSeparators(raw) : raw;
    if (state.open.length > LIMITS.jsonDepthMax) {
      const reason = `there are more than ${LIMITS.jsonDepthMax} levels of nesting`;
      return { text: made, source, tooDeep: { offset, reason }, flaws: state.flaws };
    }
    state.line += raw.match(/\r\n?|\n/g)?.length ?? 0;
    offset += raw.length;
  }
  return { text: made, source, tooDeep: undefined, flaws: state.flaws };
}

const LINE_END = /[\n\r\u2028\u2029]/g;
const SPACE = /\s+/y;
const WORD = /[^\s{}[\]:,"'/]+/y;

/** One token: space, a comment, text, a punctuation mark or a word. What does not end goes to the end. */
function endOfToken(text: string, start: number): number {
  const first = text[start];
  if (first === '"' || first === "'") return endOfText(text, start);
  if (text.startsWith("/*", start)) {
    const end = text.indexOf("*/", start + 2);
    return end < 0 ? text.length : end + 2;
  }
  if (text.startsWith("//", start)) {
    LINE_END.lastIndex = start;
    return LINE_END.exec(text)?.index ?? text.length;
  }
  for (const kind of [SPACE, WORD]) {
    kind.lastIndex = start;
    const found = kind.exec(text);
    if (found) return start + found[0].length;
  }
  return start + 1;
}

function endOfText(text: string, start: number): number {
  const mark = text[start];
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === mark) return at + 1;
  }
  return text.length;
}

function rewrite(state: State, token: Token): string {
  const { raw } = token;
  const first = raw[0] ?? "";
  if (first.trim() === "")
    return raw.replaceAll(/[^ \t\n\r]/g, (char) => (LINE_ENDS.includes(char) ? "\n" : " "));
  if (raw.startsWith("//") || raw.startsWith("/*")) return raw;
  if ("{}[]:,".includes(first)) {
    punctuate(state, first);
    return raw;
  }
  const isText = first === '"' || first === "'";
  if (state.isKeyNext) {
    const key = isText ? rewriteText(raw) : JSON.stringify(unescapeName(raw));
    noteKey(state, token, key);
    return key;
  }
  return isText ? rewriteText(raw) : rewriteWord(state, token);
}

function punctuate(state: State, mark: string): void {
  const { open } = state;
  if (mark === "{") open.push(new Map());
  else if (mark === "[") open.push(undefined);
  else if (mark === "}" || mark === "]") open.pop();
  state.isKeyNext = (mark === "{" || mark === ",") && open.at(-1) !== undefined;
}

function noteKey({ open, flaws, line }: State, { offset }: Token, written: string): void {
  const seen = open.at(-1);
  const key = decode(written);
  if (!seen || key === undefined) return;
  const earlier = seen.get(key);
  if (RESERVED_KEYS.has(key)) flaws.push({ offset, reason: `the key ${quote(key)} is not allowed` });
  else if (earlier !== undefined)
    flaws.push({ offset, reason: `${quote(key)} is set already on line ${earlier}` });
  else seen.set(key, line);
}

function decode(written: string): string | undefined {
  try {
    const key: unknown = JSON.parse(written);
    return typeof key === "string" ? key : undefined;
  } catch {
    // Not even JSON5: its parser refuses it in a moment, and says so better.
    return undefined;
  }
}

function unescapeName(name: string): string {
  return name.replaceAll(/\\u([0-9a-fA-F]{4})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

// --- values ---

const NUMBER = /^([+-]?)(?:(0[xX][0-9a-fA-F]+)|(\d*)(?:\.(\d*))?([eE][+-]?\d+)?)$/;

const TOO_LARGE = "this number is too large";

function rewriteWord({ flaws }: State, { raw, offset }: Token): string {
  if (/^[+-]?(?:Infinity|NaN)$/.test(raw)) {
    flaws.push({ offset, reason: `${raw} is no number a configuration can have` });
    return raw;
  }
  const [, sign = "", hex, whole = "", part = "", power = ""] = NUMBER.exec(raw) ?? [];
  const minus = sign === "-" ? "-" : "";
  if (hex !== undefined) {
    const value = Number(hex);
    if (!Number.isFinite(value)) flaws.push({ offset, reason: TOO_LARGE });
    return minus + String(value);
  }
  // Also what is no number at all: `true`, `null`.
  if (whole === "" && part === "") return raw;
  const number = minus + (whole || "0") + (part && `.${part}`) + power;
  if (!Number.isFinite(Number(number))) flaws.push({ offset, reason: TOO_LARGE });
  return number;
}

const ESCAPED = /\\(?:\r\n|x([0-9a-fA-F]{2})|([^]))|"|\p{Cc}/gu;
/** After a backslash: what JSON writes the same way, and what it cannot. */
const KEPT_ESCAPES = '"\\/bfnrtu';
const LINE_ENDS = "\n\r\u2028\u2029";

/** Text in double quotes with the escapes of JSON; escapes that are fine stay as they were written. */
function rewriteText(raw: string): string {
  const isClosed = raw.length > 1 && raw.endsWith(raw[0] ?? "");
  const inside = isClosed ? raw.slice(1, -1) : raw.slice(1);
  const rewritten = inside.replaceAll(ESCAPED, (match, hex: string | undefined, char: string | undefined) => {
    if (hex !== undefined) return `\\u00${hex}`;
    if (!match.startsWith("\\")) return match === '"' ? '\\"' : escapeChar(match);
    if (char === undefined || LINE_ENDS.includes(char)) return "";
    if (KEPT_ESCAPES.includes(char)) return match;
    if (char === "v") return "\\u000b";
    return char === "0" ? "\\u0000" : escapeChar(char);
  });
  return `"${rewritten}"`;
}

function escapeChar(char: string): string {
  return JSON.stringify(char).slice(1, -1);
}

/** Its parser takes these inside text and warns about them; after a backslash they end a line. */
function withoutSeparators(raw: string): string {
  return raw.replaceAll(/\\[^]|[\u2028\u2029]/g, (match) => {
    if (match === "\u2028") return "\\u2028";
    return match === "\u2029" ? "\\u2029" : match;
  });
}
