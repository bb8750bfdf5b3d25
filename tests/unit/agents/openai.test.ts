import { afterEach, expect, test } from "bun:test";
import type { Endpoint, ModelSettings } from "../../../src/agents/endpoint.ts";
import type { ChatModel } from "../../../src/agents/model.ts";
import { createOpenAiProvider } from "../../../src/agents/openai.ts";
import {
  type Behaviour,
  type OpenAiServer,
  type OpenAiServerOptions,
  startOpenAiServer,
} from "../../support/openai-server.ts";
import { createFakeTime } from "../../support/time.ts";
import { ask, faultOf, message, never, realClock, realTimers, requestOf, textOf } from "./kit.ts";

const KEY = "sk-test-0123456789abcdef";
const running: OpenAiServer[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

async function start(options: OpenAiServerOptions = {}): Promise<OpenAiServer> {
  const server = await startOpenAiServer(options);
  running.push(server);
  return server;
}

const settingsOf = (model: string, more: Partial<ModelSettings> = {}): ModelSettings => ({
  model,
  contextWindow: 32_768,
  seesImages: true,
  ...more,
});

function agentOf(server: OpenAiServer, more: Partial<Endpoint> = {}, model = "some/model"): ChatModel {
  const endpoint = { provider: "test", baseUrl: server.url, ...more };
  return createOpenAiProvider(endpoint, { fetch, timers: realTimers, clock: realClock })(settingsOf(model));
}

async function answered(behaviour: Behaviour, options: OpenAiServerOptions = {}) {
  const server = await start(options);
  server.queue(behaviour);
  const heard = await ask(agentOf(server));
  return { ...heard, host: new URL(server.url).host };
}

test("a streamed answer arrives in order and whole, however its bytes are split", async () => {
  const server = await start();
  const text = ["Grüße, ", "世界 ", "👩‍👩‍👧‍👦", ' and "quotes"\n'];
  const usage = { prompt_tokens: 12, completion_tokens: 34, total_tokens: 46 };
  server.queue({ kind: "answer", thinking: ["hm ", "…"], text, usage });
  const { events, error } = await ask(agentOf(server));
  expect(error).toBeUndefined();
  expect(events).toEqual([
    { type: "thinking", text: "hm " },
    { type: "thinking", text: "…" },
    ...text.map((piece) => ({ type: "text" as const, text: piece })),
    { type: "usage", inputTokens: 12, outputTokens: 34 },
    { type: "end", reason: "stop" },
  ]);
});

test("the request carries the conversation, the model's whole name and the wish for usage", async () => {
  const server = await start();
  const system = message("system", "Be brief");
  const said = message("assistant", "Hi");
  await ask(agentOf(server), requestOf(system, "hello", said, "again"));
  expect(server.requests[0]?.body).toEqual({
    model: "some/model",
    stream: true,
    stream_options: { include_usage: true },
    messages: [
      { role: "system", content: "Be brief" },
      { role: "user", content: "hello" },
      { role: "assistant", content: "Hi" },
      { role: "user", content: "again" },
    ],
  });
});

test("the server is told the key and nothing about this machine", async () => {
  const server = await start({ apiKey: KEY });
  const { error } = await ask(agentOf(server, { apiKey: KEY }));
  expect(error).toBeUndefined();
  const { headers = {} } = server.requests[0] ?? {};
  expect(Object.keys(headers).toSorted()).toEqual([
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "host",
    "user-agent",
  ]);
  expect(headers["authorization"]).toBe(`Bearer ${KEY}`);
});

test("without a key no credential is sent", async () => {
  const server = await start();
  await ask(agentOf(server));
  expect(server.requests[0]?.headers).not.toHaveProperty("authorization");
});

test("the library reads nothing from the environment", async () => {
  const server = await start();
  const names = ["BASE_URL", "API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "CUSTOM_HEADERS"].map(
    (name) => `OPENAI_${name}`,
  );
  const before = names.map((name) => process.env[name]);
  for (const name of names) process.env[name] = "canary: canary";
  try {
    const { error } = await ask(agentOf(server));
    expect(error).toBeUndefined();
  } finally {
    for (const [at, name] of names.entries()) {
      const value = before[at];
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
  expect(JSON.stringify(server.requests[0])).not.toContain("canary");
});

// --- tools and images ---

const call = (id: string, name: string, args: string, more: object = {}) =>
  ({ type: "tool_call", id, name, args, ...more }) as const;

test("tools, their calls with answers and images go out as the interface has them", async () => {
  const server = await start();
  const image = { type: "image", mimeType: "image/png", data: "aGk=" } as const;
  const tool = { name: "files__read", description: "Reads", inputSchema: { type: "object" } };
  const request = {
    messages: [
      message("user", "look", image),
      message(
        "assistant",
        "Let me see. ",
        call("a", "files__read", '{"path":"x"}', { result: "X" }),
        call("b", "files__read", "", { result: "no", isError: true }),
        "Both read. ",
        call("a", "odd name!", "not json"),
      ),
      message("user", "and?"),
    ],
    tools: [tool],
    states: [{ ref: "other/model", answer: "not ours" }],
  };
  const { error } = await ask(agentOf(server), request);
  expect(error).toBeUndefined();
  const sent = (id: string, name: string, args: string) => ({
    id,
    type: "function",
    function: { name, arguments: args },
  });
  expect(server.requests[0]?.body).toMatchObject({
    tools: [
      {
        type: "function",
        function: { name: "files__read", description: "Reads", parameters: { type: "object" } },
      },
    ],
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "look" },
          { type: "image_url", image_url: { url: "data:image/png;base64,aGk=" } },
        ],
      },
      {
        role: "assistant",
        content: "Let me see. ",
        tool_calls: [sent("a", "files__read", '{"path":"x"}'), sent("b", "files__read", "{}")],
      },
      { role: "tool", tool_call_id: "a", content: "X" },
      { role: "tool", tool_call_id: "b", content: "no" },
      {
        role: "assistant",
        content: "Both read. ",
        tool_calls: [sent("a_2", "odd_name_", '{"text":"not json"}')],
      },
      { role: "tool", tool_call_id: "a_2", content: "cut off" },
      { role: "user", content: "and?" },
    ],
  });
});

