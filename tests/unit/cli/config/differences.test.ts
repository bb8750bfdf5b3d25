import { expect, test } from "bun:test";
import { differences, hidden } from "../../../../src/cli/config/differences.ts";

test.each([
  [{}, {}, []],
  [{ a: 1, b: 2 }, { b: 2, a: 1 }, []],
  [{ a: 1 }, { a: 2 }, [[["a"], 1, 2]]],
  [{ a: 1 }, {}, [[["a"], 1, undefined]]],
  [
    {},
    { a: { b: 1, c: [] } },
    [
      [["a", "b"], undefined, 1],
      [["a", "c"], undefined, []],
    ],
  ],
  [{ a: { b: { c: 1 } } }, {}, [[["a", "b", "c"], 1, undefined]]],
  [{ a: {} }, {}, [[["a"], {}, undefined]]],
  [{ a: 1 }, { a: { b: 1 } }, [[["a"], 1, { b: 1 }]]],
  [{ a: [1, 2] }, { a: [1] }, [[["a"], [1, 2], [1]]]],
  [{ a: [{ id: "x", b: 1 }] }, { a: [{ id: "x", b: 2 }] }, [[["a", 0, "b"], 1, 2]]],
  [{ toString: 1 }, {}, [[["toString"], 1, undefined]]],
] as [unknown, unknown, [unknown, unknown, unknown][]][])("%p to %p", (before, after, wanted) => {
  const found = differences(before, after);
  expect(found.map(({ path, before: old, after: now }) => [path, old, now])).toEqual(wanted);
});

test("what is hidden stays so, and all that is inside of it", () => {
  const found = differences({ key: "a", all: { x: 1 } }, { key: "b", all: { x: 2 } });
  expect(hidden(found, { key: "***", all: "***" }, { key: "***", all: "***" })).toEqual([
    { path: ["key"], before: "***", after: "***" },
    { path: ["all", "x"], before: "***", after: "***" },
  ]);
});
