import { expect, test } from "bun:test";
import { isAllowed, needsApproval } from "../../../src/agents/policy.ts";

test.each([
  ["files__read", "files__read", true],
  ["files__read", "files__reads", false],
  ["files__read", "Files__read", false],
  ["*", "", true],
  ["*", "anything", true],
  ["files__*", "files__write", true],
  ["files__*", "xfiles__write", false],
  ["*__write", "files__write", true],
  ["*__write", "files__writes", false],
  ["a*b*c", "a-b-b-c", true],
  ["a*b*c", "acb", false],
  ["ab*ba", "aba", false],
  ["a**b", "ab", true],
  ["a.c", "abc", false],
  ["", "a", false],
])("pattern %p and tool %p: %p", (pattern, name, isMatch) => {
  expect(needsApproval({ approve: [pattern] }, name)).toBe(isMatch);
  expect(isAllowed({ deny: [pattern] }, name)).toBe(!isMatch);
  expect(isAllowed({ allow: [pattern] }, name)).toBe(isMatch);
});

test("deny wins over allow, nothing said allows all and asks for none, an empty list allows none", () => {
  expect(isAllowed({ allow: ["*"], deny: ["a*"] }, "ab")).toBe(false);
  expect(isAllowed({}, "ab")).toBe(true);
  expect(needsApproval({}, "ab")).toBe(false);
  expect(isAllowed({ allow: [] }, "ab")).toBe(false);
});

test("no pattern takes long", () => {
  expect(needsApproval({ approve: [`${"*a".repeat(2_000)}*b`] }, "a".repeat(100_000))).toBe(false);
});
