/** Characters of one text of an agent's: its tools may print without end. */
const TEXT_CHARS_MAX = 100_000;

const CUT_MARK = "\n(cut here)";

export function bounded(text: string, charsMax = TEXT_CHARS_MAX): string {
  if (text.length <= charsMax) return text;
  return text.slice(0, charsMax - CUT_MARK.length) + CUT_MARK;
}

/** For a line that people read: no line ends, nothing that moves a cursor. */
export function oneLine(text: string, charsMax = 200): string {
  const line = text
    .slice(0, charsMax * 2)
    .replace(/[\s\p{Cc}\p{Bidi_Control}]+/gu, " ")
    .trim();
  return line.length <= charsMax ? line : `${line.slice(0, charsMax - 1)}…`;
}

/** What a tool was given, as JSON text; too long, as the beginning of its text in a string. */
export function jsonOf(value: unknown): string {
  const text = JSON.stringify(value ?? {});
  const cut = bounded(text);
  return cut === text ? text : JSON.stringify(cut);
}
