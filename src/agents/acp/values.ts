/** Characters of one text of an agent's: its tools may print without end. */
const TEXT_CHARS_MAX = 100_000;

const CUT_MARK = "\n(cut here)";

export type Fields = Readonly<Record<string, unknown>>;

/** The fields of what an agent sent; none where it sent something else. */
export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function countOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

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
