import { createScanner } from "jsonc-parser";
import { LIMITS } from "../../contract/limits.ts";
import type { Span } from "../text/document.ts";
import { createHider } from "./hider.ts";
import { isTellingUrl, REDACTED, SECRET_NAME, SECRET_WORDS } from "./secrets.ts";

/** A part of a text, and what comes in its place. */
export interface Replacement extends Span {
  readonly text: string;
}

/** The parts that are in none of the others, which do not overlap. */
export function outsideOf<T extends Span>(parts: readonly T[], others: readonly Span[]): readonly T[] {
  const sorted = others.toSorted((a, b) => a.start - b.start);
  let next = 0;
  return parts
    .toSorted((a, b) => a.start - b.start)
    .filter(({ start, end }) => {
      while ((sorted[next]?.end ?? Infinity) <= start) next += 1;
      const { start: from = Infinity, end: to = 0 } = sorted[next] ?? {};
      return from > start || to < end;
    });
}

/**
 * What to replace so that no comment of a file shows a secret: the values of keys that are called like one,
 * what looks like one by itself, and the file's own secrets.
 */
export function hideInComments(text: string, secrets: readonly string[]): readonly Replacement[] {
  const hideKnown = createHider(secrets, REDACTED);
  return commentsOf(text).flatMap((comment) => {
    const hidden = hideKnown(hideInComment(comment.text));
    return hidden === comment.text ? [] : [{ ...comment, text: hidden }];
  });
}

function commentsOf(text: string): readonly Replacement[] {
  const start = text.startsWith("\uFEFF") ? 1 : 0;
  const body = text.slice(start);
  const scanner = createScanner(body, false);
  const comments: Replacement[] = [];
  for (scanner.scan(); scanner.getTokenOffset() < body.length; scanner.scan()) {
    const from = scanner.getTokenOffset();
    // Nothing else in a text that can be read begins so.
    if (body[from] !== "/") continue;
    const end = from + scanner.getTokenLength();
    comments.push({ start: from + start, end: end + start, text: body.slice(from, end) });
  }
  return comments;
}

// Each begins where a word begins and takes all it has looked at, so that a long comment costs no more than
// its length.
const QUOTED = String.raw`"(?:\\.|[^"\\\n])*(?:"|(?=\n|$))|'(?:\\.|[^'\\\n])*(?:'|(?=\n|$))`;
const REFERENCE = String.raw`\$\{[A-Z_][A-Z0-9_]*\}|\{\s*"\$(?:env|file)"\s*:\s*"[^"\n]*"\s*\}`;
const BARE = String.raw`(?:(?:Bearer|Basic)\s+)?[^\s"',;}\]]+`;
const BRACES = String.raw`\{(?:\$\{[A-Z_][A-Z0-9_]*\}|[^}])*(?:\}|$)`;
const LIST = String.raw`\[[^\]]*(?:\]|$)|${BRACES}`;

