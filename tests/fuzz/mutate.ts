// Frames of a client that has gone wrong: valid requests, changed as chance has it.
import type { Methods } from "../../src/contract/define.ts";
import { connectSample, createSamples, type Dialect, DIALECTS, type Sample, toRequest } from "./corpus.ts";
import { createRandom, type Random } from "./random.ts";

/** What is sent: a text, or bytes that need not be one. */
export type FrameData = string | Uint8Array;

export interface FrameOptions {
  readonly methods: Methods;
  /** A credential that is let in; without one no `connect` succeeds but by chance. */
  readonly auth?: object;
}

/**
 * Frame `index` of the stream that `seed` stands for. Each is made from these two numbers alone, so one
 * that did harm is made again without those before it.
 */
export type Frames = (index: number, dialect: Dialect, isStranger?: boolean) => FrameData;

/** Past the bound of a frame, and not so far that one frame costs as much as a thousand. */
const FRAME_CHARS_MAX = 1_200_000;

/** Of a stranger's frames, those that are a handshake: any other request ends its connection. */
const CONNECT_SHARE = { stranger: 0.9, known: 0.005 } as const;

export function createFrames(seed: number, { methods, auth = {} }: FrameOptions): Frames {
  const samples = createSamples(seed, methods);

  function request(random: Random, dialect: Dialect, isStranger: boolean): Record<string, unknown> {
    const isConnect = random.chance(isStranger ? CONNECT_SHARE.stranger : CONNECT_SHARE.known);
    const sample: Sample = isConnect
      ? connectSample(random, authOf(random))
      : fresh(random, random.oneOf(samples) ?? { method: "health", params: {} });
    return toRequest(dialect, idOf(random), sample);
  }

  /** Seldom one that decides: both a right and a wrong one end the handshake. */
  function authOf(random: Random): unknown {
    if (random.chance(0.02)) return auth;
    return random.chance(0.02) ? { token: "no" } : random.pick<unknown>(BAD_AUTH);
  }

  return (index, usual, isStranger = false) => {
    const random = createRandom(seed, index);
    const dialect = random.chance(0.05) ? random.pick(DIALECTS) : usual;
    const one = (): Record<string, unknown> => request(random, dialect, isStranger);
    let value: unknown = one();
    if (dialect === "jsonrpc") value = asNotificationOrBatch(random, value, one);
    const changes = random.pick([0, 0, 0, 1, 1, 1, 1, 2, 2, 4]);
    let isText = false;
    let text = "";
    for (let n = 0; n < changes; n++) {
      isText ||= random.chance(0.35);
      if (!isText) value = changeValue(random, value);
      else text = changeText(random, text || toText(value), one);
    }
    text = (text || toText(value)).slice(0, FRAME_CHARS_MAX);
    return random.chance(0.03) ? changeBytes(random, new TextEncoder().encode(text)) : text;
  };
}

/** Of a shape that is refused unread. */
const BAD_AUTH = [1, null, "token", [], { token: 1 }, { token: null }, { user: "x" }] as const;

/**
 * A copy, as it is going to be changed; mostly another effect than any before, mostly on the few same
 * sessions.
 */
function fresh(random: Random, { method, params: given }: Sample): Sample {
  const params = copy(given);
  if ("idempotencyKey" in params && random.chance(0.7)) params["idempotencyKey"] = `key ${random.below(1e9)}`;
  for (const name of ["key", "sessionKey"])
    if (name in params && random.chance(0.2)) params[name] = `session ${random.below(300)}`;
  return { method, params };
}

/** As `structuredClone`, which takes as long as all the rest. */
function copy<T>(value: T): T;
function copy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copy(inner)]));
}

function idOf(random: Random): unknown {
  return random.chance(0.7) ? `r${random.below(1_000)}` : random.pick([0, 1, -1, 1.5, 9_007_199_254_740_991]);
}

