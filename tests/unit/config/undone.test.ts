import { expect, test } from "bun:test";
import { withoutChange } from "../../../src/config/write/undone.ts";

const list = (...elements: readonly [string, number?][]) =>
  elements.map(([id, port]) => ({ id, ...(port !== undefined && { port }) }));

test.each<[string, { before: unknown; after: unknown; now: unknown }, unknown]>([
  ["nothing", { before: { a: 1 }, after: { a: 1 }, now: { a: 2 } }, { a: 2 }],
  ["a key", { before: { a: 1 }, after: { a: 2 }, now: { a: 2, b: 1 } }, { a: 1, b: 1 }],
  ["a key edited again", { before: { a: 1 }, after: { a: 2 }, now: { a: 3, b: 1 } }, { a: 1, b: 1 }],
  ["a new key", { before: {}, after: { a: 1 }, now: { a: 1, b: 1 } }, { b: 1 }],
  ["a key that went", { before: { a: 1 }, after: {}, now: { b: 1 } }, { a: 1, b: 1 }],
  [
    "a section that grew",
    { before: {}, after: { a: { x: 1 } }, now: { a: { x: 1, y: 2 } } },
    { a: { y: 2 } },
  ],
  ["a new section", { before: {}, after: { a: { x: 1 } }, now: { a: { x: 1 }, b: 1 } }, { b: 1 }],
  ["a key in what is gone", { before: { a: { x: 1 } }, after: { a: { x: 2 } }, now: {} }, { a: { x: 1 } }],
  ["a list", { before: { a: [1] }, after: { a: [1, 2] }, now: { a: [1, 2, 3] } }, { a: [1] }],
  [
    "an element",
    { before: list(["a", 1], ["b"]), after: list(["a", 2], ["b"]), now: list(["c"], ["a", 2], ["b"]) },
    list(["c"], ["a", 1], ["b"]),
  ],
  ["a new element", { before: list(["a"]), after: list(["a"], ["b"]), now: list(["b"], ["c"]) }, list(["c"])],
  [
    "an element that went",
    { before: list(["a"], ["b"]), after: list(["b"]), now: list(["b", 1]) },
    list(["b", 1], ["a"]),
  ],
])("without a change of %s", (_, { now, ...change }, expected) => {
  expect(withoutChange(now, change)).toEqual(expected);
});
