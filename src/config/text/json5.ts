import { LIMITS } from "../../contract/limits.ts";
import { type Position, readJsonc } from "./document.ts";
import { isEqual } from "../equal.ts";
import { type Flaw, scanJson5 } from "./json5-scan.ts";
import { quote } from "../leaves.ts";

/** Text that our own reader takes, or where and why it cannot be had. */
export type Converted =
  | {
      readonly ok: true;
      readonly text: string;
      /** The values are right, but they had to be printed anew. */
      readonly commentsLost?: true;
    }
  | ({ readonly ok: false; readonly reason: string } & Position);

/**
 * JSON5 as JSON with comments, token by token: comments, order and lines stay. What it means is checked
 * against the library of that language. Never rejects.
 */
export async function convertJson5(text: string): Promise<Converted> {
  if (isTooLarge(text)) return refused("", { offset: 0, reason: TOO_LARGE });
  // Positions are counted without it, as our own reader does.
  const mark = text.startsWith("\uFEFF") ? "\uFEFF" : "";
  const body = text.slice(mark.length);
  const scan = scanJson5(body);
  if (scan.tooDeep) return refused(body, scan.tooDeep);
  const parsed = await parse(scan.source);
  if (!parsed.ok) return refused(scan.source, parsed);
  const flaw = scan.flaws[0];
  if (flaw) return refused(body, flaw);
  if (isRead(mark + scan.text, parsed.value)) return { ok: true, text: mark + scan.text };
  const printed = `${JSON.stringify(parsed.value, undefined, 2)}\n`;
  if (isRead(printed, parsed.value)) return { ok: true, text: printed, commentsLost: true };
  return refused(body, { offset: 0, reason: `as JSON, ${TOO_LARGE}` });
}

const TOO_LARGE = `it is larger than ${LIMITS.configBytesMax} bytes`;

function isTooLarge(text: string): boolean {
  // No text has fewer bytes than UTF-16 units.
  return text.length > LIMITS.configBytesMax || new TextEncoder().encode(text).length > LIMITS.configBytesMax;
}

/** Our own reader takes the text, and finds that value in it. */
function isRead(text: string, value: unknown): boolean {
  if (isTooLarge(text)) return false;
  const reading = readJsonc(text);
  return reading.ok && isEqual(reading.document.value, value);
}

function refused(text: string, { offset, reason }: Flaw): Converted {
  const lines = text.slice(0, offset).split(/\r\n?|\n/);
  return { ok: false, line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1, reason };
}

type Parsed = { readonly ok: true; readonly value: unknown } | ({ readonly ok: false } & Flaw);

async function parse(source: string): Promise<Parsed> {
  // Only an old file needs it.
  const { default: json5 } = await import("json5");
  try {
    return { ok: true, value: json5.parse<unknown>(source) };
  } catch (error) {
    if (!isPlaced(error)) return { ok: false, offset: 0, reason: "this is not JSON5" };
    const { lineNumber, columnNumber, message } = error;
    // A line ends at a line feed only, there.
    const lines = source.split("\n").slice(0, lineNumber - 1);
    const offset = lines.reduce((sum, line) => sum + line.length + 1, columnNumber - 1);
    return { ok: false, offset: Math.max(0, offset), reason: wordsOf(message) };
  }
}

interface Placed {
  readonly message: string;
  readonly lineNumber: number;
  readonly columnNumber: number;
}

function isPlaced(error: unknown): error is Placed {
  return error instanceof Error && "lineNumber" in error && "columnNumber" in error;
}

function wordsOf(message: string): string {
  if (message.includes("invalid end of input")) return "the text ends too early";
  const [, char] = /invalid (?:identifier )?character '(.+)' at/s.exec(message) ?? [];
  if (char === "\\n" || char === "\\r") return "a closing quote is missing on this line";
  return char === undefined ? "this is not JSON5" : `${quote(char)} cannot stand here`;
}