test("a model that sees no images is told there was one", async () => {
  const server = await start();
  const model = createOpenAiProvider(
    { provider: "test", baseUrl: server.url },
    { fetch, timers: realTimers, clock: realClock },
  )(settingsOf("m", { seesImages: false, maxTokens: 77 }));
  const image = { type: "image", mimeType: "image/png", data: "aGk=" } as const;
  await ask(model, requestOf(message("user", "look", image)));
  expect(server.requests[0]?.body).toMatchObject({
    max_tokens: 77,
    messages: [{ role: "user", content: "look\n[an image that this model cannot see]" }],
  });
});

test.each([
  "registry.example/library/m does not support tools",
  '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
  "`tool calling` is not supported with this model",
])("a model that refuses tools (%s) is asked without, from then on at once", async (words) => {
  const server = await start({ toolless: { plain: words } });
  const provider = createOpenAiProvider(
    { provider: "home", baseUrl: server.url },
    { fetch, timers: realTimers, clock: realClock },
  );
  const request = {
    ...requestOf("hello"),
    tools: [{ name: "t", description: "", inputSchema: { type: "object" } }],
  };
  for (const model of ["plain", "plain", "able"]) {
    const { text, error } = await ask(provider(settingsOf(model)), request);
    expect({ text, error }).toEqual({ text: "Heard: hello", error: undefined });
  }
  expect(server.requests.map(({ model, body }) => [model, "tools" in body])).toEqual([
    ["plain", true],
    ["plain", false],
    ["plain", false],
    ["able", true],
  ]);
});

test("what a server adds to its calls and its reasoning comes back with the tools' answers", async () => {
  const server = await start();
  const delta = {
    reasoning_content: "hm",
    tool_calls: [
      { index: 0, id: "c1", function: { name: "look", arguments: "{}" }, extra_content: { sign: "s" } },
    ],
  };
  const chunks = [{ delta }, { delta: {}, finish_reason: "tool_calls" }];
  const body = chunks.map((choice) => `data: ${JSON.stringify({ choices: [choice] })}\n\n`).join("");
  server.queue({ kind: "raw", body: `${body}data: [DONE]\n\n` });
  const model = agentOf(server);
  const { events } = await ask(model);
  const states = events.flatMap((event) => (event.type === "state" ? [event.state] : []));
  expect(states).toHaveLength(1);
  const messages = [
    message("user", "hello"),
    message("assistant", call("c1", "look", "{}", { result: "r" })),
  ];
  await ask(model, { messages, tools: [], states });
  expect(server.requests[1]?.body).toMatchObject({
    messages: [
      {},
      { reasoning_content: "hm", tool_calls: [{ id: "c1", extra_content: { sign: "s" } }] },
      { role: "tool" },
    ],
  });
  await ask(agentOf(server, {}, "another"), { messages, tools: [], states });
  expect(JSON.stringify(server.requests[2]?.body)).not.toMatch(/reasoning|sign/);
});

