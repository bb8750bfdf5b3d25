import { afterAll, beforeAll, expect, test } from "bun:test";
import { OpenAI } from "openai";
import { type OpenAiServer, startOpenAiServer } from "../../support/openai-server.ts";

// The server the other tests stand on, seen by the official client without any of our code between.

const KEY = "sk-test-0123456789";
const messages = [{ role: "user" as const, content: "hello you" }];
let server: OpenAiServer;

beforeAll(async () => {
  server = await startOpenAiServer({ apiKey: KEY });
  server.on("m", {
    kind: "answer",
    text: ["Hi ", "there"],
    toolCalls: [{ id: "c", name: "look", args: '{"at":1}' }],
  });
});
afterAll(() => server.stop());

const client = (apiKey = KEY) => new OpenAI({ baseURL: server.url, apiKey, maxRetries: 0, logLevel: "off" });

test("a whole answer", async () => {
  const answer = await client().chat.completions.create({ model: "m", messages });
  expect(answer.choices[0]?.message.content).toBe("Hi there");
  expect(answer.choices[0]?.message.tool_calls).toEqual([
    { id: "c", type: "function", function: { name: "look", arguments: '{"at":1}' } },
  ]);
  expect(answer.choices[0]?.finish_reason).toBe("tool_calls");
  expect(answer.usage).toEqual({ prompt_tokens: 2, completion_tokens: 2, total_tokens: 4 });
});

test("the same answer streamed, put together by the client itself", async () => {
  const stream = client().chat.completions.stream({
    model: "m",
    messages,
    stream_options: { include_usage: true },
  });
  const { choices, usage } = await stream.finalChatCompletion();
  expect(choices[0]?.message).toMatchObject({ content: "Hi there", tool_calls: [{ id: "c" }] });
  expect(usage?.total_tokens).toBe(4);
});

test("usage comes only when asked for", async () => {
  const stream = await client().chat.completions.create({ model: "m", messages, stream: true });
  for await (const chunk of stream) expect(chunk.usage).toBeUndefined();
});

test("models, and a refused key", async () => {
  const models = await client().models.list();
  expect(models.data.map(({ id }) => id)).toEqual(["m"]);
  const error: unknown = await client("sk-wrong")
    .models.list()
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  expect(error).toMatchObject({ status: 401 });
});

test("requests that make no sense", async () => {
  const errors = await Promise.all(
    [{ model: "m", messages: [] }, { messages } as never].map((body) =>
      client()
        .chat.completions.create(body)
        .then(
          () => undefined,
          (thrown: unknown) => thrown,
        ),
    ),
  );
  expect(errors).toEqual([
    expect.objectContaining({ status: 400 }),
    expect.objectContaining({ status: 400 }),
  ]);
});

test("behaviours are used in turn: queued ones once, a model's last one for ever", async () => {
  server.on("turns", { kind: "status", status: 500 }, { kind: "answer", text: ["ok"] });
  server.queue({ kind: "status", status: 503 });
  const ask = () =>
    client()
      .chat.completions.create({ model: "turns", messages })
      .then(
        () => 200,
        (thrown: { status: number }) => thrown.status,
      );
  const statuses: number[] = [];
  for (let turn = 0; turn < 4; turn += 1) statuses.push(await ask());
  expect(statuses).toEqual([503, 500, 200, 200]);
});
