/**
 * Characters that end a line, move the cursor, reorder or hide text, and halves of pairs: C0, DEL, C1, soft
 * hyphen, Arabic letter mark, zero width and bidirectional marks, line separators, byte order mark,
 * interlinear anchors.
 */
const UNPRINTABLE =
  // oxlint-disable-next-line no-control-regex -- they are what it looks for
  /[\0-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\p{Cs}/gu;

/** The text as a JSON string that is safe to print. */
export function quoted(text: string): string {
  return JSON.stringify(text).replace(UNPRINTABLE, escaped);
}

/** The text without quotes, on one line and safe to print. */
export function bare(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
