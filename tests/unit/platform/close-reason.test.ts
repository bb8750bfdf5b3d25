import { expect, test } from "bun:test";

import { cutReason } from "../../../src/platform/close-reason.ts";

test.each([
  ["", ""],
  ["bye", "bye"],
  ["x".repeat(120), "x".repeat(120)],
  ["x".repeat(121), "x".repeat(120)],
  ["é".repeat(100), "é".repeat(60)],
  [`${"x".repeat(119)}é`, "x".repeat(119)],
  [`${"x".repeat(117)}🙂`, "x".repeat(117)],
  [`${"x".repeat(116)}🙂 and more`, `${"x".repeat(116)}🙂`],
])("%j becomes %j", (reason, expected) => {
  expect(cutReason(reason)).toBe(expected);
  expect(Buffer.byteLength(cutReason(reason))).toBeLessThanOrEqual(120);
});