test("what the server had kept of the input is told", async () => {
  const usage = {
    prompt_tokens: 100,
    completion_tokens: 5,
    total_tokens: 105,
    prompt_tokens_details: { cached_tokens: 64 },
  };
  const { events } = await answered({ kind: "answer", text: ["a"], usage });
  expect(events).toContainEqual({ type: "usage", inputTokens: 100, outputTokens: 5, cachedTokens: 64 });
});

test.each([
  "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
  "Your input exceeds the context window of this model. Please adjust your input and try again.",
  "the request exceeds the available context size, try increasing it",
  "prompt too long; exceeded max context length by 77 tokens",
  "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
  "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
  "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
  "Please reduce the length of the messages or completion.",
  "too many tokens",
])("an overflow in the words %j is too_large", async (words) => {
  const { error } = await answered({ kind: "status", status: 400, message: words });
  expect(faultOf(error).code).toBe("too_large");
});

test("an overflow is known by its code, by its status and in the stream too", async () => {
  const coded = JSON.stringify({ error: { message: "no", code: "context_length_exceeded" } });
  const headers = { "content-type": "application/json" };
  const byCode = await answered({ kind: "status", status: 400, headers, body: coded });
  const byStatus = await answered({ kind: "status", status: 413, body: "<h1>Too Large</h1>" });
  const inStream = await answered({ kind: "raw", body: `data: ${coded}\n\n` });
  for (const { error } of [byCode, byStatus, inStream]) expect(faultOf(error).code).toBe("too_large");
  expect(faultOf(byCode.error).message).toBe(
    'Cannot use model "test/some/model": the conversation is longer than it can read: no',
  );
});

test("both names of reasoning are thinking", async () => {
  const server = await start();
  server.queue({ kind: "answer", thinking: ["so"], thinkingField: "reasoning", text: ["yes"] });
  const { events } = await ask(agentOf(server));
  expect(events.slice(0, 2)).toEqual([
    { type: "thinking", text: "so" },
    { type: "text", text: "yes" },
  ]);
});

test("tool calls whose pieces come mixed are put together, one event each", async () => {
  const server = await start();
  const toolCalls = [
    { id: "call_a", name: "read", args: '{"path":"/etc/hostname"}' },
    { id: "call_b", name: "list", args: '{"dir":"~","depth":2,"name":"ü"}' },
  ];
  server.queue({ kind: "answer", text: ["Looking. "], toolCalls });
  const { events } = await ask(agentOf(server));
  expect(events).toEqual([
    { type: "text", text: "Looking. " },
    ...toolCalls.map((call) => ({ type: "tool_call" as const, ...call })),
    { type: "usage", inputTokens: 1, outputTokens: 1 },
    { type: "end", reason: "tool_calls" },
  ]);
});

test.each([
  ["length", "length"],
  ["content_filter", "filter"],
  ["tool_calls", "tool_calls"],
  ["stop", "stop"],
  ["eos", "stop"],
] as const)("finish reason %s ends with %s", async (finish, reason) => {
  const { events } = await answered({ kind: "answer", text: ["a"], finish });
  expect(events.at(-1)).toEqual({ type: "end", reason });
});

test("a server that takes no stream_options is asked without them, from then on at once", async () => {
  const server = await start({ refusesStreamOptions: true });
  const provider = createOpenAiProvider(
    { provider: "old", baseUrl: server.url },
    { fetch, timers: realTimers, clock: realClock },
  );
  for (const word of ["one", "two"]) {
    const { text, error } = await ask(provider(settingsOf("m")), requestOf(word));
    expect(error).toBeUndefined();
    expect(text).toBe(`Heard: ${word}`);
  }
  expect(server.requests.map(({ body }) => "stream_options" in body)).toEqual([true, false, false]);
});

