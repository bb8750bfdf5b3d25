import { describe, expect, spyOn, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import json5 from "json5";
import { readJsonc } from "../../../src/config/text/document.ts";
import { convertJson5 } from "../../../src/config/text/json5.ts";
import { LIMITS } from "../../../src/contract/limits.ts";

const OLD = join(import.meta.dir, "old");

function valueOf(text: string): unknown {
  const reading = readJsonc(text);
  if (!reading.ok) throw new Error(`the text does not read: ${JSON.stringify(reading.errors)}`);
  return reading.document.value;
}

async function converted(text: string): Promise<string> {
  const result = await convertJson5(text);
  if (!result.ok) throw new Error(`${result.line}:${result.column}: ${result.reason}`);
  expect(result.commentsLost).toBeUndefined();
  expect(valueOf(result.text)).toEqual(json5.parse(text));
  return result.text;
}

describe("converting", () => {
  const cases: [string, string, string][] = [
    [
      "nothing where it is JSON",
      '{ "a": [1, -2.5e3, true, null, "x"] }',
      '{ "a": [1, -2.5e3, true, null, "x"] }',
    ],
    ["names without quotes", "{ a: 1, $b_2: 2, ünï: 3 }", '{ "a": 1, "$b_2": 2, "ünï": 3 }'],
    [
      "names that are words elsewhere",
      "{ true: 1, null: 2, Infinity: 3 }",
      '{ "true": 1, "null": 2, "Infinity": 3 }',
    ],
    ["names with escapes", String.raw`{ \u0061b: 1 }`, '{ "ab": 1 }'],
    ["single quotes", `{ 'a': 'it is "so"' }`, String.raw`{ "a": "it is \"so\"" }`],
    [
      "quotes inside quotes",
      String.raw`['it\'s', "it's", "\"x\"", 'a\\']`,
      String.raw`["it's", "it's", "\"x\"", "a\\"]`,
    ],
    ["escapes JSON lacks", String.raw`['\v\0\x41\q']`, String.raw`["\u000b\u0000\u0041q"]`],
    ["escapes JSON has", String.raw`['\b\f\n\r\t\/\\\u00e9']`, String.raw`["\b\f\n\r\t\/\\\u00e9"]`],
    ["escaped characters outside the first plane", `['\\${"😀"}']`, `["${"😀"}"]`],
    ["a line that goes on", "['one \\\ntwo \\\r\nthree']", '["one two three"]'],
    ["control characters in text", "['a\tb\u0001']", String.raw`["a\tb\u0001"]`],
    ["a line that goes on behind a separator", "['c\\\u2029d']", '["cd"]'],
    ["hexadecimal numbers", "[0x10, -0xfF, +0X0, -0x0]", "[16, -255, 0, -0]"],
    ["points at the edge", "[.5, 5., -.5, 5.e2, 0., .0]", "[0.5, 5, -0.5, 5e2, 0, 0.0]"],
    ["a plus", "[+1, +.5e+3, +0]", "[1, 0.5e+3, 0]"],
    ["white space of other kinds", "{\u00a0a:\v1,\f\u3000b:\u20282\u2029}", '{ "a": 1,  "b":\n2\n}'],
    ["a mark inside", "[1,\uFEFF2]", "[1, 2]"],
    ["a mark at the start stays", "\uFEFF[+1]", "\uFEFF[1]"],
    ["commas at the end stay", "{ a: [1,], }", '{ "a": [1,], }'],
    ["a comment that a separator ends", "[1] // one\u2028", "[1] // one\n"],
    ["what looks like a comment in text", `{ a: 'http://x /* y */' }`, '{ "a": "http://x /* y */" }'],
    ["what looks like text in a comment", "[ /* it's */ 1 ] // \"", "[ /* it's */ 1 ] // \""],
  ];
  test.each(cases)("%s", async (_, text, wanted) => {
    expect(await converted(text)).toBe(wanted);
  });

  test("line separators in text are nothing to complain about", async () => {
    const warn = spyOn(console, "warn").mockImplementation(() => {});
    try {
      const text = "{ a: 'x\u2028y', b: \"\\\u2028z\u2029\" }";
      expect(await convertJson5(text)).toEqual({ ok: true, text: '{ "a": "x\u2028y", "b": "z\u2029" }' });
      expect(warn).not.toHaveBeenCalled();
    } finally {
      warn.mockRestore();
    }
  });

  test("comments, order and lines stay", async () => {
    const text = `// top
{
  /* why
     this one */
  zeta: 'last', // first

  alpha: { 'x': +1, },  /* inside */ // twice
\t// tabbed
}
// end`;
    expect(await converted(text)).toBe(`// top
{
  /* why
     this one */
  "zeta": "last", // first

  "alpha": { "x": 1, },  /* inside */ // twice
\t// tabbed
}
// end`);
  });
});

describe("refusing", () => {
  const cases: [string, string, string, string][] = [
    ["no text", "", "1:1", "the text ends too early"],
    ["an open object", "{\n  a: 1,\n", "3:1", "the text ends too early"],
    ["open text", "{ a: 'b", "1:8", "the text ends too early"],
    ["an open comment", "{} /* x", "1:8", "the text ends too early"],
    ["a missing value", "{ a: }", "1:6", '"}" cannot stand here'],
    ["a missing comma", "{\n  a: 1\n  b: 2\n}", "3:3", '"b" cannot stand here'],
    ["a missing value in lines of old machines", "{\r  a:\r}", "3:1", '"}" cannot stand here'],
    ["a missing value behind a mark", "\uFEFF{ a: }", "1:6", '"}" cannot stand here'],
    ["an endless number behind a mark", "\uFEFF[NaN]", "1:2", "NaN is no number a configuration can have"],
    ["a hole in a list", "[1,,2]", "1:4", '"," cannot stand here'],
    ["a leading zero", "[010]", "1:3", '"1" cannot stand here'],
    ["a name with a dash", "{ a-b: 1 }", "1:4", '"-" cannot stand here'],
    ["a number without an end", "{ a: Infinity }", "1:6", "Infinity is no number a configuration can have"],
    ["the same below", "{\n a: -Infinity }", "2:5", "-Infinity is no number a configuration can have"],
    ["what is no number", "{ a: [+NaN] }", "1:7", "+NaN is no number a configuration can have"],
    ["a number that is too large", "[1, 1e999]", "1:5", "this number is too large"],
    ["and in another notation", `[0x${"f".repeat(300)}]`, "1:2", "this number is too large"],
    ["__proto__", "{ a: { __proto__: {} } }", "1:8", 'the key "__proto__" is not allowed'],
    ["constructor in quotes", "{ 'constructor': 1 }", "1:3", 'the key "constructor" is not allowed'],
    ["prototype in disguise", String.raw`{ p\u0072ototype: 1 }`, "1:3", 'the key "prototype" is not allowed'],
    ["a key twice", "{\n  a: 1,\n  b: {},\n  'a': 2 }", "4:3", '"a" is set already on line 2'],
    ["a key twice, with lines of old machines", "{ a: 1,\r\r'a': 2 }", "3:1", '"a" is set already on line 1'],
    [
      "too deep",
      `\n${"[".repeat(LIMITS.jsonDepthMax + 1)}`,
      `2:${LIMITS.jsonDepthMax + 1}`,
      `there are more than ${LIMITS.jsonDepthMax} levels of nesting`,
    ],
    ["too much", "1".repeat(LIMITS.configBytesMax + 1), "1:1", "it is larger than 1048576 bytes"],
    [
      "too much in bytes",
      `'${"ü".repeat(LIMITS.configBytesMax / 2)}'`,
      "1:1",
      "it is larger than 1048576 bytes",
    ],
  ];
  test.each(cases)("%s", async (_, text, place, reason) => {
    const [line, column] = place.split(":").map(Number);
    expect(await convertJson5(text)).toEqual({ ok: false, line: line ?? 0, column: column ?? 0, reason });
  });

  /** As large as a file may be; with quotes around its names it is larger. */
  function asLargeAsCanBe(names: number): string {
    const keys = Array.from({ length: names }, (_, at) => `k${at}:1`).join();
    return `{${keys}} //`.padEnd(LIMITS.configBytesMax, "x");
  }

  test("what does not fit with its comments is printed without", async () => {
    const text = asLargeAsCanBe(1_000);
    const result = await convertJson5(text);
    expect(result).toMatchObject({ ok: true, commentsLost: true });
    expect(valueOf(result.ok ? result.text : "")).toEqual(json5.parse(text));
  });

  test("what does not fit even so is refused", async () => {
    const reason = "as JSON, it is larger than 1048576 bytes";
    expect(await convertJson5(asLargeAsCanBe(100_000))).toEqual({ ok: false, line: 1, column: 1, reason });
  });

  test("the same key in different objects is no repetition", async () => {
    expect(await converted("[{ a: 1 }, { a: { a: 2 } }]")).toBe('[{ "a": 1 }, { "a": { "a": 2 } }]');
  });
});

// --- anything at all ---

/** A value as somebody might have written it, every token in one of the ways the language has. */
interface Written {
  readonly text: string;
  readonly comments: readonly string[];
}

const space = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("", " ", "\n", "\r\n", "\t", "\u00a0").map(plain) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("/* it's */", "// a: 'b'\n", "/**/", '// "\r\n', "/* \u2028 */")
      .map((text): Written => ({ text, comments: [text.trim()] })),
  },
);

