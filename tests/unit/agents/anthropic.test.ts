import { afterEach, expect, test } from "bun:test";
import { createAnthropicProvider } from "../../../src/agents/anthropic.ts";
import type { Endpoint, ModelSettings } from "../../../src/agents/endpoint.ts";
import type { ChatModel, ModelEvent } from "../../../src/agents/model.ts";
import {
  type AnthropicBehaviour,
  type AnthropicServer,
  type AnthropicServerOptions,
  startAnthropicServer,
} from "../../support/anthropic-server.ts";
import { sse } from "../../support/anthropic-events.ts";
import { createFakeTime } from "../../support/time.ts";
import { ask, faultOf, message, never, realClock, realTimers, requestOf, textOf } from "./kit.ts";

const KEY = "sk-ant-test-0123456789abcdef";
const running: AnthropicServer[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

async function start(options: AnthropicServerOptions = {}): Promise<AnthropicServer> {
  const server = await startAnthropicServer(options);
  running.push(server);
  return server;
}

type More = Partial<Endpoint & ModelSettings>;

function modelOf(server: AnthropicServer, more: More = {}, ports = realPorts): ChatModel {
  const { provider = "test", baseUrl = server.url, apiKey, ...settings } = more;
  const endpoint = { provider, baseUrl, ...(apiKey !== undefined && { apiKey }) };
  const own = { model: "claude-x", contextWindow: 200_000, seesImages: true, ...settings };
  return createAnthropicProvider(endpoint, ports)(own);
}

const realPorts = { fetch, timers: realTimers, clock: realClock };

async function answered(behaviour: AnthropicBehaviour, more: More = {}) {
  const server = await start();
  server.queue(behaviour);
  const heard = await ask(modelOf(server, more));
  return { ...heard, host: new URL(server.url).host, server };
}

const text = (...pieces: string[]) => ({ type: "text", text: pieces }) as const;
const thinking = (signature: string, ...pieces: string[]) =>
  ({ type: "thinking", thinking: pieces, signature }) as const;
const use = (id: string, name: string, args: string) => ({ type: "tool_use", id, name, args }) as const;
const call = (id: string, name: string, args: string, more: object = {}) =>
  ({ type: "tool_call", id, name, args, ...more }) as const;
const TOOL = { name: "read", description: "Reads", inputSchema: { type: "object", properties: {} } };

// --- answers ---

test("a streamed answer arrives in order and whole, however its bytes are split", async () => {
  const pieces = ["Grüße, ", "世界 ", "👩‍👩‍👧‍👦", ' and "quotes"\n'];
  const usage = {
    input_tokens: 10,
    cache_creation_input_tokens: 200,
    cache_read_input_tokens: 3_000,
    output_tokens: 42,
  };
  const { events, error } = await answered({
    kind: "answer",
    blocks: [thinking("sig", "hm ", "…"), text(...pieces)],
    usage,
  });
  expect(error).toBeUndefined();
  expect(events).toEqual([
    { type: "thinking", text: "hm " },
    { type: "thinking", text: "…" },
    ...pieces.map((piece) => ({ type: "text" as const, text: piece })),
    { type: "usage", inputTokens: 3_210, outputTokens: 42, cachedTokens: 3_000 },
    { type: "end", reason: "stop" },
  ]);
});

test.each([
  ["end_turn", "stop"],
  ["stop_sequence", "stop"],
  ["pause_turn", "stop"],
  ["max_tokens", "length"],
  ["model_context_window_exceeded", "length"],
  ["refusal", "filter"],
  ["something_new", "stop"],
] as const)("stop reason %s ends with %s", async (stop, reason) => {
  const { events } = await answered({ kind: "answer", blocks: [text("a")], stop });
  expect(events.at(-1)).toEqual({ type: "end", reason });
});

test("calls are whole, also without arguments; one cut by the bound is none", async () => {
  const blocks = [text("Looking. "), use("toolu_a", "read", '{"path":"ü"}'), use("toolu_b", "now", "")];
  const { events } = await answered({ kind: "answer", blocks });
  expect(events).toEqual([
    { type: "text", text: "Looking. " },
    call("toolu_a", "read", '{"path":"ü"}'),
    call("toolu_b", "now", "{}"),
    { type: "usage", inputTokens: 5, outputTokens: 7 },
    { type: "end", reason: "tool_calls" },
  ]);
  const cut = await answered({ kind: "answer", blocks: [use("a", "read", '{"pa')], stop: "max_tokens" });
  expect(cut.events.filter(({ type }) => type === "tool_call")).toEqual([]);
  expect(cut.events.at(-1)).toEqual({ type: "end", reason: "length" });
});

// --- requests ---

test("the request has the conversation, the tools, and marks for the cache", async () => {
  const server = await start();
  const image = { type: "image", mimeType: "image/png", data: "aGk=" } as const;
  const tiff = { type: "image", mimeType: "image/tiff", data: "aGk=" } as const;
  const { error } = await ask(modelOf(server), {
    messages: [
      message("system", "Be brief"),
      message("user", "look", image, tiff),
      message(
        "assistant",
        "Let me see. ",
        call("call.1", "read", '{"path":"x"}', { result: "X" }),
        call("call.1", "Run a thing!", "not json", { result: "no", isError: true }),
        "Both read. ",
        call("call.1", "read", "[1]"),
      ),
      message("user", "and?"),
      message("user", " ", "well?"),
    ],
    tools: [TOOL],
    states: [{ ref: "other/model", said: "not ours" }],
  });
  expect(error).toBeUndefined();
  const mark = { cache_control: { type: "ephemeral" } };
  expect(server.requests[0]?.body).toEqual({
    model: "claude-x",
    max_tokens: 32_000,
    stream: true,
    system: [{ type: "text", text: "Be brief", ...mark }],
    tools: [{ name: "read", description: "Reads", input_schema: { type: "object", properties: {} } }],
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "look" },
          { type: "image", source: { type: "base64", media_type: "image/png", data: "aGk=" } },
          { type: "text", text: "[an image that this model cannot see]" },
        ],
      },
      {
        role: "assistant",
        content: [
          { type: "text", text: "Let me see. " },
          { type: "tool_use", id: "call_1", name: "read", input: { path: "x" } },
          { type: "tool_use", id: "call_1_2", name: "Run_a_thing_", input: { text: "not json" } },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "call_1", content: "X" },
          { type: "tool_result", tool_use_id: "call_1_2", content: "no", is_error: true, ...mark },
        ],
      },
      {
        role: "assistant",
        content: [
          { type: "text", text: "Both read. " },
          { type: "tool_use", id: "call_1_3", name: "read", input: { value: [1] } },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "call_1_3", content: "cut off", is_error: true },
          { type: "text", text: "and?" },
          { type: "text", text: "well?", ...mark },
        ],
      },
    ],
  });
});

