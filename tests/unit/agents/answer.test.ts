import { expect, test } from "bun:test";
import { Answer, AnswerTooLarge } from "../../../src/agents/answer.ts";

/** What an answer of these chunks' deltas says. */
function eventsOf(deltas: readonly unknown[], finish?: string) {
  const answer = new Answer();
  const events = deltas.flatMap((delta) => answer.take({ choices: [{ delta }] }));
  if (finish !== undefined) answer.take({ choices: [{ delta: {}, finish_reason: finish }] });
  return [...events, ...answer.end()];
}

function callsOf(parts: readonly (readonly unknown[])[], finish?: string) {
  const events = eventsOf(
    parts.map((part) => ({ tool_calls: part })),
    finish,
  );
  return events.filter((event) => event.type === "tool_call").map(({ id, name, args }) => [id, name, args]);
}

const named = (name: string, args: string) => ({ function: { name, arguments: args } });

const EMPTY_CHUNKS = [
  null,
  7,
  "text",
  [],
  {},
  { choices: null },
  { choices: [] },
  { choices: [null] },
  { choices: [{}] },
  { choices: [{ delta: null }] },
  { choices: [{ delta: { content: null, tool_calls: null } }] },
  { choices: [{ delta: { content: { text: "a" }, reasoning: 5 } }] },
  { usage: null },
  { usage: { prompt_tokens: -1, completion_tokens: "3" } },
];

test.each(EMPTY_CHUNKS.map((chunk) => [JSON.stringify(chunk), chunk]))(
  "chunk %s says nothing and breaks nothing",
  (_, chunk) => {
    const answer = new Answer();
    expect(answer.take(chunk)).toEqual([]);
    expect(answer.isFinished).toBe(false);
    expect(answer.end()).toEqual([{ type: "end", reason: "stop" }]);
  },
);

test("text said twice under two names is said once", () => {
  expect(eventsOf([{ reasoning_content: "hm", reasoning: "hm" }])[0]).toEqual({
    type: "thinking",
    text: "hm",
  });
  expect(eventsOf([{ reasoning_content: "hm", reasoning: "hm" }])).toHaveLength(2);
});

test("a refusal is text", () => {
  expect(eventsOf([{ content: null, refusal: "I will not" }])[0]).toEqual({
    type: "text",
    text: "I will not",
  });
});

test("of several usages the last counts, missing halves are 0", () => {
  const answer = new Answer();
  answer.take({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } });
  answer.take({ choices: [], usage: { completion_tokens: 9 } });
  expect(answer.end()[0]).toEqual({ type: "usage", inputTokens: 0, outputTokens: 9 });
});

test.each([
  [
    "mixed by index",
    [
      [
        { index: 0, id: "a", ...named("x", "") },
        { index: 1, id: "b", ...named("y", "") },
      ],
      [{ index: 1, function: { arguments: "2" } }],
      [{ index: 0, function: { arguments: "1" } }],
    ],
    [
      ["a", "x", "1"],
      ["b", "y", "2"],
    ],
  ],
  [
    "all numbered 0",
    [
      [{ index: 0, id: "a", ...named("x", "1") }],
      [{ index: 0, id: "b", ...named("y", "2") }],
      [{ index: 0, function: { arguments: "3" } }],
    ],
    [
      ["a", "x", "1"],
      ["b", "y", "23"],
    ],
  ],
  [
    "the id repeated",
    [[{ index: 0, id: "a", ...named("x", "1") }], [{ index: 0, id: "a", ...named("x", "2") }]],
    [["a", "x", "12"]],
  ],
  [
    "the id late",
    [[{ index: 0, ...named("x", "1") }], [{ index: 0, id: "a", function: { arguments: "2" } }]],
    [["a", "x", "12"]],
  ],
  [
    "no index",
    [
      [{ id: "a", ...named("x", "1") }],
      [{ id: "b", ...named("y", "2") }],
      [{ function: { arguments: "3" } }],
    ],
    [
      ["a", "x", "1"],
      ["b", "y", "23"],
    ],
  ],
  [
    "neither index nor id",
    [[named("x", "1"), named("y", "2")], [{ function: { arguments: "3" } }]],
    [
      ["call_0", "x", "1"],
      ["call_1", "y", "23"],
    ],
  ],
  [
    "arguments as an object",
    [[{ index: 0, id: "a", function: { name: "x", arguments: { deep: [1] } } }]],
    [["a", "x", '{"deep":[1]}']],
  ],
  ["without a name", [[{ index: 0, id: "a", function: { arguments: "1" } }]], []],
])("tool calls: %s", (_, parts, calls) => {
  expect(callsOf(parts)).toEqual(calls);
});

test("a call cut by the length limit is no call, a whole one is", () => {
  const parts = [
    [
      { index: 0, id: "a", ...named("x", "{}") },
      { index: 1, id: "b", ...named("y", '{"pa') },
    ],
  ];
  expect(callsOf(parts, "length")).toEqual([["a", "x", "{}"]]);
  expect(callsOf(parts, "tool_calls")).toHaveLength(2);
});

test("an answer with tool calls never just stops", () => {
  expect(eventsOf([{ tool_calls: [{ index: 0, id: "a", ...named("x", "{}") }] }], "stop").at(-1)).toEqual({
    type: "end",
    reason: "tool_calls",
  });
});

test("calls and their arguments have a bound", () => {
  const many = Array.from({ length: 129 }, (_, index) => ({ index, id: `c${index}`, ...named("x", "") }));
  expect(() => callsOf([many])).toThrow(AnswerTooLarge);
  expect(callsOf([many.slice(1)])).toHaveLength(128);
  const piece = { index: 0, function: { arguments: "a".repeat(1_000_001) } };
  expect(() => callsOf([[piece], [piece]])).toThrow(AnswerTooLarge);
  const large = (index: number) => ({ index, id: `c${index}`, ...named("x", "a".repeat(1_999_000)) });
  expect(callsOf([[0, 1, 2, 3].map(large)])).toHaveLength(4);
  expect(() => callsOf([[0, 1, 2, 3].map(large), [large(4)]])).toThrow(AnswerTooLarge);
  const longId = (index: number) => ({ index, id: `${index}`.repeat(2_000_001), ...named("x", "") });
  expect(() => callsOf([[0, 1, 2, 3].map(longId)])).toThrow(AnswerTooLarge);
});
