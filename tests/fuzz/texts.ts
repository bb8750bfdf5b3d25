// Changes of a request that is text, or bytes: what comes out need not be JSON, nor UTF-8.
import type { Random } from "./random.ts";

const ODD_TEXTS = [
  "\u0000",
  "\u0001",
  "\n",
  "\u007f",
  "\ufeff",
  "\ud800",
  "\udfff",
  "\\",
  '"',
  "'",
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "//",
  "/*",
  "NaN",
  "\\u0000",
  "\\ud800",
  "\\u00",
  "\\x41",
  "🙂",
  "\u2028",
] as const;

const ODD_NUMBERS = [
  "1e400",
  "-1e400",
  "-0",
  "0e-999999999",
  "9007199254740993",
  "-9007199254740993",
  "123456789012345678901234567890",
  "0.1e-400",
  "1.7976931348623157e308",
  "01",
  "+1",
  ".5",
  "1.",
  "0x10",
  "1_000",
  "Infinity",
] as const;

const ODD_MEMBERS = [
  '"__proto__":{"polluted":true}',
  '"__proto__":null',
  '"\\u005f_proto__":{"polluted":1}',
  '"constructor":{"prototype":{"polluted":true}}',
  '"prototype":[]',
  '"id":1',
  '"id":"again"',
  '"id":{}',
  '"method":"connect"',
  '"method":"health"',
  '"method":null',
  '"params":[]',
  '"params":null',
  '"jsonrpc":"2.0"',
  '"jsonrpc":2',
  '"type":"req"',
  '"type":"event"',
  '"event":"shutdown"',
  '"seq":1e99',
  '"":""',
] as const;

export function changeText(random: Random, text: string, more: () => unknown): string {
  const at = random.below(text.length + 1);
  const cut = Math.min(text.length, at + 1 + random.below(20));
  switch (random.below(14)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(at);
    case 2:
      return text.slice(0, cut) + text.slice(at);
    case 3:
      return text.slice(0, at) + text.slice(cut);
    case 4:
      return text.slice(0, at) + random.pick(ODD_TEXTS) + text.slice(at + 1);
    case 5:
      return text.slice(0, at) + random.pick(ODD_TEXTS) + text.slice(at);
    case 6:
    case 7:
      return withMember(text, at, random.pick(ODD_MEMBERS));
    case 8:
      return withNumber(text, at, random.pick(ODD_NUMBERS));
    case 9:
      return splice(text, at, toText(more()));
    case 10:
      return withEscape(text, at);
    case 11:
      return random.pick(["\ufeff", " \t\r\n", "\u00a0", "\u0000"]) + text;
    case 12:
      return text + random.pick(["\u0000", "\n", ",", "}", "]", text.slice(0, 2_000), " null", "//"]);
    default:
      return tower(random, text, at);
  }
}

/** Puts a member first in the object that begins at or after `at`. */
function withMember(text: string, at: number, member: string): string {
  const brace = text.indexOf("{", at) < 0 ? text.indexOf("{") : text.indexOf("{", at);
  if (brace < 0) return `{${member}}`;
  const comma = text[brace + 1] === "}" ? "" : ",";
  return `${text.slice(0, brace + 1)}${member}${comma}${text.slice(brace + 1)}`;
}

/** Writes another number over the one at or after `at`. */
function withNumber(text: string, at: number, number: string): string {
  const rest = text.slice(at);
  const match = /(?<=[:,[])-?\d[\d.eE+-]*/.exec(rest) ?? /(?<=[:,[])"[^"]*"/.exec(rest);
  if (!match) return number;
  return text.slice(0, at + match.index) + number + rest.slice(match.index + match[0].length);
}

/** The head of one frame and the tail of another. */
function splice(text: string, at: number, other: string): string {
  return text.slice(0, at) + other.slice(Math.floor((at / (text.length + 1)) * other.length));
}

/** Spells the character at `at` as an escape: inside a string it means the same. */
function withEscape(text: string, at: number): string {
  const code = text.charCodeAt(at);
  if (Number.isNaN(code)) return text;
  return `${text.slice(0, at)}\\u${code.toString(16).padStart(4, "0")}${text.slice(at + 1)}`;
}

/** Brackets beyond any bound, closed or not. */
function tower(random: Random, text: string, at: number): string {
  const height = random.below(500) === 0 ? 100_000 : random.pick([60, 63, 64, 65, 66, 130, 500]);
  const [open, close] = random.pick([
    ["[", "]"],
    ['{"a":', "}"],
  ]);
  const built = open.repeat(height) + (random.chance(0.7) ? `0${close.repeat(height)}` : "");
  return random.chance(0.5) ? built : text.slice(0, at) + built + text.slice(at);
}

// --- bytes ---

/**
 * None of them is UTF-8: a lone tail, an overlong form, a surrogate, past the last character, a cut
 * character.
 */
const BROKEN_UTF8: readonly [readonly number[], ...(readonly number[])[]] = [
  [0x80],
  [0xc0, 0xaf],
  [0xed, 0xa0, 0x80],
  [0xf5, 0x80, 0x80, 0x80],
  [0xe2, 0x82],
  [0xff],
];

export function changeBytes(random: Random, bytes: Uint8Array): Uint8Array {
  const at = random.below(bytes.length + 1);
  switch (random.below(4)) {
    case 0:
      return bytes;
    case 1: {
      const flipped = bytes.slice();
      const times = 1 + random.below(4);
      for (let n = 0; n < times; n++) {
        const place = random.below(bytes.length);
        flipped[place] = (flipped[place] ?? 0) ^ (1 << random.below(8));
      }
      return flipped;
    }
    case 2:
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from(random.pick(BROKEN_UTF8)),
        bytes.subarray(at),
      ]);
    default:
      return bytes.slice(0, at);
  }
}

/** An absent root is no JSON at all: then it is nothing, as text. */
export function toText(value: unknown): string {
  return JSON.stringify(value) ?? "";
}