test("a conversation with calls is taken where no tools are offered, and none can be called", async () => {
  const server = await start();
  const { error } = await ask(
    modelOf(server, { maxTokens: 99 }),
    requestOf(message("assistant", call("a", "read", "{}", { result: "X" })), "sum up"),
  );
  expect(error).toBeUndefined();
  expect(server.requests[0]?.body).toMatchObject({
    max_tokens: 99,
    tools: [{ name: "read", input_schema: { type: "object" } }],
    tool_choice: { type: "none" },
    messages: [
      { role: "user", content: [{ type: "text", text: "[What was said before this is left out]" }] },
      { role: "assistant" },
      { role: "user" },
    ],
  });
});

test("signed thinking comes back as it was with the tools' answers, to its own model only", async () => {
  const server = await start();
  const blocks = [
    thinking("sig-1", "first ", "thought"),
    { type: "redacted_thinking", data: "opaque" } as const,
    text("Looking. "),
    thinking("sig-2", "more"),
    use("toolu_a", "read", '{"a":1}'),
    use("toolu_b", "read", '{"b":1}'),
  ];
  server.queue({ kind: "answer", blocks });
  const model = modelOf(server);
  const { events } = await ask(model, { ...requestOf("hello"), tools: [TOOL] });
  const states = events.flatMap((event) => (event.type === "state" ? [event.state] : []));
  expect(states).toHaveLength(1);
  const answer = message(
    "assistant",
    "Looking. ",
    call("toolu_a", "read", '{"a":1}', { result: "A" }),
    call("toolu_b", "read", '{"b":1}', { result: "B" }),
  );
  const request = { messages: [message("user", "hello"), answer], tools: [TOOL], states };
  expect((await ask(model, request)).error).toBeUndefined();
  const sent = (at: number): unknown => (server.requests[at]?.body["messages"] as unknown[] | undefined)?.[1];
  const calls = [
    { type: "tool_use", id: "toolu_a", name: "read", input: { a: 1 } },
    { type: "tool_use", id: "toolu_b", name: "read", input: { b: 1 } },
  ];
  expect(sent(1)).toEqual({
    role: "assistant",
    content: [
      { type: "thinking", thinking: "first thought", signature: "sig-1" },
      { type: "redacted_thinking", data: "opaque" },
      { type: "text", text: "Looking. " },
      { type: "thinking", thinking: "more", signature: "sig-2" },
      ...calls,
    ],
  });
  expect((await ask(modelOf(server, { model: "claude-y" }), request)).error).toBeUndefined();
  expect(sent(2)).toEqual({ role: "assistant", content: [{ type: "text", text: "Looking. " }, ...calls] });
});