function plain(text: string): Written {
  return { text, comments: [] };
}

function joined(parts: readonly Written[]): Written {
  return {
    text: parts.map(({ text }) => text).join(""),
    comments: parts.flatMap(({ comments }) => comments),
  };
}

const quoted = fc
  .tuple(fc.string({ unit: "binary", maxLength: 12 }), fc.constantFrom("'", '"'))
  .map(([text, quote]) => json5.stringify(text, { quote }));
const number = fc.oneof(
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.constantFrom("0x1F", "-0Xab", "+7", ".25", "-.5e-2", "3.", "+0", "-0"),
);
const scalar = fc.oneof(quoted, number, fc.constantFrom("true", "false", "null")).map(plain);

const written = fc.letrec<{ value: Written }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    scalar,
    fc
      .array(fc.tuple(space, tie("value"), space), { maxLength: 4 })
      .map((items) => joined([plain("["), ...items.flatMap((item) => [...item, plain(",")]), plain("]")])),
    fc.array(fc.tuple(space, fc.boolean(), space, tie("value"), space), { maxLength: 4 }).map((members) =>
      joined([
        plain("{"),
        ...members.flatMap(([before, isBare, between, value, after], index) => {
          const name = plain(isBare ? `k${index}` : `'k${index}'`);
          return [before, name, between, plain(":"), value, after, plain(",")];
        }),
        plain("}"),
      ]),
    ),
  ),
})).value;