/** `"apiKey": "abc"`, `apiKey: abc`, `API_KEY=abc`, `token: [ "a", "b" ]` */
const PAIR = new RegExp(
  String.raw`(?<![\w$.-])((["']?)[\w$.-]*${SECRET_WORDS}\2\s*[:=]\s*)(${REFERENCE}|${QUOTED}|${LIST}|${BARE})`,
  "gi",
);
/** `"SOME_NAME": "abc"`: a variable of the environment */
const VARIABLE = new RegExp(String.raw`("[A-Z][A-Z0-9_]{2,}"\s*:\s*)(${QUOTED})`, "g");
/** `"headers": { "x-user": "abc" }` */
const GROUP = new RegExp(String.raw`(["']?)\b(?:env|vars|headers)\1\s*:\s*${BRACES}`, "gi");
const MEMBER = new RegExp(String.raw`(:\s*)(${QUOTED})`, "g");
/** `--token abc` */
const OPTION = new RegExp(
  String.raw`(?<![\w-])(--[\w-]*${SECRET_WORDS}\s+)(${REFERENCE}|${QUOTED}|${BARE})`,
  "gi",
);
const VERB = String.raw`(?:[ \t]{1,4}(?:was|were|is|are|now|still|then|once|used|to|be|called|set)\b){1,3}|[ \t]{0,4}[:=]`;
/** `the old token was abc123` */
const PROSE = new RegExp(
  String.raw`(?<![\w$.-])([\w$.-]*${SECRET_WORDS}["']?(${VERB}|)[ \t]{1,4})(["']?[^\s"'<>()[\]{}]+["']?)`,
  "gi",
);
const URL_TEXT = /(?<![a-z\d+.-])[a-z][a-z\d+.-]*:\/\/[^\s"'<>]+/gi;
/** What the keys of well-known services look like. */
const SHAPES = [
  /(?<!\w)Bearer\s+(?=[^\s\d]{0,100}\d)[\w.~+/=-]{8,}/g,
  /(?<![\w-])(?:(?:sk|pk|rk|xox[abeprs]|glpat)-|gh[opsu]_|github_pat_|AIza|AKIA|eyJ)[\w.-]{16,}/g,
  /(?<!\w)\d{6,}:[\w-]{30,}/g,
];

function hideInComment(comment: string): string {
  const hidePair = (_: string, key: string, ...groups: unknown[]): string => {
    // The value is the last group; what follows the groups are offset and text.
    const value = String(groups.at(-3));
    return key + hideWritten(key, value);
  };
  let text = comment
    .replace(URL_TEXT, (url) => (isTellingUrl(url) ? REDACTED : url))
    .replace(PAIR, hidePair)
    .replace(VARIABLE, hidePair)
    .replace(GROUP, (group) => group.replace(MEMBER, hidePair))
    .replace(OPTION, hidePair)
    .replace(PROSE, hideWord);
  for (const shape of SHAPES) text = text.replace(shape, REDACTED);
  return text;
}

/** Hides what is no word of a sentence; where nothing says that it is a secret, only what has digits too. */
function hideWord(whole: string, ...[before = "", verb = "", value = ""]: readonly string[]): string {
  let chars = value.length;
  while (chars > 0 && ".,;:!?".includes(value.charAt(chars - 1))) chars -= 1;
  const word = value.slice(0, chars);
  if (word.includes("://") || SECRET_NAME.test(word)) return whole;
  const isQuoted = /^(["']).+\1$/.test(word);
  const isWord = /^(?:[A-Za-z]?[a-z]*(?:[-'/.][A-Za-z]+)*|\d{1,4}|[^A-Za-z\d]*)$/.test(word);
  const isMixed = /\d/.test(word) && /[A-Za-z]/.test(word) && word.length >= 8;
  const isSecret = verb === "" ? isMixed : isQuoted || (!isWord && word.length >= LIMITS.hiddenCharsMin);
  return isSecret ? before + hideWritten(before, word) + value.slice(chars) : whole;
}

const REFERENCE_ALONE = new RegExp(`^(["']?)(?:${REFERENCE})\\1$`);

/** A value as it is written, in its quotes if it has some. */
function hideWritten(key: string, value: string): string {
  const isOpen = /^(?:""|''|null|true|false|["']?\*\*\*["']?)$/.test(value) || REFERENCE_ALONE.test(value);
  const isCount = /tokens\W*$/i.test(key) && /^\d+$/.test(value);
  if (isOpen || isCount) return value;
  return /^["'[{]/.test(value) ? JSON.stringify(REDACTED) : REDACTED;
}

// --- the way back ---

/**
 * What to replace so that comments say again what was hidden in them. Where nobody can tell which comment
 * of before is meant, it stays hidden.
 *
 * @param hidden parts of the text before that were hidden whole, comments and all
 */
export function restoreComments(
  nextText: string,
  beforeText: string,
  hidden: readonly Span[],
): readonly Replacement[] {
  const next = commentsOf(nextText);
  if (!next.some(({ text }) => text.includes(REDACTED))) return [];
  const before = outsideOf(commentsOf(beforeText), hidden).map(({ text }) => text);
  const targets = align(
    next.map(({ text }) => piecesOf(text)),
    before,
  );
  return next.flatMap((comment, index) => {
    const text = before[targets[index] ?? -1];
    return text === undefined || text === comment.text ? [] : [{ ...comment, text }];
  });
}

/** A comment as what stands around its hidden parts; one piece where nothing is hidden. */
type Pieces = readonly string[];

function piecesOf(text: string): Pieces {
  return text.split(/"\*\*\*"|\*\*\*/);
}

/**
 * For each comment the one it was: counted from the start as far as they fit, and from the end. Where both
 * ways lead to another one, or neither to any, it could be several.
 */
function align(next: readonly Pieces[], before: readonly string[]): readonly (number | undefined)[] {
  const more = before.length - next.length;
  const fits = (index: number, target: number): boolean => isMadeOf(before[target] ?? "", next[index] ?? []);
  let head = 0;
  while (head < next.length && head < before.length && fits(head, head)) head += 1;
  let tail = next.length;
  while (tail > 0 && tail + more > 0 && fits(tail - 1, tail - 1 + more)) tail -= 1;
  return next.map((_, index) => {
    const fromStart = index < head ? index : undefined;
    const fromEnd = index >= tail ? index + more : undefined;
    if (fromStart === undefined || fromEnd === undefined) return fromStart ?? fromEnd;
    return before[fromStart] === before[fromEnd] ? fromStart : undefined;
  });
}

/** Begins and ends with the first and the last piece, and has the others between them in their order. */
function isMadeOf(text: string, pieces: Pieces): boolean {
  const [first = "", ...others] = pieces;
  const last = others.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const piece of others) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return text.endsWith(last) && text.length - last.length >= at;
}
