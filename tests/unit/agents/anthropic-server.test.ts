import { afterAll, beforeAll, expect, test } from "bun:test";
import { Anthropic } from "@anthropic-ai/sdk";
import { type AnthropicServer, startAnthropicServer } from "../../support/anthropic-server.ts";

// The server the other tests stand on, seen by the official client without any of our code between.

const KEY = "sk-ant-test";
let server: AnthropicServer;

beforeAll(async () => {
  server = await startAnthropicServer({
    apiKey: KEY,
    models: [{ id: "m", display_name: "M", type: "model" }],
  });
});
afterAll(() => server.stop());

/** The server asks for the documented header of keys. */
const client = (apiKey = KEY) =>
  new Anthropic({
    baseURL: server.url,
    apiKey,
    defaultHeaders: { "x-api-key": apiKey },
    maxRetries: 0,
    logLevel: "off",
  });

const hello = { model: "m", max_tokens: 9 };
const user = (content: Anthropic.MessageParam["content"]) => ({ role: "user" as const, content });

test("a streamed message, put together by the client itself", async () => {
  server.queue({
    kind: "answer",
    blocks: [
      { type: "thinking", thinking: ["h", "m"], signature: "s" },
      { type: "text", text: ["Hi ", "there"] },
      { type: "tool_use", id: "toolu_1", name: "look", args: '{"at":[1,2]}' },
    ],
    usage: { input_tokens: 3, cache_read_input_tokens: 2, output_tokens: 4 },
  });
  const message = await client()
    .messages.stream({ ...hello, messages: [user("hello")] })
    .finalMessage();
  expect(message.content).toMatchObject([
    { type: "thinking", thinking: "hm", signature: "s" },
    { type: "text", text: "Hi there" },
    { type: "tool_use", id: "toolu_1", name: "look", input: { at: [1, 2] } },
  ]);
  expect(message.stop_reason).toBe("tool_use");
  expect(message.usage).toMatchObject({ input_tokens: 3, cache_read_input_tokens: 2, output_tokens: 4 });
});

test("models, and a refused key", async () => {
  expect((await client().models.list()).data.map(({ id }) => id)).toEqual(["m"]);
  const error: unknown = await client("wrong")
    .models.list()
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  expect(error).toMatchObject({ status: 401, type: "authentication_error" });
});

const use = { type: "tool_use" as const, id: "t", name: "look", input: {} };
const result = { type: "tool_result" as const, tool_use_id: "t", content: "x" };
const tools = [{ name: "look", input_schema: { type: "object" as const } }];
const assistant = (content: Anthropic.MessageParam["content"]) => ({ role: "assistant" as const, content });

test.each([
  ["no messages", { messages: [] }],
  ["no bound", { messages: [user("a")], max_tokens: 0 }],
  ["an assistant that begins", { messages: [assistant("a")] }],
  ["blank text", { messages: [user(" ")] }],
  ["one side twice", { messages: [user("a"), user("b")] }],
  ["a call without an answer", { messages: [user("a"), assistant([use]), user("b")], tools }],
  ["an answer without a call", { messages: [user("a"), assistant("b"), user([result])], tools }],
  ["calls without tools", { messages: [user("a"), assistant([use]), user([result])] }],
  [
    "thinking that it has not signed",
    {
      messages: [
        user("a"),
        assistant([{ type: "thinking", thinking: "x", signature: "forged" }, use]),
        user([result]),
      ],
      tools,
    },
  ],
] as [string, Partial<Anthropic.MessageCreateParamsNonStreaming>][])("%s is refused", async (_, body) => {
  const error: unknown = await client()
    .messages.create({ ...hello, messages: [], ...body })
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  expect(error).toMatchObject({ status: 400, type: "invalid_request_error" });
});
