import { expect, test } from "bun:test";
import { createEchoRuntime } from "../../../src/agents/echo.ts";
import type { Timers } from "../../../src/ports.ts";
import { createFakeTime } from "../../support/time.ts";
import { listen, message, textOf, turnOf } from "./kit.ts";

/** Timers that never wait and add up what was asked for. */
function createQuickTimers(): { timers: Timers; waitedMs: () => number } {
  let waitedMs = 0;
  const { timers, advance } = createFakeTime();
  return {
    waitedMs: () => waitedMs,
    timers: {
      ...timers,
      after(ms, work) {
        waitedMs += ms;
        const stop = timers.after(ms, work);
        advance(ms);
        return stop;
      },
    },
  };
}

test("the last message of the user comes back word by word", async () => {
  const { timers, waitedMs } = createQuickTimers();
  const turn = turnOf("first", message("assistant", "You said: first"), "Is anybody home?");
  const { events, error } = await listen(createEchoRuntime(timers), turn);
  expect(error).toBeUndefined();
  expect(events).toEqual([
    ...["You ", "said: ", "Is ", "anybody ", "home?"].map((text) => ({ type: "text" as const, text })),
    { type: "usage", inputTokens: 7, outputTokens: 5 },
    { type: "end", reason: "stop" },
  ]);
  expect(waitedMs()).toBe(4 * 20);
});

test.each(["  two  spaces\n\nand lines\t", "ohne-Zwischenraum", "👩‍👩‍👧‍👦 世界"])(
  "space and signs of %j stay as they are",
  async (said) => {
    const { text } = await listen(createEchoRuntime(createQuickTimers().timers), turnOf(said));
    expect(text).toBe(`You said: ${said}`);
  },
);

test.each([
  ["look", 2, "You said: look (2 images)"],
  ["look\n", 1, "You said: look (1 image)"],
  ["", 3, "You said: (3 images)"],
])("%j with %d images", async (said, count, answer) => {
  const image = { type: "image", mimeType: "image/png", data: "aGk=" } as const;
  const turn = turnOf(message("user", said, ...Array.from({ length: count }, () => image)));
  const { text } = await listen(createEchoRuntime(createQuickTimers().timers), turn);
  expect(text).toBe(answer);
});

test("what looks like a command is only said back", async () => {
  const { events, text } = await listen(
    createEchoRuntime(createQuickTimers().timers),
    turnOf('tool read {"path":"x"}'),
  );
  expect(text).toBe('You said: tool read {"path":"x"}');
  expect(new Set(events.map(({ type }) => type))).toEqual(new Set(["text", "usage", "end"]));
});

test("nothing said is answered too", async () => {
  const { text } = await listen(createEchoRuntime(createQuickTimers().timers), turnOf(" \n"));
  expect(text).toBe("You said nothing.");
});

test("a long text takes no longer than five seconds", async () => {
  const { timers, waitedMs } = createQuickTimers();
  const said = "word ".repeat(80_000);
  const { text } = await listen(createEchoRuntime(timers), turnOf(said));
  expect(text).toBe(`You said: ${said}`);
  expect(waitedMs()).toBeLessThanOrEqual(5_000);
});

test("an abort ends it between two words, without an end", async () => {
  const { timers, pending } = createFakeTime();
  const controller = new AbortController();
  const said = createEchoRuntime(timers).prompt(turnOf("a b c"), controller.signal)[Symbol.asyncIterator]();
  const first = await said.next();
  expect(textOf(first.done ? [] : [first.value])).toBe("You ");
  const second = said.next();
  expect(pending()).toBe(1);
  controller.abort();
  expect(await second).toEqual({ done: true, value: undefined });
  expect(pending()).toBe(0);
});

test("aborted before, it says nothing", async () => {
  const { events } = await listen(
    createEchoRuntime(createFakeTime().timers),
    turnOf("a"),
    AbortSignal.abort(),
  );
  expect(events).toEqual([]);
});
