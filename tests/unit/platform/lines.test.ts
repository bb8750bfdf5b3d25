import { expect, test } from "bun:test";

import { splitLines } from "../../../src/platform/lines.ts";

async function* chunks(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
}

test.each([
  [[], []],
  [["a\nb\n"], ["a", "b"]],
  [
    ["a\r\n", "\n", "b"],
    ["a", "", "b"],
  ],
  [
    ["a\r", "\nb"],
    ["a", "b"],
  ],
  [["one", " two", "\n"], ["one two"]],
])("%j is %j", async (texts, expected) => {
  expect(await Array.fromAsync(splitLines(chunks(...texts)))).toEqual(expected);
});

test("a character may arrive in two halves", async () => {
  const bytes = new TextEncoder().encode("a🙂b");
  async function* halves(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, 3);
    yield bytes.subarray(3);
  }
  expect(await Array.fromAsync(splitLines(halves()))).toEqual(["a🙂b"]);
});

test("a line without end is handed over in pieces", async () => {
  const mebi = "x".repeat(1024 * 1024);
  const lines = await Array.fromAsync(splitLines(chunks(mebi, "y", mebi, "z\nend\n")));
  expect(lines).toEqual([`${mebi}y`, `${mebi}z`, "end"]);
});