test("an answer without usage has none", async () => {
  const { events } = await answered({ kind: "answer", text: ["a"], usage: null });
  expect(events.map(({ type }) => type)).toEqual(["text", "end"]);
});

test("a 429 is tried again when the server says", async () => {
  const server = await start();
  server.queue({ kind: "status", status: 429, headers: { "retry-after": "0" } });
  const { text, error } = await ask(agentOf(server));
  expect(error).toBeUndefined();
  expect(text).toBe("Heard: hello");
  expect(server.requests).toHaveLength(2);
});

test("a wait longer than a person would is handed on, not slept through", async () => {
  const server = await start();
  server.queue({
    kind: "status",
    status: 429,
    headers: { "retry-after": "120" },
    message: "Too many tokens.",
  });
  const { error } = await ask(agentOf(server));
  expect(faultOf(error)).toEqual({
    code: "busy",
    message: `Cannot use model "test/some/model": ${new URL(server.url).host} asks to wait: Too many tokens`,
    retryAfterMs: 120_000,
  });
  expect(server.requests).toHaveLength(1);
});

test("after the last try a 429 is busy with the server's wait", async () => {
  const server = await start();
  server.on("some/model", { kind: "status", status: 429, headers: { "retry-after-ms": "3" } });
  const { error } = await ask(agentOf(server));
  expect(faultOf(error)).toMatchObject({ code: "busy", retryAfterMs: 3 });
  expect(server.requests).toHaveLength(3);
});

const QUICK = { "retry-after-ms": "1" };

test.each([
  [
    { status: 400, message: "temperature is 9, 2 allowed" },
    "invalid_request",
    "HOST answered 400: temperature is 9, 2 allowed",
    1,
  ],
  [{ status: 422, message: "no such role" }, "invalid_request", "HOST answered 422: no such role", 1],
  [
    { status: 401, message: `Incorrect API key provided: ${KEY}` },
    "forbidden",
    "HOST refused the API key",
    1,
  ],
  [{ status: 402, message: "no credit" }, "forbidden", "HOST refused access: no credit", 1],
  [{ status: 403, message: `key ${KEY} may not` }, "forbidden", "HOST refused access: key *** may not", 1],
  [
    { status: 404, message: "model 'x' not found, try pulling it first" },
    "not_found",
    "HOST does not have it: model 'x' not found, try pulling it first",
    1,
  ],
  [{ status: 404, body: "<h1>Not Found</h1>" }, "not_found", "HOST answered 404; check baseUrl", 1],
  [
    { status: 307, headers: { location: "http://127.0.0.1:1/v1" } },
    "unavailable",
    "HOST answered 307, a redirect; set baseUrl to its target",
    1,
  ],
  [
    { status: 500, message: "needs 5.6 GiB,\u001b[31m\n2.1 GiB free", headers: QUICK },
    "unavailable",
    "HOST answered 500: needs 5.6 GiB, [31m 2.1 GiB free",
    3,
  ],
  [{ status: 502, body: "<h1>Bad Gateway</h1>", headers: QUICK }, "unavailable", "HOST answered 502", 3],
] as const)("status %o is %s", async (reply, code, state, requests) => {
  const server = await start();
  server.on("some/model", { kind: "status", ...reply });
  const { error, events } = await ask(agentOf(server, { apiKey: KEY }));
  const { host } = new URL(server.url);
  expect(faultOf(error)).toMatchObject({
    code,
    message: `Cannot use model "test/some/model": ${state.replace("HOST", host)}`,
  });
  expect(JSON.stringify(error) + String(error)).not.toContain(KEY);
  expect(events).toEqual([]);
  expect(server.requests).toHaveLength(requests);
});

test("a server's words are cut, its secrets first", async () => {
  const words = `${"a".repeat(280)} ${KEY} sk-proj-abc***********xyz Bearer abcdef`;
  const { error } = await answered({ kind: "status", status: 400, message: words });
  const { message } = faultOf(error);
  expect(message.endsWith(`${"a".repeat(280)} *** *** Bearer ***`)).toBe(true);
  const { error: long } = await answered({ kind: "status", status: 400, message: "b".repeat(1_000) });
  expect(faultOf(long).message.endsWith(`: ${"b".repeat(299)}…`)).toBe(true);
});

