import { afterEach, expect, test } from "bun:test";
import { createDetector, ollamaUrl } from "../../../src/agents/detect.ts";
import { type OpenAiServer, startOpenAiServer } from "../../support/openai-server.ts";
import { createFakeTime } from "../../support/time.ts";
import { realTimers } from "./kit.ts";

const running: OpenAiServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

type Tags = Readonly<Record<string, unknown>>[];

async function ollamaWith(tags?: Tags): Promise<{ url: string; host: string }> {
  const server = await startOpenAiServer(tags ? { tags } : {});
  running.push(server);
  return { url: server.origin, host: new URL(server.origin).host };
}

const look = (url: string, env = {}) => createDetector({ env, fetch, timers: realTimers, ollamaUrl: url })();

test("the chat model that was changed last is used", async () => {
  const { url, host } = await ollamaWith([
    { name: "old:7b", modified_at: "2025-01-01T00:00:00Z" },
    { name: "nomic-embed-text:latest", modified_at: "2026-03-01T00:00:00Z" },
    { name: "all-minilm:latest", modified_at: "2026-03-02T00:00:00Z", details: { family: "bert" } },
    {
      name: "qwen3:latest",
      modified_at: "2026-02-01T10:00:00.123456789+02:00",
      details: { family: "qwen3" },
    },
    { name: "aya:8b", modified_at: "2025-01-01T00:00:00Z" },
    { name: 7 },
    { name: "a".repeat(181), modified_at: "2027-01-01T00:00:00Z" },
    { name: "\u001b[2Jclear", modified_at: "2027-01-01T00:00:00Z" },
    null as never,
  ]);
  expect(await look(url)).toEqual({
    model: "ollama/qwen3",
    line: `Found Ollama with 3 models at ${host}: using ollama/qwen3`,
  });
});

test("one model is one model, and equal dates go by name", async () => {
  const one = await ollamaWith([{ name: "a" }]);
  expect((await look(one.url)).line).toBe(`Found Ollama with 1 model at ${one.host}: using ollama/a`);
  const two = await ollamaWith([{ name: "b" }, { name: "a", modified_at: "never" }]);
  expect((await look(two.url)).model).toBe("ollama/a");
});

test("a key of OpenAI is used when Ollama is not there", async () => {
  const { url, host } = await ollamaWith();
  const found = await look(url, { OPENAI_API_KEY: "sk-canary-0123456789" });
  expect(found).toEqual({
    model: "openai/gpt-5-mini",
    line: `Found OPENAI_API_KEY and no Ollama at ${host}: using openai/gpt-5-mini`,
  });
});

test("a key of Anthropic is used when there is nothing else", async () => {
  const { url, host } = await ollamaWith();
  const env = { ANTHROPIC_API_KEY: "sk-ant-canary-0123456789" };
  expect(await look(url, env)).toEqual({
    model: "anthropic/claude-haiku-5-5",
    line: `Found ANTHROPIC_API_KEY and no Ollama at ${host}: using anthropic/claude-haiku-5-5`,
  });
  expect((await look(url, { ...env, OPENAI_API_KEY: "k" })).model).toBe("openai/gpt-5-mini");
});

test("with neither the echo answers, and the line says what to do", async () => {
  const { url, host } = await ollamaWith([]);
  expect(await look(url, { OPENAI_API_KEY: " " })).toEqual({
    model: "echo/echo",
    line:
      `No model configured, no OPENAI_API_KEY, no ANTHROPIC_API_KEY and no chat model in Ollama at ${host}: ` +
      "answering with the built-in echo; " +
      "set agents.defaults.model, or start Ollama or set one of the keys before the next start",
  });
});

test.each(["not json", '{"models":7}', "[]", "null"])(
  "a stranger on Ollama's port that says %s is no Ollama",
  async (body) => {
    const answer = async () => new Response(body);
    const found = await createDetector({
      env: {},
      fetch: answer,
      timers: realTimers,
      ollamaUrl: "http://127.0.0.1:1",
    })();
    expect(found.model).toBe("echo/echo");
    expect(found.line).toContain("no Ollama at 127.0.0.1:1");
  },
);

test("nobody there and nobody answering are no Ollama", async () => {
  const { url } = await ollamaWith();
  await running.pop()?.stop();
  expect((await look(url)).model).toBe("echo/echo");

  const { timers, advance } = createFakeTime();
  const asked = Promise.withResolvers<void>();
  const silent = createDetector({
    env: {},
    timers,
    ollamaUrl: url,
    fetch: (_, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener("abort", () => reject(new Error("aborted")));
        asked.resolve();
      }),
  })();
  await asked.promise;
  advance(500);
  expect((await silent).model).toBe("echo/echo");
});

test("it looks once", async () => {
  let asked = 0;
  const fetchOnce = async () => {
    asked += 1;
    return Response.json({ models: [{ name: "a" }] });
  };
  const detect = createDetector({ env: {}, fetch: fetchOnce, timers: realTimers });
  expect(await Promise.all([detect(), detect()])).toHaveLength(2);
  await detect();
  expect(asked).toBe(1);
});

test.each([
  [undefined, "http://127.0.0.1:11434"],
  ["", "http://127.0.0.1:11434"],
  ["0.0.0.0", "http://127.0.0.1:11434"],
  ["0.0.0.0:8000", "http://127.0.0.1:8000"],
  [":8000", "http://127.0.0.1:8000"],
  ["[::]:8000", "http://127.0.0.1:8000"],
  ["[::1]", "http://[::1]:11434"],
  ["box", "http://box:11434"],
  ["box:8000/", "http://box:8000"],
  ["http://box:8000/some/path", "http://box:8000"],
  ["http://box", "http://box"],
  ["https://box.example", "https://box.example"],
  ["HTTPS://box:8443", "https://box:8443"],
  [" box ", "http://box:11434"],
  ["box:99999", "http://127.0.0.1:11434"],
  ["user:secret@box", "http://127.0.0.1:11434"],
  ["user@box", "http://127.0.0.1:11434"],
  ["ftp://box", "http://127.0.0.1:11434"],
])("OLLAMA_HOST=%p means %s", (value, url) => {
  expect(ollamaUrl({ OLLAMA_HOST: value })).toBe(url);
});
