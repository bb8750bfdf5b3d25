import { cut } from "./text.ts";

/** What is searched for: all of these words, the last one as a beginning. */
export interface SearchWords {
  /** For FTS5: quoted, so that nothing in it is syntax. */
  readonly match: string;
  readonly words: readonly string[];
}

/** What the index takes for a word. @source https://sqlite.org/fts5.html#unicode61_tokenizer */
const WORD = /[\p{L}\p{N}\p{Co}][\p{L}\p{N}\p{Co}\p{M}]*/gu;

/** Characters shown before the first word that was found, and in all. */
const LEAD_CHARS = 60;
const SNIPPET_CHARS = 240;
const MARKS_MAX = 20;

/** @returns undefined when there is no word in it */
export function toSearchWords(query: string): SearchWords | undefined {
  const words = (query.toWellFormed().match(WORD) ?? []).map((word) => word);
  if (words.length === 0) return undefined;
  return { match: `${words.map((word) => `"${word}"`).join(" ")}*`, words: words.map(folded) };
}

/** The part of a text where the words are, and where in it they are. */
export function snippetOf(
  text: string,
  { words }: SearchWords,
): { snippet: string; marks: [number, number][] } {
  const found = firstMatch(text, words);
  const start = lineStart(text, Math.max(0, found - LEAD_CHARS));
  const snippet = cut(text.slice(start), SNIPPET_CHARS);
  const marks: [number, number][] = [];
  for (const { 0: word, index } of snippet.matchAll(WORD)) {
    if (isWanted(word, words)) marks.push([index, index + word.length]);
  }
  return { snippet, marks };
}

function firstMatch(text: string, words: readonly string[]): number {
  for (const { 0: word, index } of text.matchAll(WORD)) if (isWanted(word, words)) return index;
  return 0;
}

/** Not in the middle of a character, unless that has more marks than any of a language. */
function lineStart(text: string, at: number): number {
  for (let start = at; start > Math.max(0, at - MARKS_MAX); start--)
    if (!/[\uDC00-\uDFFF\p{M}]/u.test(text.charAt(start))) return start;
  const start = Math.max(0, at - MARKS_MAX);
  return /[\uDC00-\uDFFF]/.test(text.charAt(start)) ? start + 1 : start;
}

function isWanted(word: string, words: readonly string[]): boolean {
  // Most words of a long text begin with another letter: no need to look at the rest of them.
  const first = word.charCodeAt(0);
  if (first < 0x80 && !words.some((wanted) => wanted.charCodeAt(0) === (first | 0x20))) return false;
  const plain = folded(word);
  return words.includes(plain) || plain.startsWith(words.at(-1) ?? plain);
}

/** Without case and accents, as the index has it. */
function folded(word: string): string {
  return word.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
