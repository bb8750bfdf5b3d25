import { expect, test } from "bun:test";
import { Exchange, type FetchLike, readStart, retryAfterMs } from "../../../src/agents/exchange.ts";
import { createFakeTime } from "../../support/time.ts";
import { never, realTimers } from "./kit.ts";

const { clock } = createFakeTime(Date.UTC(2026, 0, 1));
const MIB = 1024 * 1024;

function exchangeOver(fetch: FetchLike, signal = never()): Exchange {
  return new Exchange(signal, { fetch, headers: {}, timers: realTimers, clock });
}

test.each([
  [{ "retry-after": "0" }, 0],
  [{ "retry-after": "7" }, 7_000],
  [{ "retry-after": "0.25" }, 250],
  [{ "retry-after": "Thu, 01 Jan 2026 00:00:30 GMT" }, 30_000],
  [{ "retry-after": "Wed, 31 Dec 2025 23:59:00 GMT" }, 0],
  [{ "retry-after": "-5" }, undefined],
  [{ "retry-after": "soon" }, undefined],
  [{ "retry-after": "1e99" }, undefined],
  [{ "retry-after-ms": "12.5", "retry-after": "7" }, 13],
  [{ "retry-after-ms": "x", "retry-after": "7" }, 7_000],
  [{}, undefined],
])("the wait of %o is %p ms", (headers, ms) => {
  expect(retryAfterMs(new Headers(headers as Record<string, string>), clock)).toBe(ms);
});

test.each([
  ["10", null],
  ["11", "false"],
])("a wait of %s s is slept through unless marked otherwise: %p", async (seconds, mark) => {
  const exchange = exchangeOver(
    async () => new Response("", { status: 503, headers: { "retry-after": seconds } }),
  );
  const response = await exchange.fetch("http://127.0.0.1/");
  exchange.stop();
  expect(response.headers.get("x-should-retry")).toBe(mark);
});

/** A body without an end, counting what was taken of it. */
function endless(bytes: Uint8Array): { body: ReadableStream<Uint8Array>; taken: () => number } {
  let taken = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      taken += bytes.length;
      controller.enqueue(bytes);
    },
  });
  return { body, taken: () => taken };
}

test("a line without an end is given up, and lines of which none ends an event", async () => {
  const line = endless(new Uint8Array(MIB).fill(0x61));
  const long = exchangeOver(async () => new Response(line.body));
  const reader = (await long.fetch("http://127.0.0.1/")).body?.getReader();
  while (!long.signal.aborted) await reader?.read();
  expect(long.fault).toBe("endless_event");
  expect(line.taken()).toBeLessThanOrEqual(12 * MIB);

  const lines = endless(new TextEncoder().encode(`data: ${"a".repeat(MIB)}\n`));
  const many = exchangeOver(async () => new Response(lines.body));
  const next = (await many.fetch("http://127.0.0.1/")).body?.getReader();
  while (!many.signal.aborted) await next?.read();
  expect(many.fault).toBe("endless_event");
  expect(lines.taken()).toBeLessThanOrEqual(12 * MIB);
});

test.each([
  ["two newlines", ["\n\n"]],
  ["newlines in two pieces", ["\n", "\n"]],
  ["both characters", ["\r\n\r\n"]],
  ["both characters, each in a piece", ["\r", "\n", "\r", "\n"]],
  ["returns", ["\r\r"]],
  ["returns in two pieces", ["\r", "\r"]],
])("many events are not too many: %s", async (_, ends) => {
  const pieces = [`data: ${"a".repeat(MIB)}`, ...ends].map((piece) => new TextEncoder().encode(piece));
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(pieces[sent++ % pieces.length] ?? new Uint8Array()),
  });
  const exchange = exchangeOver(async () => new Response(body));
  const reader = (await exchange.fetch("http://127.0.0.1/")).body?.getReader();
  while (sent < 20 * pieces.length) {
    await reader?.read();
    exchange.heard(sent);
  }
  expect(exchange.fault).toBeUndefined();
  exchange.stop();
});

