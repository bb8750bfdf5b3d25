import { expect, test } from "bun:test";
import { isStopWord } from "../../../src/contract/stop-words.ts";

test.each([
  ["/stop", true],
  [" Stop ", true],
  ["ESC", true],
  ["wait", true],
  ["wait a moment", false],
  ["stop.", false],
  ["/stop now", false],
  ["", false],
])("%j stops what runs: %p", (message, isIt) => {
  expect(isStopWord(message)).toBe(isIt);
});