test("a server that is not there is unavailable, by its address", async () => {
  const server = await start();
  await server.stop();
  const { error } = await ask(agentOf(server));
  expect(faultOf(error)).toMatchObject({
    code: "unavailable",
    message: `Cannot use model "test/some/model": ${new URL(server.url).host} refused the connection; is it running?`,
  });
});

test.each(["reset", "close", "mid_event"] as const)(
  "a stream cut by %s keeps what came and says so",
  async (how) => {
    const server = await start();
    server.queue({ kind: "cut", how, after: ["Once ", "upon "], gated: true });
    const said = agentOf(server).complete(requestOf("hello"), never())[Symbol.asyncIterator]();
    const events = [await said.next(), await said.next()].map(({ value }) => value);
    expect(textOf(events)).toBe("Once upon ");
    const request = await server.next();
    request.release();
    const error: unknown = await said.next().catch((thrown: unknown) => thrown);
    expect(faultOf(error)).toMatchObject({
      code: "unavailable",
      message: 'Cannot use model "test/some/model": the stream was cut off',
    });
    expect(await request.ended).toMatchObject({ how: "cut" });
    expect(server.requests).toHaveLength(1);
  },
);

test("an answer is whole with a finish reason or an end mark, either alone", async () => {
  const unmarked = await answered({ kind: "answer", text: ["a"], done: false });
  expect(unmarked.error).toBeUndefined();
  expect(unmarked.events.at(-1)).toEqual({ type: "end", reason: "stop" });
  const unfinished = await answered({ kind: "answer", text: ["a"], finish: null });
  expect(unfinished.error).toBeUndefined();
  expect(unfinished.events.at(-1)).toEqual({ type: "end", reason: "stop" });
});

test("an answer that only mentions the end mark is still cut off", async () => {
  const { error } = await answered({ kind: "cut", how: "close", after: ["\n\ndata: [DONE]\n\n"] });
  expect(faultOf(error).message).toContain("cut off");
});

test("an error event in the stream speaks for itself", async () => {
  const body = `: keep-alive\n\ndata: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: {"error":{"code":CODE,"message":"upstream is gone."}}\n\n`;
  const plain = await answered({ kind: "raw", body: body.replace("CODE", "null") });
  expect(plain.text).toBe("a");
  expect(faultOf(plain.error)).toMatchObject({
    code: "unavailable",
    message: `Cannot use model "test/some/model": ${plain.host} broke off: upstream is gone`,
  });
  const coded = await answered({ kind: "raw", body: body.replace("CODE", "429") });
  expect(faultOf(coded.error)).toMatchObject({ code: "busy", retryAfterMs: 5_000 });
});

test("a page instead of a stream is named", async () => {
  const { error, host } = await answered({
    kind: "raw",
    headers: { "content-type": "text/html" },
    body: "<p>Hi</p>",
  });
  expect(faultOf(error)).toMatchObject({
    code: "unavailable",
    message: `Cannot use model "test/some/model": ${host} sent text/html, not an event stream; check baseUrl`,
  });
});

test("events with Windows line ends and comments are read", async () => {
  const body = `: OPENROUTER PROCESSING\r\n\r\ndata: {"choices":[{"delta":{"content":"ok"}}]}\r\n\r\ndata:[DONE]\r\n\r\n`;
  const { text, error } = await answered({ kind: "raw", body });
  expect({ text, error }).toEqual({ text: "ok", error: undefined });
});

// --- abort ---

test("an abort before the first byte closes the request", async () => {
  const server = await start();
  server.queue({ kind: "stall" });
  const controller = new AbortController();
  const heard = ask(agentOf(server), requestOf("hello"), controller.signal);
  const request = await server.next();
  controller.abort();
  expect(await request.ended).toMatchObject({ how: "aborted" });
  expect(await heard).toMatchObject({ events: [], error: undefined });
});

