// Changes of a request before it is text.
import type { Random } from "./random.ts";

/** As `structuredClone`, which takes as long as all the rest. */
export function copy<T>(value: T): T;
export function copy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copy(inner)]));
}

export const ODD_VALUES = [
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

export function changeValue(random: Random, root: unknown): unknown {
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
