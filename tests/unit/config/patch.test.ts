import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { EditError } from "../../../src/config/text/edit.ts";
import type { TextChange } from "../../../src/config/text/edit.ts";
import { deepFreeze } from "../../../src/config/values.ts";
import { changesOf, droppedKeys, mergePatch } from "../../../src/config/write/patch.ts";
import { applyTo, checkEdit } from "./edit-check.ts";
import { documentOf } from "./support.ts";

describe("merging a patch", () => {
  // The examples of RFC 7396, appendix A.
  const rfc: [unknown, unknown, unknown][] = [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ a: "b" }, ["c"], ["c"]],
    [{ a: "foo" }, null, null],
    [{ a: "foo" }, "bar", "bar"],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  test.each(rfc)("%j with %j is %j", (before, patch, after) => {
    expect(mergePatch(deepFreeze(before), deepFreeze(patch))).toEqual(after);
  });

  const lists: [string, unknown, unknown, unknown][] = [
    [
      "known ids in place, new ones at the end",
      [{ id: "a", x: 1, y: { z: 1 } }, { id: "b" }],
      [
        { id: "c", n: 1 },
        { id: "a", x: null, y: { w: 2 } },
      ],
      [{ id: "a", y: { z: 1, w: 2 } }, { id: "b" }, { id: "c", n: 1 }],
    ],
    [
      "a list inside an element too",
      [{ id: "a", l: [{ id: "x", v: 1 }] }],
      [{ id: "a", l: [{ id: "x", w: 2 }] }],
      [{ id: "a", l: [{ id: "x", v: 1, w: 2 }] }],
    ],
    ["an empty list clears", [{ id: "a" }], [], []],
    ["one element without an id replaces", [{ id: "a" }], [{ id: "b" }, { x: 1 }], [{ id: "b" }, { x: 1 }]],
    ["an id that is no text replaces", [{ id: "a" }], [{ id: 1 }], [{ id: 1 }]],
    ["into a list without ids it replaces", [{ x: 1 }], [{ id: "a" }], [{ id: "a" }]],
    ["into nothing", undefined, [{ id: "a", x: null }], [{ id: "a" }]],
    ["plain values replace, nulls among them", [1, 2], [null, 3], [null, 3]],
    [
      "the same id twice",
      [{ id: "a" }],
      [
        { id: "b", x: 1 },
        { id: "b", y: 2 },
      ],
      [{ id: "a" }, { id: "b", x: 1, y: 2 }],
    ],
  ];
  test.each(lists)("lists: %s", (_, before, patch, after) => {
    expect(mergePatch(deepFreeze({ list: before }), deepFreeze({ list: patch }))).toEqual({ list: after });
  });

  test("keys that would reach a prototype are refused, in lists that replace too", () => {
    for (const name of ["__proto__", "constructor", "prototype"]) {
      const bad: unknown = JSON.parse(`{"${name}":{"isAdmin":true}}`);
      expect(() => mergePatch({}, bad)).toThrow(
        new EditError(`Cannot merge "${name}": the key "${name}" is not allowed`),
      );
      expect(() => mergePatch({}, { a: [1, { b: bad }] })).toThrow(`Cannot merge "a.1.b.${name}"`);
      expect(() => mergePatch({}, { a: [{ id: "x", b: bad }] })).toThrow(`Cannot merge "a.0.b.${name}"`);
      expect(() => mergePatch({ a: bad }, { a: { [name]: null } })).toThrow(EditError);
    }
    expect(({} as Record<string, unknown>)["isAdmin"]).toBeUndefined();
  });

  test("what only a prototype has is not there", () => {
    expect(mergePatch({}, { toString: { a: null } })).toEqual({ toString: {} });
  });
});

const set = (path: TextChangePath, value: unknown): TextChange => ({ op: "set", path, value });
const insert = (path: TextChangePath, value: unknown): TextChange => ({ op: "insert", path, value });
const remove = (...path: TextChangePath): TextChange => ({ op: "remove", path });
type TextChangePath = readonly (string | number)[];