test("the server is told the key and nothing about this machine", async () => {
  const server = await start({ apiKey: KEY });
  const { error } = await ask(modelOf(server, { apiKey: KEY, baseUrl: `${server.url}/v1/` }));
  expect(error).toBeUndefined();
  const { headers = {} } = server.requests[0] ?? {};
  expect(Object.keys(headers).toSorted()).toEqual([
    "accept",
    "accept-encoding",
    "anthropic-version",
    "connection",
    "content-length",
    "content-type",
    "host",
    "user-agent",
    "x-api-key",
  ]);
  expect(headers["x-api-key"]).toBe(KEY);
});

test("without a key none is sent, and the library reads nothing from the environment", async () => {
  const server = await start();
  const names = ["BASE_URL", "API_KEY", "AUTH_TOKEN", "PROFILE", "CUSTOM_HEADERS"].map(
    (name) => `ANTHROPIC_${name}`,
  );
  const before = names.map((name) => process.env[name]);
  for (const name of names) process.env[name] = "canary: canary";
  try {
    const { error } = await ask(modelOf(server));
    expect(error).toBeUndefined();
  } finally {
    for (const [at, name] of names.entries()) {
      const value = before[at];
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
  expect(JSON.stringify(server.requests[0])).not.toContain("canary");
  expect(server.requests[0]?.headers).not.toHaveProperty("x-api-key");
  expect(server.requests[0]?.headers).not.toHaveProperty("authorization");
});

// --- refusals ---

const QUICK = { "retry-after-ms": "1" };

test.each([
  [{ status: 400, message: "tools.0: no" }, "invalid_request", "HOST answered 400: tools.0: no", 1],
  [{ status: 401, message: `invalid x-api-key ${KEY}` }, "forbidden", "HOST refused the API key", 1],
  [{ status: 403, message: `key ${KEY} may not` }, "forbidden", "HOST refused access: key *** may not", 1],
  [{ status: 404, message: "model: claude-x" }, "not_found", "HOST does not have it: model: claude-x", 1],
  [{ status: 404, body: "<h1>Not Found</h1>" }, "not_found", "HOST answered 404; check baseUrl", 1],
  [
    { status: 400, message: "prompt is too long: 208310 tokens > 200000 maximum" },
    "too_large",
    "the conversation is longer than it can read: prompt is too long: 208310 tokens > 200000 maximum",
    1,
  ],
  [
    { status: 400, message: "input length and `max_tokens` exceed context limit: 197000 + 32000 > 200000" },
    "too_large",
    "the conversation is longer than it can read: input length and `max_tokens` exceed context limit: 197000 + 32000 > 200000",
    1,
  ],
  [
    { status: 413, message: "too big" },
    "too_large",
    "the conversation is longer than it can read: too big",
    1,
  ],
  [{ status: 429, message: "slow down", headers: QUICK }, "busy", "HOST asks to wait: slow down", 3],
  [{ status: 529, message: "Overloaded", headers: QUICK }, "busy", "HOST asks to wait: Overloaded", 3],
  [{ status: 500, message: "oh", headers: QUICK }, "unavailable", "HOST answered 500: oh", 3],
  [
    { status: 307, headers: { location: "http://127.0.0.1:1/" } },
    "unavailable",
    "HOST answered 307, a redirect; set baseUrl to its target",
    1,
  ],
] as const)("status %o is %s", async (reply, code, state, requests) => {
  const server = await start();
  for (let at = 0; at < 3; at += 1) server.queue({ kind: "status", ...reply });
  const { error, events } = await ask(modelOf(server, { apiKey: KEY }));
  expect(faultOf(error)).toMatchObject({
    code,
    message: `Cannot use model "test/claude-x": ${state.replace("HOST", new URL(server.url).host)}`,
  });
  expect(JSON.stringify(error) + String(error)).not.toContain(KEY);
  expect(events).toEqual([]);
  expect(server.requests).toHaveLength(requests);
});

test("a long wait is handed on, not slept through", async () => {
  const { error, server } = await answered({
    kind: "status",
    status: 429,
    headers: { "retry-after": "120" },
  });
  expect(faultOf(error)).toMatchObject({ code: "busy", retryAfterMs: 120_000 });
  expect(server.requests).toHaveLength(1);
});

test("a server that is not there is unavailable, by its address", async () => {
  const server = await start();
  await server.stop();
  const { error } = await ask(modelOf(server));
  const { host } = new URL(server.url);
  expect(faultOf(error)).toMatchObject({
    code: "unavailable",
    message: `Cannot use model "test/claude-x": ${host} refused the connection; is it running?`,
  });
});

// --- hostile streams ---

const began = sse("message_start", { message: { usage: { input_tokens: 1 } } });
const said =
  began +
  sse("content_block_start", { index: 0, content_block: { type: "text", text: "" } }) +
  sse("content_block_delta", { index: 0, delta: { type: "text_delta", text: "a" } });

test.each([
  ["overloaded_error", "busy", "HOST asks to wait: Overloaded"],
  ["rate_limit_error", "busy", "HOST asks to wait: Overloaded"],
  ["api_error", "unavailable", "HOST answered 500: Overloaded"],
  ["authentication_error", "forbidden", "HOST refused the API key"],
  ["invalid_request_error", "invalid_request", "HOST answered 400: Overloaded"],
  ["new_error", "unavailable", "HOST broke off: Overloaded"],
] as const)("an error event %s speaks for itself", async (type, code, state) => {
  const body = said + sse("error", { error: { type, message: "Overloaded" } });
  const { error, text: heard, host } = await answered({ kind: "raw", body });
  expect(heard).toBe("a");
  expect(faultOf(error)).toMatchObject({
    code,
    message: `Cannot use model "test/claude-x": ${state.replace("HOST", host)}`,
  });
});

test.each(["reset", "close", "mid_event"] as const)(
  "a stream cut by %s keeps what came and says so",
  async (how) => {
    const server = await start();
    server.queue({ kind: "cut", how, blocks: [text("Once ", "upon ")] });
    const stream = modelOf(server).complete(requestOf("hello"), never())[Symbol.asyncIterator]();
    const events = [await stream.next(), await stream.next()].map(({ value }) => value as ModelEvent);
    expect(textOf(events)).toBe("Once upon ");
    (await server.next()).release();
    const error: unknown = await stream.next().catch((thrown: unknown) => thrown);
    expect(faultOf(error)).toMatchObject({
      code: "unavailable",
      message: 'Cannot use model "test/claude-x": the stream was cut off',
    });
    expect(server.requests).toHaveLength(1);
  },
);

test("an answer is whole with a stop reason or an end mark, either alone", async () => {
  const unmarked = await answered({ kind: "answer", blocks: [text("a")], done: false });
  expect(unmarked.error).toBeUndefined();
  expect(unmarked.events.at(-1)).toEqual({ type: "end", reason: "stop" });
  const unfinished = await answered({ kind: "raw", body: said + sse("message_stop", {}) });
  expect(unfinished.error).toBeUndefined();
  expect(unfinished.events.at(-1)).toEqual({ type: "end", reason: "stop" });
});

test("a page instead of a stream is named", async () => {
  const page = { kind: "raw", headers: { "content-type": "text/html" }, body: "<p>Hi</p>" } as const;
  const { error, host } = await answered(page);
  expect(faultOf(error)).toMatchObject({
    code: "unavailable",
    message: `Cannot use model "test/claude-x": ${host} sent text/html, not an event stream; check baseUrl`,
  });
});

test("an event that is no JSON ends it as cut off", async () => {
  const { error, text: heard } = await answered({
    kind: "raw",
    body: `${said}event: content_block_delta\ndata: {nonsense\n\n`,
  });
  expect(heard).toBe("a");
  expect(faultOf(error).message).toEndWith("the stream was cut off");
});

test("events that make no sense say nothing and break nothing", async () => {
  const odd = [
    sse("content_block_delta", { index: 7, delta: { type: "text_delta", text: "lost" } }),
    sse("content_block_delta", { index: "0", delta: { type: "text_delta", text: "lost" } }),
    sse("content_block_delta", { index: 0 }),
    sse("content_block_delta", { index: 0, delta: { type: "text_delta", text: 5 } }),
    sse("content_block_delta", { index: 0, delta: { type: "citations_delta", citation: {} } }),
    sse("content_block_start", { index: 0, content_block: { type: "text", text: "again" } }),
    sse("content_block_start", { index: 1 }),
    sse("content_block_start", { index: 2, content_block: { type: "server_tool_use", id: "x", name: "y" } }),
    sse("content_block_start", { index: 3, content_block: { type: "tool_use", id: 4, name: null } }),
    sse("content_block_start", { index: -1, content_block: { type: "text", text: "no" } }),
    sse("message_delta", {}),
    sse("message_delta", { usage: { output_tokens: -4, input_tokens: "3" } }),
    "event: message_delta\ndata: null\n\n",
    "event: message_delta\ndata: []\n\n",
    sse("something_new", { a: 1 }),
    ": a comment\n\n",
  ];
  const { error, events } = await answered({
    kind: "raw",
    body: said + odd.join("") + sse("message_stop", {}),
  });
  expect(error).toBeUndefined();
  expect(events).toEqual([
    { type: "text", text: "a" },
    { type: "usage", inputTokens: 1, outputTokens: 0 },
    { type: "end", reason: "stop" },
  ]);
});

test("a call that comes whole at its start is taken, the same id twice is one call", async () => {
  const start = (index: number, input: unknown) =>
    sse("content_block_start", { index, content_block: { type: "tool_use", id: "t", name: "read", input } });
  const body = began + start(0, { deep: [1] }) + start(1, {}) + sse("message_stop", {});
  const { events } = await answered({ kind: "raw", body });
  expect(events[0]).toEqual(call("t", "read", '{"deep":[1]}'));
  expect(events.filter(({ type }) => type === "tool_call")).toHaveLength(1);
  expect(events.at(-1)).toEqual({ type: "end", reason: "tool_calls" });
});

// --- abort and silence ---

test("an abort in the middle closes the request and keeps what came", async () => {
  const server = await start();
  server.queue({ kind: "stall", blocks: [text("Once ")] });
  const controller = new AbortController();
  const stream = modelOf(server).complete(requestOf("hello"), controller.signal)[Symbol.asyncIterator]();
  expect(await stream.next()).toEqual({ done: false, value: { type: "text", text: "Once " } });
  const request = await server.next();
  const last = stream.next();
  controller.abort();
  expect(await last).toEqual({ done: true, value: undefined });
  expect(await request.ended).toMatchObject({ how: "aborted" });
});

test("an abort before the first byte closes the request, one before asks nothing", async () => {
  const server = await start();
  server.queue({ kind: "stall" });
  const controller = new AbortController();
  const heard = ask(modelOf(server), requestOf("hello"), controller.signal);
  const request = await server.next();
  controller.abort();
  expect(await request.ended).toMatchObject({ how: "aborted" });
  expect(await heard).toMatchObject({ events: [], error: undefined });
  await ask(modelOf(server), requestOf("hello"), AbortSignal.abort());
  expect(server.requests).toHaveLength(1);
});

test("who stops listening stops the request", async () => {
  const server = await start();
  server.queue({ kind: "stall", blocks: [text("a")] });
  for await (const event of modelOf(server).complete(requestOf("hello"), never()))
    if (event.type === "text") break;
  expect(await (await server.next()).ended).toMatchObject({ how: "aborted" });
});

test("a server that falls silent is given up", async () => {
  const server = await start();
  const { timers, clock, advance, pending } = createFakeTime();
  const model = modelOf(server, {}, { fetch, timers, clock });
  server.queue({ kind: "stall" });
  const heard = ask(model);
  const request = await server.next();
  advance(600_000);
  expect(await request.ended).toMatchObject({ how: "aborted" });
  expect(faultOf((await heard).error).message).toEndWith("went silent");
  server.queue({ kind: "stall", blocks: [text("Once ")] });
  const stream = model.complete(requestOf("hello"), never())[Symbol.asyncIterator]();
  await stream.next();
  const second = stream.next();
  advance(300_000);
  const error: unknown = await second.catch((thrown: unknown) => thrown);
  expect(faultOf(error).message).toEndWith("went silent");
  expect(pending()).toBe(0);
});

test("an answer with a stop reason is whole, and its end mark is not waited for long", async () => {
  const server = await start();
  const { timers, clock, advance, pending } = createFakeTime();
  const model = modelOf(server, {}, { fetch, timers, clock });
  server.queue({ kind: "answer", blocks: [text("a")], gated: true });
  const stream = model.complete(requestOf("hello"), never())[Symbol.asyncIterator]();
  const first = stream.next();
  const request = await server.next();
  // All but the end mark: start, ping, block start, its delta and end, and the stop reason.
  request.release(6);
  expect(await first).toMatchObject({ value: { type: "text" } });
  const rest = stream.next();
  // The stop reason is on its way: time passes until it has come and shortened the wait.
  const passing = setInterval(() => advance(100), 1);
  expect(await rest).toMatchObject({ value: { type: "usage" } });
  clearInterval(passing);
  expect(clock.elapsed()).toBeLessThan(300_000);
  expect(await stream.next()).toMatchObject({ value: { type: "end", reason: "stop" } });
  expect((await stream.next()).done).toBe(true);
  expect(pending()).toBe(0);
});