/** The comments of a text, by the reader's own idea of a token. */
function commentsIn(text: string): readonly string[] {
  const found = text.matchAll(/"(?:\\[^]|[^"\\])*"|(\/\/[^\n\r\u2028\u2029]*|\/\*[^]*?\*\/)/g);
  return [...found].flatMap(([, comment]) => comment?.trim() ?? []);
}

describe("anything at all", () => {
  test("means the same, and keeps every comment", async () => {
    await fc.assert(
      fc.asyncProperty(written, async ({ text, comments }) => {
        expect(commentsIn(await converted(text))).toEqual([...comments]);
      }),
      { seed: 5_2023, numRuns: 2_000 },
    );
  });

  test("of a damaged file is refused at a place, or means what it says", async () => {
    const texts = readdirSync(OLD).map((name) => readFileSync(join(OLD, name), "utf8"));
    const pieces = [
      "'",
      '"',
      "\\",
      "/",
      "/*",
      "//",
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      "\n",
      "\u2028",
      "+",
      "0x",
      "NaN",
      "\uFEFF",
    ];
    const damaged = fc.tuple(
      fc.constantFrom(...texts),
      fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(6), fc.constantFrom(...pieces)), {
        minLength: 1,
        maxLength: 3,
      }),
    );
    let refusals = 0;
    await fc.assert(
      fc.asyncProperty(damaged, async ([whole, cuts]) => {
        let text = whole;
        for (const [where, length, piece] of cuts) {
          const at = Math.floor(where * text.length);
          text = text.slice(0, at) + piece + text.slice(at + length);
        }
        const result = await convertJson5(text);
        if (result.ok) {
          expect(result.commentsLost).toBeUndefined();
          expect(valueOf(result.text)).toEqual(json5.parse(text));
          return;
        }
        refusals += 1;
        expect(result.reason).not.toBe("");
        expect(result.line).toBeGreaterThanOrEqual(1);
        expect(result.line).toBeLessThanOrEqual(text.split(/\r\n?|\n/).length + 1);
        expect(result.column).toBeGreaterThanOrEqual(1);
      }),
      { seed: 5_2023, numRuns: 3_000 },
    );
    expect(refusals).toBeGreaterThan(500);
  });

  const much = LIMITS.configBytesMax - 2;
  test.each([
    ["quotes that open and close", "'".repeat(much)],
    ["quotes behind backslashes", '\\"'.repeat(much / 2)],
    ["comments that do not end", "/*".repeat(much / 2)],
    ["comments that are short", "/**/".repeat(much / 4)],
    ["brackets that close", "]".repeat(much)],
    ["brackets side by side", `[${"[],".repeat(Math.floor(much / 3))}]`],
    ["a long name", `{${"a".repeat(much - 2)}`],
    ["white space", " ".repeat(much)],
    ["white space of another kind", "\u00a0".repeat(much / 2)],
    ["a long number", "1".repeat(much)],
    ["escapes in a name", "\\u0061".repeat(much / 6)],
    ["many keys", `{${Array.from({ length: 60_000 }, (_, at) => `k${at}:+${at}`).join()}}`],
  ])("a megabyte of %s ends", async (_, text) => {
    const result = await convertJson5(text);
    if (result.ok) expect(valueOf(result.text)).toEqual(json5.parse(text));
    else expect(result.reason).not.toBe("");
  });
});
