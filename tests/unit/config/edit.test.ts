import { describe, expect, test } from "bun:test";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { EditError, editText } from "../../../src/config/text/edit.ts";
import type { TextChange } from "../../../src/config/text/edit.ts";
import { isObject } from "../../../src/config/leaves.ts";
import type { Path } from "../../../src/config/leaves.ts";
import { changesOf } from "../../../src/config/write/patch.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { applyTo, at, checkEdit, commentsOf } from "./edit-check.ts";
import { documentOf } from "./support.ts";

const CORPUS = join(import.meta.dir, "corpus");
const corpus = new Map(
  readdirSync(CORPUS).map((name) => [name, readFileSync(join(CORPUS, name), "utf8")] as const),
);

describe("the corpus", () => {
  test("has what real files have, and reads", () => {
    const texts = [...corpus.values()];
    for (const text of texts) documentOf(text);
    const has = (pattern: RegExp): boolean => texts.some((text) => pattern.test(text));
    const signs = [
      /^\uFEFF/,
      /\r\n/,
      /\r(?!\n)/,
      /\n\t"/,
      /[^\n]$/,
      /,\s*\}/,
      /^[^\s]+$/,
      /^\{\}$/,
      /\/\*/,
      /\/\//,
    ];
    expect(signs.filter((sign) => !has(sign))).toEqual([]);
    expect(texts.length).toBeGreaterThanOrEqual(15);
  });
});

// --- any edit of any file ---

const REFUSED = new Set(["__proto__", "constructor", "prototype"]);
const key = fc
  .oneof(
    fc.constantFrom("port", "a.b", 'q"t', "x", "0", "ünï", "list"),
    fc.string({ unit: "grapheme", maxLength: 6 }),
  )
  .filter((name) => !REFUSED.has(name));
const { value: anyJson } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(null, true, false, "", "// no comment", "/* none */", "a\nb"),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string({ unit: "grapheme", maxLength: 12 }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4 }),
  ),
}));
// Without negative zero, which JSON does not tell from zero, and without bare prototypes.
const json = anyJson.map((value): unknown => JSON.parse(JSON.stringify(value)));

/** What to do, before it is known to which text. */
const wish = fc.record({
  kind: fc.constantFrom(
    "replace",
    "add",
    "add",
    "nest",
    "insert",
    "insert",
    "remove",
    "remove",
    "move",
    "same",
  ),
  where: fc.nat(),
  other: fc.nat(),
  keys: fc.array(key, { minLength: 1, maxLength: 3 }),
  value: json,
});
type Wish = typeof wish extends fc.Arbitrary<infer T> ? T : never;

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (Array.isArray(value)) return [path, ...value.flatMap((item, index) => pathsOf(item, [...path, index]))];
  if (!isObject(value)) return [path];
  return [path, ...Object.entries(value).flatMap(([name, member]) => pathsOf(member, [...path, name]))];
}

function pick<T>(from: readonly T[], number: number): T | undefined {
  return from[number % from.length];
}

/** The wish as an edit that fits the value; undefined where nothing does. */
function toChange(root: unknown, { kind, where, other, keys, value }: Wish): TextChange | undefined {
  const all = pathsOf(root);
  const inner = all.slice(1);
  const objects = all.filter((path) => isObject(at(root, path)));
  const lists = all.filter((path) => Array.isArray(at(root, path)));
  const fresh = (path: Path, names: readonly string[]): Path | undefined => {
    const [first = ""] = names;
    return at(root, [...path, first]) === undefined ? [...path, ...names] : undefined;
  };
  const home = pick(objects, where) ?? [];
  if (kind === "add" || kind === "nest") {
    const path = fresh(home, kind === "add" ? keys.slice(0, 1) : keys);
    return path && { op: "set", path, value };
  }
  if (kind === "insert") {
    const list = pick(lists, where);
    const items = list && at(root, list);
    if (!list || !Array.isArray(items)) return undefined;
    const index = other % (items.length + 1);
    return {
      op: index === items.length && other % 2 === 0 ? "set" : "insert",
      path: [...list, index],
      value,
    };
  }
  const path = pick(inner, where);
  if (!path) return undefined;
  if (kind === "remove") return { op: "remove", path };
  if (kind === "replace") return { op: "set", path, value };
  if (kind === "same") return { op: "set", path, value: structuredClone(at(root, path)) };
  const list = pick(lists, other);
  const items = list && at(root, list);
  const to =
    other % 3 === 0 && list && Array.isArray(items)
      ? [...list, items.length]
      : fresh(pick(objects, other) ?? [], keys.slice(0, 2));
  if (!to || path.every((name, index) => to[index] === name)) return undefined;
  return { op: "move", from: path, to };
}