test.each([
  ["bytes", `data: ${"a".repeat(64 * 1_024)}\n\n`, 8 * MIB],
  ["lines", ": x\n\n", 50_000 * 5],
])(
  "what says nothing is given up after so many %s, counted anew after each word",
  async (_, event, bytesMax) => {
    const { body } = endless(new TextEncoder().encode(event));
    const exchange = exchangeOver(async () => new Response(body));
    const reader = (await exchange.fetch("http://127.0.0.1/")).body?.getReader();
    const readTo = async (bytes: number): Promise<void> => {
      for (let read = 0; read < bytes && !exchange.signal.aborted;)
        read += (await reader?.read())?.value?.length ?? 0;
    };
    await readTo(bytesMax * 0.9);
    exchange.heard(1);
    await readTo(bytesMax * 0.9);
    expect(exchange.fault).toBeUndefined();
    // No word more.
    exchange.heard(1);
    await readTo(bytesMax * 0.2);
    expect(exchange.fault).toBe("wordless");
  },
);

test("nothing of a body is taken before it is asked for, and others have their turns between its pieces", async () => {
  const { body, taken } = endless(new Uint8Array(MIB));
  const exchange = exchangeOver(async () => new Response(body));
  const { body: watched } = await exchange.fetch("http://127.0.0.1/");
  // What the body itself keeps ready, and no more.
  const ready = taken();
  const reader = watched?.getReader();
  await Promise.resolve();
  expect(taken()).toBe(ready);
  let turns = 0;
  const counter = setInterval(() => (turns += 1), 0);
  for (let read = 0; read < MIB;) read += (await reader?.read())?.value?.length ?? 0;
  clearInterval(counter);
  exchange.stop();
  expect(turns).toBeGreaterThan(10);
  expect(taken()).toBeLessThanOrEqual(ready + MIB);
});

test("of an endless error only the start is read", async () => {
  const { body, taken } = endless(new TextEncoder().encode("no! ".repeat(1_024)));
  const exchange = exchangeOver(async () => new Response(body, { status: 500 }));
  const text = await (await exchange.fetch("http://127.0.0.1/")).text();
  exchange.stop();
  expect(text).toStartWith("no! no! ");
  expect(taken()).toBeLessThanOrEqual(128 * 1_024);
});

test("an error without a body stays without one", async () => {
  const exchange = exchangeOver(async () => new Response(null, { status: 304 }));
  const response = await exchange.fetch("http://127.0.0.1/");
  exchange.stop();
  expect(response.status).toBe(304);
});

test("the start of a body keeps characters whole over its pieces", async () => {
  const bytes = new TextEncoder().encode("Grüße");
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  expect(await readStart(body, 1_000)).toBe("Grüße");
});

test("the end mark is seen in pieces, and only at the end", async () => {
  const pieces = ['data: {"a":1}\n\nda', "ta: [DO", "NE]\n", "\n"];
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  });
  const exchange = exchangeOver(async () => new Response(body));
  const reader = (await exchange.fetch("http://127.0.0.1/")).body?.getReader();
  expect(exchange.isDone).toBe(false);
  while (!(await reader?.read())?.done);
  expect(exchange.isDone).toBe(true);
  exchange.stop();
});

test("an exchange ends with its caller, also with one that has ended before", () => {
  const caller = new AbortController();
  const exchange = exchangeOver(async () => new Response(""), caller.signal);
  expect(exchange.signal.aborted).toBe(false);
  caller.abort();
  expect(exchange.signal.aborted).toBe(true);
  expect(exchangeOver(async () => new Response(""), AbortSignal.abort()).signal.aborted).toBe(true);
});

test("a whole answer is not held up by bytes that go on coming", async () => {
  const time = createFakeTime();
  const { body } = endless(new TextEncoder().encode(": x\n\n"));
  const { timers, clock: now } = time;
  const exchange = new Exchange(never(), {
    fetch: async () => new Response(body),
    headers: {},
    timers,
    clock: now,
  });
  const reader = (await exchange.fetch("http://127.0.0.1/")).body?.getReader();
  for (let passed = 0; passed < 2_000; passed += 500) {
    expect(exchange.signal.aborted).toBe(false);
    await reader?.read();
    exchange.settle();
    time.advance(500);
  }
  expect(exchange.fault).toBe("silent");
});

test("bytes that come after the end set no timer", async () => {
  const time = createFakeTime();
  const { body } = endless(Uint8Array.of(0x0a));
  const ports = {
    fetch: async () => new Response(body),
    headers: {},
    timers: time.timers,
    clock: time.clock,
  };
  const exchange = new Exchange(never(), ports);
  const reader = (await exchange.fetch("http://127.0.0.1/")).body?.getReader();
  await reader?.read();
  expect(time.pending()).toBe(1);
  exchange.stop();
  await reader?.read();
  await reader?.read();
  expect(time.pending()).toBe(0);
});
