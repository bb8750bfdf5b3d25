import { expect, test } from "bun:test";
import { backoffMs, isFinal, toReconnect } from "../../../src/client/backoff.ts";

const usual = toReconnect({});

test("waits double up to the longest, half of it at least", () => {
  const longest = [0, 1, 2, 3, 7, 8, 1_000].map((attempt) => backoffMs(attempt, 0.999_999, usual));
  expect(longest).toEqual([250, 500, 1_000, 2_000, 30_000, 30_000, 30_000]);
  const shortest = [0, 1, 2, 3, 7, 8, 1_000].map((attempt) => backoffMs(attempt, 0, usual));
  expect(shortest).toEqual([125, 250, 500, 1_000, 15_000, 15_000, 15_000]);
});

test.each([
  [1000, false],
  [1006, false],
  [1008, false],
  [4001, false],
  [4499, false],
  [4500, true],
  [4999, true],
  [5000, false],
])("close code %d means do not come back: %p", (code, expected) => {
  expect(isFinal(code)).toBe(expected);
});
