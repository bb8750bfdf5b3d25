import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { readDocument, readJsonc } from "../../../src/config/text/document.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { documentOf } from "./support.ts";

describe("reading", () => {
  const cases: [string, string, unknown][] = [
    ["plain JSON", '{"a":{"b":[1,true,null,"x"]}}', { a: { b: [1, true, null, "x"] } }],
    ["comments of both kinds", '{ // one\n "a": 1, /* two\n */ "b": 2 }', { a: 1, b: 2 }],
    ["trailing commas", '{"a":[1,2,],}', { a: [1, 2] }],
    ["a byte order mark", '\uFEFF{"a":1}', { a: 1 }],
    ["Windows line ends", '{\r\n"a":1,\r\n"b":2\r\n}', { a: 1, b: 2 }],
    ["escapes", '{"\\u0061":"\\n\\"\\\\"}', { a: '\n"\\' }],
    ["what looks like a comment in text", '{"a":"http://x // y /* z"}', { a: "http://x // y /* z" }],
    ["numbers", '{"a":[-0.5,1e3,2E-2]}', { a: [-0.5, 1000, 0.02] }],
    [
      "much side by side is not deep",
      `{"a":[${"[],{},".repeat(99)}]}`,
      { a: Array.from({ length: 198 }, (_, at) => (at % 2 ? {} : [])) },
    ],
    [
      "the deepest nesting allowed",
      nested(LIMITS.jsonDepthMax - 1),
      JSON.parse(nested(LIMITS.jsonDepthMax - 1)),
    ],
  ];
  test.each(cases)("%s", (_, text, value) => {
    expect(documentOf(text).value).toEqual(value);
  });

  test("keeps the text as it was", () => {
    const text = '\uFEFF{ "a": 1, // why\r\n }';
    expect(documentOf(text).text).toBe(text);
  });
});

function nested(depth: number): string {
  return `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`;
}

describe("refusing", () => {
  const cases: [string, string, string, string][] = [
    ["an empty file", "", "1:1", "the file is empty"],
    ["a file of white space", " \n\t", "1:1", "the file is empty"],
    ["a file of comments", "// nothing\n", "2:1", "a value is missing here"],
    ["a list", "\n [1]", "2:2", "it must be an object, { … }"],
    ["a missing comma", '{\n  "a": 1\n  "b": 2\n}', "3:3", 'a "," is missing before this'],
    ["a missing colon", '{ "a" 1 }', "1:7", 'a ":" is missing between key and value'],
    ["a missing value", '{ "a": }', "1:8", "a value is missing here"],
    ["a missing brace", '{ "a": {\n', "2:1", 'a "}" is missing at the end'],
    ["a missing bracket", '{ "a": [1', "1:10", 'a "]" is missing at the end'],
    ["bare keys", "{ a: 1 }", "1:3", "this is no value; keys and text need double quotes"],
    ["single quotes", "{ 'a': 1 }", "1:3", "this is no value; keys and text need double quotes"],
    ["NaN", '{"a":NaN}', "1:6", "this is no value; keys and text need double quotes"],
    ["open text", '{\n"a": "x\n}', "2:6", "a closing double quote is missing on this line"],
    ["an open comment", "{} /* x", "1:4", "this comment does not end"],
    ["half a number", '{"a":1.}', "1:6", "this number is incomplete"],
    ["a bad escape", '{"a":"\\q"}', "1:6", "a backslash in text is written \\\\"],
    ["something after the end", '{"a":1} x', "1:9", "this is no value; keys and text need double quotes"],
    ["two objects", '{"a":1} {}', "1:9", 'something follows the last "}"'],
    ["an equal key", '{\n "a": 1,\n "a": 2\n}', "3:2", '"a" is set already on line 2'],
    [
      "an equal key in another spelling",
      '{"b":{"a":1,"\\u0061":2}}',
      "1:13",
      '"b.a" is set already on line 1',
    ],
    ["__proto__", '{"__proto__":{"isAdmin":true}}', "1:2", 'the key "__proto__" is not allowed'],
    ["__proto__ escaped", '{"\\u005f_proto__":{}}', "1:2", 'the key "__proto__" is not allowed'],
    ["constructor", '{"a":{"constructor":1}}', "1:7", 'the key "constructor" is not allowed'],
    ["prototype", '{"a":[{"prototype":1}]}', "1:8", 'the key "prototype" is not allowed'],
    [
      "nesting one level too deep",
      nested(LIMITS.jsonDepthMax),
      `1:${5 + LIMITS.jsonDepthMax}`,
      "there are more than 64 levels of nesting",
    ],
  ];
  test.each(cases)("%s", (_, text, place, reason) => {
    const reading = readDocument(text);
    expect(reading.ok).toBe(false);
    if (reading.ok) return;
    const [first] = reading.errors;
    expect(`${first?.line}:${first?.column}`).toBe(place);
    expect(first?.reason).toBe(reason);
  });

  test("nesting that would overflow a stack", () => {
    for (const open of ["[", '{"a":', "/*]*/["]) {
      const reading = readJsonc(open.repeat(100_000));
      expect(reading.ok).toBe(false);
    }
  });

  test("prototypes stay what they are", () => {
    readDocument('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test("every cut of a file: a value or a place, never a throw", () => {
    const text = '{ "a": { "b": [1, "x\\u00e9", true] }, // c\n "d": null }';
    for (let length = 0; length < text.length; length += 1) {
      const reading = readDocument(text.slice(0, length));
      expect(reading.ok).toBe(false);
      if (!reading.ok) expect(reading.errors[0]?.line).toBeGreaterThan(0);
    }
  });
});

describe("positions", () => {
  const document = documentOf('\uFEFF{\r\n  "a": {\n    "é😀": [10, { "c": 1 }],\r    "b" : "x"\n  }\n}');
  const cases: [string, (string | number)[], string, string][] = [
    ["the root", [], "1:1", "1:1"],
    ["a key", ["a"], "2:3", "2:8"],
    ["a key of characters outside ASCII", ["a", "é😀"], "3:5", "3:12"],
    ["an element", ["a", "é😀", 0], "3:13", "3:13"],
    ["a key in an element", ["a", "é😀", 1, "c"], "3:19", "3:24"],
    ["a key after a lone carriage return", ["a", "b"], "4:5", "4:11"],
  ];
  test.each(cases)("%s", (_, path, key, value) => {
    const place = (of: "key" | "value"): string => {
      const at = document.position(path, of);
      return `${at?.line}:${at?.column}`;
    };
    expect([place("key"), place("value")]).toEqual([key, value]);
  });

  test("what is not there has none", () => {
    for (const path of [["x"], ["a", "x"], ["a", "b", "x"], ["a", "é😀", 2], ["toString"]]) {
      expect(document.position(path)).toBeUndefined();
    }
  });
});

// --- any JSON, printed with any white space and comments ---

const REFUSED = new Set(["__proto__", "constructor", "prototype"]);
const key = fc.oneof(fc.string({ unit: "grapheme" }), fc.string()).filter((name) => !REFUSED.has(name));
const { value: json } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(null, true, false),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.string({ unit: "binary" }).map((text) => text.toWellFormed()),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(key, tie("value"), { maxKeys: 5 }),
  ),
}));
const trivia = fc.infiniteStream(
  fc.constantFrom("", "", " ", "\t", "\n", "\r\n", "\r", "// x\n", "//\r\n", "/* } */", "/*\n*/"),
);