describe("the edits from one value to another", () => {
  const cases: [string, unknown, unknown, TextChange[]][] = [
    ["nothing", { a: { b: [1, { c: 2 }] } }, { a: { b: [1, { c: 2 }] } }, []],
    ["the order of keys", { a: 1, b: { c: 1, d: 2 } }, { b: { d: 2, c: 1 }, a: 1 }, []],
    [
      "one value deep down",
      { a: { b: { c: 1 }, d: 2 } },
      { a: { b: { c: 9 }, d: 2 } },
      [set(["a", "b", "c"], 9)],
    ],
    [
      "new keys before the ones that go",
      { a: 1, b: { c: 1 } },
      { b: { d: 1 }, e: [] },
      [set(["b", "d"], 1), remove("b", "c"), set(["e"], []), remove("a")],
    ],
    [
      "another kind of value",
      { a: { b: 1 }, c: [1] },
      { a: [1], c: null },
      [set(["a"], [1]), set(["c"], null)],
    ],
    ["a null is a value", { a: null }, { a: null, b: null }, [set(["b"], null)]],
    ["at the end of a list", { l: [1, 2] }, { l: [1, 2, 3] }, [insert(["l", 2], 3)]],
    ["at its beginning", { l: [1, 2] }, { l: [0, 1, 2] }, [insert(["l", 0], 0)]],
    ["in its middle", { l: [1, 2, 5] }, { l: [1, 3, 4, 5] }, [set(["l", 1], 3), insert(["l", 2], 4)]],
    ["out of its middle", { l: [1, 2, 3, 4] }, { l: [1, 4] }, [remove("l", 2), remove("l", 1)]],
    ["the same twice", { l: [1, 1, 1] }, { l: [1, 1] }, [remove("l", 2)]],
    ["a list emptied", { l: [1, 2] }, { l: [] }, [remove("l", 1), remove("l", 0)]],
    ["inside an element", { l: [{ x: 1, y: 2 }, 3] }, { l: [{ x: 1, y: 3 }, 3] }, [set(["l", 0, "y"], 3)]],
    [
      "an element by its id",
      {
        l: [
          { id: "a", x: 1 },
          { id: "b", x: 1 },
        ],
      },
      { l: [{ id: "b", x: 2 }] },
      [remove("l", 0), set(["l", 0, "x"], 2)],
    ],
    [
      "elements in and out",
      { l: [{ id: "a" }, { id: "b" }, { id: "c" }] },
      { l: [{ id: "n" }, { id: "a" }, { id: "m" }, { id: "c", x: 1 }] },
      [insert(["l", 0], { id: "n" }), insert(["l", 2], { id: "m" }), remove("l", 3), set(["l", 3, "x"], 1)],
    ],
    [
      "only the one that changes its place is put in anew",
      { l: [{ id: "a" }, { id: "b" }, { id: "c" }, { id: "d" }] },
      { l: [{ id: "b" }, { id: "c" }, { id: "a" }, { id: "d" }] },
      [insert(["l", 3], { id: "a" }), remove("l", 0)],
    ],
    [
      "ids that are not unique count as any value",
      { l: [{ id: "a", x: 1 }, { id: "a" }] },
      { l: [{ id: "a", x: 2 }, { id: "a" }] },
      [set(["l", 0, "x"], 2)],
    ],
  ];
  test.each(cases)("%s", (_, before, after, changes) => {
    expect(changesOf(deepFreeze(before), deepFreeze(after))).toEqual(changes);
    expect(changes.reduce(applyTo, before)).toEqual(after);
  });

  test("below a path", () => {
    expect(changesOf({ a: 1 }, { a: 2 }, ["x", 0])).toEqual([set(["x", 0, "a"], 2)]);
  });

  // Few ids, so that most lists share some and have them in another order.
  const element = fc.record({
    id: fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h"),
    x: fc.nat(2),
    l: fc.array(fc.nat(3), { maxLength: 4 }),
  });
  const identified = fc.uniqueArray(element, { selector: ({ id }) => id, maxLength: 8 });
  const list = fc.oneof(
    identified,
    fc.array(fc.nat(3), { maxLength: 8 }),
    fc.array(fc.record({ x: fc.nat(2), y: fc.nat(2) }), { maxLength: 5 }),
  );

  test("lists of all kinds become what they shall, in values and in text with comments", () => {
    fc.assert(
      fc.property(identified, identified, list, list, (a, b, c, d) => {
        const [before, after] = [
          { a, c },
          { a: b, c: d },
        ];
        const changes = changesOf(before, after);
        expect(changes.reduce<unknown>(applyTo, before)).toEqual(after);
        const printed = JSON.stringify(before, undefined, 2);
        let text = printed.replaceAll(/("id": "(.)",)/g, "$1 // of $2");
        for (const change of changes) text = checkEdit(text, change);
        expect(documentOf(text).value).toEqual(after);
      }),
      { seed: 20260204, numRuns: 400 },
    );
  });

  test("an element that stays is never put in anew where the order stays", () => {
    fc.assert(
      fc.property(identified, fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }), (before, stays) => {
        const after = before.filter((_, index) => stays[index]);
        const changes = changesOf(before, after);
        expect(changes.filter(({ op }) => op !== "remove")).toEqual([]);
        expect(changes).toHaveLength(before.length - after.length);
      }),
      { seed: 20260205, numRuns: 200 },
    );
  });
});

describe("what a write would lose", () => {
  const cases: [string, unknown, unknown, TextChangePath[]][] = [
    ["nothing", { a: { b: 1 } }, { a: { b: 2 }, c: 1 }, []],
    ["the outermost key, once", { a: { b: { c: 1 } }, d: 1 }, { d: 1 }, [["a"]]],
    ["a key deep down", { a: { b: { c: 1, d: 2 } } }, { a: { b: { c: 1 } } }, [["a", "b", "d"]]],
    [
      "what another kind of value covers",
      { a: { b: 1, c: 2 } },
      { a: 1 },
      [
        ["a", "b"],
        ["a", "c"],
      ],
    ],
    [
      "an element with an id, wherever the others are now",
      { l: [{ id: "a", x: 1 }, { id: "b" }, { id: "c", y: 1 }] },
      { l: [{ id: "c" }, { id: "a", x: 2 }] },
      [
        ["l", 1],
        ["l", 2, "y"],
      ],
    ],
    ["all with a list that is none any more", { l: [{ id: "a" }, 5] }, { l: "x" }, [["l", 0]]],
    ["plain elements are no keys", { l: [1, 2, { x: 1 }] }, { l: [] }, []],
    ["what only a prototype has is not there", { toString: 1 }, {}, [["toString"]]],
    ["a null is a value", { a: 1 }, { a: null }, []],
    ["everything", { a: 1, b: 2 }, 5, [["a"], ["b"]]],
  ];
  test.each(cases)("%s", (_, before, after, paths) => {
    expect(droppedKeys(deepFreeze(before), deepFreeze(after))).toEqual(paths);
  });
});