test("an abort in the middle closes the request and keeps what came", async () => {
  const server = await start();
  server.queue({ kind: "stall", after: ["Once "] });
  const controller = new AbortController();
  const said = agentOf(server).complete(requestOf("hello"), controller.signal)[Symbol.asyncIterator]();
  expect(await said.next()).toEqual({ done: false, value: { type: "text", text: "Once " } });
  const request = await server.next();
  const last = said.next();
  controller.abort();
  expect(await last).toEqual({ done: true, value: undefined });
  expect(await request.ended).toMatchObject({ how: "aborted" });
});

test("an abort closes the request even while nobody is listening", async () => {
  const server = await start();
  server.queue({ kind: "stall", after: ["Once ", "upon "] });
  const controller = new AbortController();
  const said = agentOf(server).complete(requestOf("hello"), controller.signal)[Symbol.asyncIterator]();
  await said.next();
  const request = await server.next();
  controller.abort();
  expect(await request.ended).toMatchObject({ how: "aborted" });
});

test("an abort while waiting to try again ends the wait", async () => {
  const server = await start();
  server.on("some/model", { kind: "status", status: 429, headers: { "retry-after": "9" } });
  const controller = new AbortController();
  const heard = ask(agentOf(server), requestOf("hello"), controller.signal);
  await (
    await server.next()
  ).ended;
  // The client has the whole answer; some turns later it waits.
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  controller.abort();
  expect(await heard).toMatchObject({ events: [], error: undefined });
  expect(server.requests).toHaveLength(1);
});

test("nothing is asked with a signal that was aborted before", async () => {
  const server = await start();
  const { events } = await ask(agentOf(server), requestOf("hello"), AbortSignal.abort());
  expect(events).toEqual([]);
  expect(server.requests).toHaveLength(0);
});

test("who stops listening stops the request", async () => {
  const server = await start();
  server.queue({ kind: "answer", text: ["a", "b", "c"], gated: true });
  const said = agentOf(server).complete(requestOf("hello"), never())[Symbol.asyncIterator]();
  const first = said.next();
  const request = await server.next();
  request.release(2);
  expect(await first).toMatchObject({ value: { text: "a" } });
  await said.return?.();
  expect(await request.ended).toMatchObject({ how: "aborted" });
});

// --- silence ---

test("a server that never answers is given up", async () => {
  const server = await start();
  server.queue({ kind: "stall" });
  const { timers, clock, advance, pending } = createFakeTime();
  const agent = createOpenAiProvider(
    { provider: "test", baseUrl: server.url },
    { fetch, timers, clock },
  )(settingsOf("m"));
  const heard = ask(agent);
  const request = await server.next();
  advance(599_999);
  expect(pending()).toBe(1);
  advance(1);
  expect(await request.ended).toMatchObject({ how: "aborted" });
  const { error } = await heard;
  expect(faultOf(error)).toMatchObject({ code: "unavailable" });
  expect(faultOf(error).message).toEndWith("went silent");
  expect(pending()).toBe(0);
});

test("a stream that falls silent is given up, a finished one is whole", async () => {
  const server = await start();
  const { timers, clock, advance, pending } = createFakeTime();
  const agent = createOpenAiProvider(
    { provider: "test", baseUrl: server.url },
    { fetch, timers, clock },
  )(settingsOf("m"));
  const events = ["role", "Once ", "upon ", "finish"].length;
  for (const released of [2, events]) {
    server.queue({ kind: "answer", text: ["Once ", "upon "], usage: null, gated: true });
    const said = agent.complete(requestOf("hello"), never())[Symbol.asyncIterator]();
    const first = said.next();
    const request = await server.next();
    request.release(released);
    expect(await first).toMatchObject({ value: { text: "Once " } });
    if (released === 2) {
      const second = said.next();
      advance(300_000);
      const error: unknown = await second.catch((thrown: unknown) => thrown);
      expect(faultOf(error).message).toEndWith("went silent");
    } else {
      expect(await said.next()).toMatchObject({ value: { text: "upon " } });
      const end = said.next();
      // The finish event is on its way: time passes until it has come and shortened the wait.
      const passing = setInterval(() => advance(100), 1);
      expect(await end).toMatchObject({ value: { type: "end", reason: "stop" } });
      clearInterval(passing);
      expect((await said.next()).done).toBe(true);
    }
    expect(await request.ended).toMatchObject({ how: "aborted" });
  }
  expect(pending()).toBe(0);
});