type Place = { readonly path: (string | number)[]; readonly key: number; readonly value: number };

/** Writes a value with trivia between all tokens, and notes where everything went. */
function print(root: unknown, gaps: Iterator<string>): { text: string; places: Place[] } {
  let text = "";
  const places: Place[] = [];
  const put = (token: string): void => void (text += token + (gaps.next().value ?? ""));
  const write = (value: unknown, path: (string | number)[], keyAt?: number): void => {
    places.push({ path, key: keyAt ?? text.length, value: text.length });
    if (typeof value !== "object" || value === null) return put(JSON.stringify(value));
    const isArray = Array.isArray(value);
    put(isArray ? "[" : "{");
    const members = Object.entries(value);
    for (const [index, [name, member]] of members.entries()) {
      const at = text.length;
      if (!isArray) {
        put(JSON.stringify(name));
        put(":");
      }
      write(member, [...path, isArray ? index : name], isArray ? undefined : at);
      // A comma after the last one is allowed too.
      if (index < members.length - 1 || index % 2 === 0) put(",");
    }
    put(isArray ? "]" : "}");
  };
  put("");
  write(root, []);
  return { text, places };
}

function placeIn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split(/\r\n|\r|\n/);
  return { line: before.length, column: (before.at(-1) ?? "").length + 1 };
}

describe("any JSON with any white space and comments", () => {
  test("reads as JSON.parse does, and everything is where it was written", () => {
    fc.assert(
      fc.property(json, trivia, (value, gaps) => {
        const { text, places } = print(value, gaps);
        const reading = readJsonc(text);
        if (!reading.ok) throw new Error(JSON.stringify(reading.errors));
        const { document } = reading;
        expect(document.value).toEqual(JSON.parse(JSON.stringify(value)));
        for (const { path, key: keyAt, value: valueAt } of places) {
          expect(document.position(path, "key")).toEqual(placeIn(text, keyAt));
          expect(document.position(path, "value")).toEqual(placeIn(text, valueAt));
        }
      }),
      { seed: 20260129, numRuns: 400 },
    );
  });

  test("reads any text without a throw", () => {
    const pieces = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"',
      "a",
      "1",
      "-",
      ".",
      "//",
      "/*",
      "*/",
      "\\",
      "\n",
      "\0",
      "\uD800",
      "true",
      "__proto__",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
        const reading = readJsonc(parts.join(""));
        expect(reading.ok || reading.errors.length > 0).toBe(true);
      }),
      { seed: 20260130, numRuns: 2_000 },
    );
  });
});
