import { expect, test } from "bun:test";
import { AnthropicAnswer } from "../../../src/agents/anthropic-answer.ts";
import { AnswerTooLarge } from "../../../src/agents/answer.ts";

const started = (index: number, block: object) => ({
  type: "content_block_start",
  index,
  content_block: block,
});
const added = (index: number, delta: object) => ({ type: "content_block_delta", index, delta });

test("blocks and their characters have a bound", () => {
  const many = new AnthropicAnswer();
  for (let index = 0; index < 512; index += 1) many.take(started(index, { type: "text", text: "" }));
  expect(() => many.take(started(512, { type: "text", text: "" }))).toThrow(AnswerTooLarge);
  const piece = "a".repeat(1_000_000);
  for (const type of ["text_delta", "thinking_delta", "input_json_delta", "signature_delta"]) {
    const long = new AnthropicAnswer();
    long.take(started(0, { type: "tool_use", id: "t", name: "n", input: {} }));
    const delta = { type, text: piece, thinking: piece, partial_json: piece, signature: piece };
    expect(() => {
      for (let turn = 0; turn < 9; turn += 1) long.take(added(0, delta));
    }).toThrow(AnswerTooLarge);
  }
  const named = new AnthropicAnswer();
  expect(() => {
    for (let turn = 0; turn < 9; turn += 1)
      named.take(started(turn, { type: "tool_use", id: piece, name: "n" }));
  }).toThrow(AnswerTooLarge);
});

test("thinking without a signature is not sent back, nor anything without calls", () => {
  const answer = new AnthropicAnswer();
  answer.take(started(0, { type: "thinking", thinking: "", signature: "" }));
  answer.take(added(0, { type: "thinking_delta", thinking: "hm" }));
  answer.take(started(1, { type: "tool_use", id: "t", name: "n", input: {} }));
  expect(answer.end().some(({ type }) => type === "state")).toBe(false);
  const quiet = new AnthropicAnswer();
  quiet.take(started(0, { type: "thinking", thinking: "x", signature: "s" }));
  expect(quiet.end()).toEqual([{ type: "end", reason: "stop" }]);
});

const EMPTY = [null, 7, "text", [], {}, { type: "message_start" }, { type: "message_delta", delta: null }];

test.each(EMPTY.map((event) => [JSON.stringify(event), event]))(
  "event %s says nothing and breaks nothing",
  (_, event) => {
    const answer = new AnthropicAnswer();
    expect(answer.take(event)).toEqual([]);
    expect(answer.isFinished).toBe(false);
    expect(answer.end()).toEqual([{ type: "end", reason: "stop" }]);
  },
);