function asNotificationOrBatch(random: Random, value: unknown, more: () => unknown): unknown {
  const kind = random.below(20);
  if (kind < 2) return { ...(value as object), id: undefined };
  if (kind > 4) return value;
  const length = random.chance(0.05) ? random.pick([99, 100, 101]) : random.pick([0, 1, 2, 2, 3, 3, 5]);
  // Long ones repeat a few requests; made one by one they would be most of the work.
  const few = [value, more(), copy(random.pick(ODD_VALUES))];
  const batch = Array.from({ length }, (_, n) => few[n % few.length]);
  return random.chance(0.1) ? [batch] : batch;
}

// --- values ---

const ODD_VALUES = [
  null,
  true,
  false,
  0,
  -1,
  0.5,
  2 ** 53,
  1e308,
  5e-324,
  "",
  " ",
  "null",
  "\u0000",
  "\u0007\u001b[31m\u007f\u009f",
  "\ud800",
  "\udc00x",
  "a\ud83d",
  "\ufeff",
  "\u202e\u200b\u2028",
  "{}",
  [],
  {},
  [[]],
  [null],
  { a: { b: [] } },
  { toJSON: "x", toString: null, valueOf: 0, length: -1 },
] as const;

const ODD_KEYS = [
  "",
  "toString",
  "hasOwnProperty",
  "then",
  "toJSON",
  "length",
  "\u0000",
  "\ud800",
  "id",
  "event",
] as const;

type Holder = Record<string, unknown>;

function changeValue(random: Random, root: unknown): unknown {
  const top: Holder = { root };
  const { holder, key } = placeIn(random, top);
  switch (random.below(8)) {
    case 0:
    case 1:
      holder[key] = copy(random.pick(ODD_VALUES));
      break;
    case 2:
      delete holder[key];
      break;
    case 3:
      holder[key] = longText(random);
      break;
    case 4:
      holder[key] = nested(random, random.pick([1, 2, 10, 62, 63, 64, 65, 100]), holder[key]);
      break;
    case 5:
      holder[key] = [holder[key], holder[key]];
      break;
    case 6:
      holder[random.chance(0.1) ? longText(random) : oddKey(random, holder)] = holder[key];
      break;
    default:
      holder[oddKey(random, holder)] = copy(random.pick(ODD_VALUES));
  }
  return top["root"];
}

function oddKey(random: Random, holder: Holder): string {
  const key = random.pick(ODD_KEYS);
  return Array.isArray(holder) && key === "length" ? "0" : key;
}

/** Somewhere in the value: the holder of a member and the member's name. */
function placeIn(random: Random, top: Holder): { holder: Holder; key: string } {
  let holder = top;
  let key = "root";
  for (;;) {
    const inner = holder[key];
    if (typeof inner !== "object" || inner === null || random.chance(0.2)) return { holder, key };
    const next = random.oneOf(Object.keys(inner));
    if (next === undefined) return { holder, key };
    holder = inner as Holder;
    key = next;
  }
}

/** Mostly just past the bounds of names and ids; seldom past those of messages and frames. */
function longText(random: Random): string {
  const rare = random.below(2_000);
  if (rare === 0) return "y".repeat(random.pick([400_001, 900_000, 1_100_000]));
  if (rare < 10) return "\u0001é".repeat(random.pick([10_000, 33_000]));
  return random.pick(["x", "é", "🙂"]).repeat(random.pick([64, 65, 128, 129, 200, 201, 500, 1_500]));
}

function nested(random: Random, depth: number, core: unknown): unknown {
  const isArray = random.chance(0.5);
  let value = core;
  for (let n = 0; n < depth; n++) value = isArray ? [value] : { n: value };
  return value;
}

/** An absent root is no JSON at all: then it is nothing, as text. */
function toText(value: unknown): string {
  return JSON.stringify(value) ?? "";
}

// --- texts ---

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

function changeText(random: Random, text: string, more: () => unknown): string {
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

function changeBytes(random: Random, bytes: Uint8Array): Uint8Array {
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