describe("any edit", () => {
  test("1,000 edits of the corpus: the value is the model's, comments and other bytes stay", () => {
    let edits = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...corpus.keys()),
        fc.array(wish, { minLength: 1, maxLength: 6 }),
        (name, wishes) => {
          let text = corpus.get(name) ?? "";
          for (const next of wishes) {
            const change = toChange(documentOf(text).value, next);
            if (!change) continue;
            const before = text;
            text = checkEdit(text, change);
            if (next.kind === "same") expect(text).toBe(before);
            edits += 1;
          }
        },
      ),
      { seed: 20260201, numRuns: 450 },
    );
    expect(edits).toBeGreaterThanOrEqual(1_000);
  });

  test("what makes a file's value another one, edit by edit", () => {
    let edits = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...corpus.keys()),
        fc.array(wish, { minLength: 1, maxLength: 8 }),
        (name, wishes) => {
          let text = corpus.get(name) ?? "";
          const before = documentOf(text).value;
          let after = before;
          for (const next of wishes) {
            const change = toChange(after, next);
            if (change) after = applyTo(after, change);
          }
          for (const change of changesOf(before, after)) {
            text = checkEdit(text, change);
            edits += 1;
          }
          expect(documentOf(text).value).toEqual(after);
        },
      ),
      { seed: 20260202, numRuns: 300 },
    );
    expect(edits).toBeGreaterThanOrEqual(500);
  });

  test("what makes any object another one", () => {
    const object = fc.dictionary(key, json, { maxKeys: 5 });
    fc.assert(
      fc.property(object, object, fc.constantFrom(0, 2, "\t"), (before, after, unit) => {
        let text = JSON.stringify(before, undefined, unit);
        for (const change of changesOf(documentOf(text).value, after)) text = checkEdit(text, change);
        expect(documentOf(text).value).toEqual(JSON.parse(JSON.stringify(after)));
      }),
      { seed: 20260203, numRuns: 300 },
    );
  });

  test("every key of every file, removed and put back", () => {
    for (const [name, text] of corpus) {
      const { value } = documentOf(text);
      for (const path of pathsOf(value).slice(1)) {
        const without = checkEdit(text, { op: "remove", path });
        if (typeof path.at(-1) === "number")
          checkEdit(without, { op: "insert", path, value: at(value, path) });
        else checkEdit(without, { op: "set", path, value: at(value, path) });
      }
      expect(name).toEndWith(".jsonc");
    }
  });
});

// --- what a careful person would have typed ---

interface Example {
  readonly name: string;
  readonly before: string;
  readonly changes: readonly TextChange[];
  readonly after: string;
}

const set = (path: Path, value: unknown): TextChange => ({ op: "set", path, value });
const insert = (path: Path, value: unknown): TextChange => ({ op: "insert", path, value });
const remove = (...path: Path): TextChange => ({ op: "remove", path });
const move = (from: Path, to: Path): TextChange => ({ op: "move", from, to });

const examples: readonly Example[] = [
  {
    name: "a new key goes behind the comment of the last one",
    before: `{
  "a": 1, // first
  "b": 2 // why
  // "c": 3
}`,
    changes: [set(["d"], "x")],
    after: `{
  "a": 1, // first
  "b": 2, // why
  "d": "x"
  // "c": 3
}`,
  },
  {
    name: "where the last one has a comma, the new one has one",
    before: `{
  "a": [
    "x", // one
  ],
}`,
    changes: [set(["a", 1], "y"), set(["b"], { c: 1 })],
    after: `{
  "a": [
    "x", // one
    "y",
  ],
  "b": {
    "c": 1
  },
}`,
  },
  {
    name: "one line stays one line",
    before: `{ "a": { "b": 1 }, "c": [1, 2], "d": {} } // end`,
    changes: [set(["a", "x"], { y: [true] }), set(["c", 2], 3), set(["d", "e"], null)],
    after: `{ "a": { "b": 1, "x": { "y": [true] } }, "c": [1, 2, 3], "d": { "e": null } } // end`,
  },
  {
    name: "without spaces, none are added",
    before: `{"a":{"b":1},"c":[],"d":{}}`,
    changes: [set(["a", "x"], { y: [1, 2] }), insert(["c", 0], "q"), set(["d", "e"], {})],
    after: `{"a":{"b":1,"x":{"y":[1,2]}},"c":["q"],"d":{"e":{}}}`,
  },
  {
    name: "parents that are missing are made, with the indentation of the file",
    before: '{\n\t// tabs\n\t"a": 1\n}\n',
    changes: [set(["gateway", "auth", "mode"], "token")],
    after: '{\n\t// tabs\n\t"a": 1,\n\t"gateway": {\n\t\t"auth": {\n\t\t\t"mode": "token"\n\t\t}\n\t}\n}\n',
  },
  {
    name: "an empty file becomes one with lines",
    before: "{}",
    changes: [set(["gateway", "trustedProxies"], ["::1", "127.0.0.1"])],
    after: `{
  "gateway": {
    "trustedProxies": ["::1", "127.0.0.1"]
  }
}`,
  },
  {
    name: "below comments where there is nothing else",
    before: `{
    // Nothing yet.
}
`,
    changes: [set(["a"], { b: 1 })],
    after: `{
    // Nothing yet.
    "a": {
        "b": 1
    }
}
`,
  },
  {
    name: "beside an object on one line, another on one line",
    before: `{
  "list": [
    // the first
    { "id": "a" }, // why a
    { "id": "b" }
  ]
}`,
    changes: [
      insert(["list", 0], { id: "z" }),
      insert(["list", 2], { id: "m", x: [1] }),
      set(["list", 4], { id: "c" }),
    ],
    after: `{
  "list": [
    { "id": "z" },
    // the first
    { "id": "a" }, // why a
    { "id": "m", "x": [1] },
    { "id": "b" },
    { "id": "c" }
  ]
}`,
  },
  {
    name: "a value and no more is replaced",
    before: `{ "a" :  "x" /* y */, "b": [ 1,2 ], "c": {
  "d": 1
} }`,
    changes: [set(["a"], 7), set(["b"], [3, 4]), set(["c"], { e: 2 })],
    after: `{ "a" :  7 /* y */, "b": [ 3,4 ], "c": {
  "e": 2
} }`,
  },
  {
    name: "an object in the place of plain text; a long list is a line each",
    before: `{
  "model": "a",
  "names": []
}`,
    changes: [
      set(["model"], { primary: "a", fallbacks: ["b"] }),
      set(
        ["names"],
        [
          "the first of the long names",
          "the second of the long names",
          "and, at last, the third of the long names",
        ],
      ),
    ],
    after: `{
  "model": {
    "primary": "a",
    "fallbacks": ["b"]
  },
  "names": [
    "the first of the long names",
    "the second of the long names",
    "and, at last, the third of the long names"
  ]
}`,
  },
  {
    name: "what is removed leaves its comments, and no blank line",
    before: `{
  // about a
  "a": 1, // beside a
  "b": 2,

  "c": { "d": 3 },

  // about e
  "e": 5 // beside e
}`,
    changes: [remove("a"), remove("c"), remove("e")],
    after: `{
  // about a
  // beside a
  "b": 2

  // about e
  // beside e
}`,
  },
  {
    name: "a comment behind the last one does not join the line above",
    before: `{
  "a": 1,

  "b": 2,
  "c": 3 // about c
}`,
    changes: [remove("c"), remove("a")],
    after: `{
  "b": 2
  // about c
}`,
  },
  {
    name: "beside a list on one line, an object still has its own lines",
    before: `{
  "a": ["x"]
}`,
    changes: [set(["b"], { c: 1 }), set(["d"], ["y"])],
    after: `{
  "a": ["x"],
  "b": {
    "c": 1
  },
  "d": ["y"]
}`,
  },
  {
    name: "of the last one, the comma before it goes",
    before: `{
  "a": 1, // why
  "b": [1, 2, 3],
  "c": { "x": 1, /* y */ "z": 2 }, "d": 4
}`,
    changes: [remove("d"), remove("c", "z"), remove("b", 2), remove("b", 0)],
    after: `{
  "a": 1, // why
  "b": [2],
  "c": { "x": 1 /* y */ }
}`,
  },
  {
    name: "a comma behind the last one stays where there was one",
    before: `{
  "a": [1, 2,],
  "b": { "c": 1, "d": 2, },
}`,
    changes: [remove("a", 1), remove("b", "d"), remove("b", "c")],
    after: `{
  "a": [1,],
  "b": {},
}`,
  },
  {
    name: "what is emptied closes",
    before: `{
  "a": {
    "b": 1
  },
  "c": [ "d" ]
}`,
    changes: [remove("a", "b"), remove("c", 0)],
    after: `{
  "a": {},
  "c": []
}`,
  },
  {
    name: "what moves is written as it was, as deep as its new place",
    before: `{
  "routing": {
    "agents": {
      // the main one
      "main": { "name": "K" } // kitchen
    },
    "queue": /* old */ "collect"
  },
  "agent": { "model": "m" }
}`,
    changes: [
      move(["routing", "agents"], ["agents"]),
      move(["routing", "queue"], ["messages", "queue", "mode"]),
    ],
    after: `{
  "routing": {},
  "agent": { "model": "m" },
  "agents": {
    // the main one
    "main": { "name": "K" } // kitchen
  },
  "messages": {
    "queue": {
      "mode": /* old */ "collect"
    }
  }
}`,
  },
  {
    name: "a key with another name stays where it is",
    before: `{ "tools": { "bash": /* x */ true, "web": 1 } }`,
    changes: [move(["tools", "bash"], ["tools", 'e"x.ec'])],
    after: `{ "tools": { "e\\"x.ec": /* x */ true, "web": 1 } }`,
  },
  {
    name: "Windows line ends and a byte order mark",
    before: '\uFEFF{\r\n  "a": 1 // x\r\n}\r\n',
    changes: [set(["b"], { c: 2 }), remove("a")],
    after: '\uFEFF{\r\n  // x\r\n  "b": {\r\n    "c": 2\r\n  }\r\n}\r\n',
  },
  {
    name: "keys that look like paths, quotes and comments",
    before: `{
  "a.b": 1,
  "é": "// no comment"
}`,
    changes: [set(["a.b"], 2), set(["é"], "/* none */"), set(['"😀'], ["\n"])],
    after: `{
  "a.b": 2,
  "é": "/* none */",
  "\\"😀": ["\\n"]
}`,
  },
  {
    name: "what is there already, in any order and spelling, changes nothing",
    before: `{"a":1.0, "b" : {"c": "\\u0064" , "e":[1 ,2]}}`,
    changes: [
      set(["a"], 1),
      set(["b"], { e: [1, 2], c: "d" }),
      remove("x", "y"),
      remove("a", "b"),
      remove("b", "e", 9),
    ],
    after: `{"a":1.0, "b" : {"c": "\\u0064" , "e":[1 ,2]}}`,
  },
  {
    name: "the whole of a file, but for what is around",
    before: `// head
{
  "a": 1
}
// foot`,
    changes: [set([], { b: 2 })],
    after: `// head
{
  "b": 2
}
// foot`,
  },
];

describe("as a careful person would have typed", () => {
  test.each(examples.map((example) => [example.name, example] as const))(
    "%s",
    (_, { before, changes, after }) => {
      let text = before;
      for (const change of changes) text = editText(text, change);
      expect(text).toBe(after);
    },
  );
});

describe("refusing", () => {
  const text = '{ "a": 1, "list": [1, 2], "o": { "p": {} } } // c';
  const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);
  const circle: unknown[] = [];
  circle.push(circle);
  const cases: [string, TextChange, string][] = [
    ["a path through a number", set(["a", "b"], 1), 'Cannot set "a.b": "a" is no object'],
    ["an index into an object", set(["o", 0], 1), 'Cannot set "o.0": "o" is no list'],
    ["an index into the file", set([0], 1), 'Cannot set "0": the file is no list'],
    ["a key of a list", set(["list", "x"], 1), 'Cannot set "list.x": "list" is no object'],
    ["an index behind the end", set(["list", 3], 1), 'Cannot set "list.3": "list" has 2 elements'],
    ["inserting behind the end", insert(["list", 3], 1), 'Cannot insert "list.3": "list" has 2 elements'],
    ["inserting a key", insert(["o", "x"], 1), 'Cannot insert "o.x": the path does not end with an index'],
    ["inserting into an object", insert(["o", 0], 1), 'Cannot insert "o.0": "o" is no list'],
    [
      "a new list that begins late",
      set(["n", 1], 1),
      'Cannot set "n.1": a list that is not there has no index 1',
    ],
    ["a negative index", set(["list", -1], 1), 'Cannot set "list.-1": -1 is no index'],
    ["half an index", remove("list", 0.5), 'Cannot remove "list.\\"0.5\\"": 0.5 is no index'],
    ["removing all", remove(), "Cannot remove the whole file: only what is in it"],
    ["a file that is no object", set([], []), "Cannot set the whole file: it must be an object"],
    ["moving nothing", move(["x"], ["y"]), 'Cannot move "x" to "y": "x" is not there'],
    ["moving onto something", move(["a"], ["o"]), 'Cannot move "a" to "o": "o" is there already'],
    ["moving into itself", move(["o"], ["o", "x"]), 'Cannot move "o" to "o.x": one is in the other'],
    ["moving through a number", move(["o"], ["a", "x"]), 'Cannot move "o" to "a.x": "a" is no object'],
    ["undefined", set(["x"], undefined), 'Cannot set "x": JSON has no way to write undefined'],
    ["undefined inside", set(["x"], { y: undefined }), 'Cannot set "x": JSON has no way to write undefined'],
    ["a hole", set(["x"], Array(1)), 'Cannot set "x": JSON has no way to write undefined'],
    ["NaN", insert(["list", 0], [Number.NaN]), 'Cannot insert "list.0": JSON has no way to write NaN'],
    ["Infinity", set(["a"], -Infinity), 'Cannot set "a": JSON has no way to write -Infinity'],
    ["a function", set(["a"], () => 1), 'Cannot set "a": JSON has no way to write a function'],
    ["a bigint", set(["a"], 1n), 'Cannot set "a": JSON has no way to write a bigint'],
    ["a date", set(["a"], new Date(0)), 'Cannot set "a": JSON has no way to write this kind of object'],
    ["a circle", set(["a"], circle), 'Cannot set "a": there would be more than 64 levels of nesting'],
    [
      "one level too many",
      set(["a"], deep(LIMITS.jsonDepthMax)),
      'Cannot set "a": there would be more than 64 levels of nesting',
    ],
    ...["__proto__", "constructor", "prototype"].flatMap((name): typeof cases => [
      [`${name} in a path`, set([name, "x"], 1), `Cannot set "${name}.x": the key "${name}" is not allowed`],
      [
        `${name} in a value`,
        set(["a"], [JSON.parse(`{"${name}":{"isAdmin":true}}`)]),
        `Cannot set "a": the key "${name}" is not allowed`,
      ],
      [`${name} removed`, remove("o", name), `Cannot remove "o.${name}": the key "${name}" is not allowed`],
      [
        `${name} to move to`,
        move(["a"], [name]),
        `Cannot move "a" to "${name}": the key "${name}" is not allowed`,
      ],
    ]),
  ];
  test.each(cases)("%s", (_, change, message) => {
    expect(() => editText(text, change)).toThrow(new EditError(message));
    expect(({} as Record<string, unknown>)["isAdmin"]).toBeUndefined();
  });

  test("the deepest that a file may be is written, and no deeper by a move", () => {
    const most = editText(text, set(["d"], deep(LIMITS.jsonDepthMax - 1)));
    expect(documentOf(most).value).toHaveProperty("d");
    expect(() => editText(most, move(["d"], ["o", "d"]))).toThrow("more than 64 levels");
  });

  test("a text that is no JSON", () => {
    expect(() => editText("{ a }", set(["a"], 1))).toThrow('Cannot set "a": the file cannot be read');
    expect(() => editText("[]", set(["a"], 1))).toThrow('Cannot set "a": the file is no object');
  });

  test("a value is never in the message", () => {
    const secret = "hunter2-hunter2";
    try {
      editText(text, set(["a", "b"], { token: secret }));
      throw new Error("it was not refused");
    } catch (error) {
      expect(String(error)).toStartWith("EditError: Cannot");
      expect(String(error)).not.toContain(secret);
    }
  });
});

test("comments are found where they are, and not in text", () => {
  expect(commentsOf('{ // a\n "x": "// b", /* c */ "y": 1 }')).toEqual(["// a", "/* c */"]);
});
