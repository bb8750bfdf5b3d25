import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { startAnthropicServer } from "../support/anthropic-server.ts";
import { type OpenAiServer, startOpenAiServer } from "../support/openai-server.ts";
import { tempDir } from "../support/temp.ts";
import { endPrograms, type Program, runProgram, startProgram } from "./program.ts";

// Models as their owner sees them: found, listed, passed over, exchanged and taken away.

setDefaultTimeout(30_000);

const KEY = "sk-canary-0123456789";

let home: string;
let models: OpenAiServer;

beforeEach(async () => {
  home = tempDir();
  models = await startOpenAiServer();
});
afterEach(async () => {
  await endPrograms();
  await models.stop();
});

async function startGateway(config?: object, env: Readonly<Record<string, string>> = {}): Promise<Program> {
  await mkdir(`${home}/.clawdbot`, { recursive: true });
  if (config) await Bun.write(`${home}/.clawdbot/moltbot.json`, JSON.stringify(config));
  const program = startProgram(["run", "--port", "0"], { home, env });
  await program.until(/url=http:\/\/127\.0\.0\.1:(\d+)/);
  return program;
}

const gateway = (...args: string[]) => runProgram(args, { home });

test("a key of Anthropic is all that is needed", async () => {
  const claude = await startAnthropicServer({ apiKey: KEY });
  const env = { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: claude.url, OLLAMA_HOST: "127.0.0.1:1" };
  const running = await startGateway(undefined, env);
  await running.until(/Found ANTHROPIC_API_KEY and no Ollama at 127\.0\.0\.1:1: using anthropic\/claude-/);
  expect(await gateway("chat", "hello")).toEqual({ code: 0, out: "Heard: hello\n", err: "" });
  await claude.stop();
  const { code, err } = await gateway("chat", "hello?");
  expect([code, err]).toEqual([1, expect.stringContaining("refused the connection; is it running?")]);
  expect(running.err()).not.toContain(KEY);
});

test("a model that cannot answer is passed over with a reason, and then not asked for a while", async () => {
  const refusing = await startOpenAiServer({ apiKey: "another" });
  const running = await startGateway({
    agents: { defaults: { model: { primary: "bad/x", fallbacks: ["good/y"] } } },
    models: {
      providers: { bad: { baseUrl: refusing.url, apiKey: KEY }, good: { baseUrl: models.url } },
    },
  });
  expect((await gateway("chat", "one")).out).toBe("Heard: one\n");
  await running.until(/model failed, trying the next .*code=forbidden reason=".*refused the API key"/);
  const said = running.err().length;
  expect((await gateway("chat", "two")).out).toBe("Heard: two\n");
  expect(running.err().slice(said)).toBe("");
  expect(running.err()).not.toContain(KEY);
  await refusing.stop();
});

test("a change of the model leaves the answer that is being given alone; a provider that is gone is named", async () => {
  await startGateway({
    agents: { defaults: { model: "a/one" } },
    models: { providers: { a: { baseUrl: models.url }, b: { baseUrl: models.url } } },
  });
  models.queue({ kind: "answer", text: ["slow ", "answer"], gated: true });
  const chat = startProgram(["chat", "go"], { home });
  const asked = await models.next();
  expect(await gateway("config", "set", "agents.defaults.model", "b/two")).toMatchObject({ code: 0 });
  expect(await gateway("config", "unset", "models.providers.a")).toMatchObject({ code: 0 });
  asked.release(100);
  expect([await chat.exited, chat.out(), chat.err()]).toEqual([0, "slow answer\n", ""]);
  expect((await gateway("chat", "after")).out).toBe("Heard: after\n");
  expect(models.requests.map(({ model }) => model)).toEqual(["one", "two"]);
  expect(await gateway("config", "unset", "models.providers.b")).toMatchObject({ code: 0 });
  const { code, err } = await gateway("chat", "gone");
  expect([code, err]).toEqual([1, expect.stringContaining('Cannot open model "b/two": no provider "b"')]);
});

test("the list has what servers say, programs that are agents, and who could not be asked", async () => {
  models.on("qwen", { kind: "answer", text: ["hi"] });
  models.on("other", { kind: "answer", text: ["hi"] });
  await startGateway({
    agents: {
      defaults: { model: { primary: "echo/echo", fallbacks: ["dead/x"] } },
      list: [{ id: "main", model: "home/qwen" }],
    },
    models: {
      providers: {
        home: { baseUrl: models.url },
        dead: { baseUrl: "http://127.0.0.1:1/v1" },
        code: { api: "acp", command: ["no-such-agent"] },
      },
    },
  });
  const { models: found, failed } = JSON.parse((await gateway("call", "models.list", "--json")).out);
  const told = found.map((one: { id: string; isConfigured: boolean }) => [one.id, one.isConfigured]);
  expect(Object.fromEntries(told)).toEqual({
    "code/default": false,
    "dead/x": true,
    "echo/echo": true,
    "home/other": false,
    "home/qwen": true,
  });
  const message = "Cannot list models of 127.0.0.1:1: 127.0.0.1:1 refused the connection; is it running?";
  expect(failed).toEqual([{ provider: "dead", message }]);
});

test("a model of any agent that nobody can open is told at the start", async () => {
  const running = await startGateway({
    agents: {
      defaults: { model: "echo/echo" },
      list: [{ id: "main" }, { id: "house", model: { primary: "echo/echo", fallbacks: ["nowhere/x"] } }],
    },
  });
  await running.until(/model cannot be used model=nowhere\/x reason=".*no provider \\?"nowhere/);
});

test("a message that comes too late to join an answer is answered by itself, and its sender sees that", async () => {
  await startGateway({
    agents: { defaults: { model: "a/one" } },
    messages: { queue: { mode: "steer" } },
    models: { providers: { a: { baseUrl: models.url } } },
  });
  models.queue({ kind: "answer", text: ["slow ", "answer"], gated: true });
  const first = startProgram(["chat", "one"], { home });
  const asked = await models.next();
  const second = startProgram(["chat", "two"], { home });
  await second.until(/joins the answer/);
  asked.release(100);
  expect([await first.exited, first.out()]).toEqual([0, "slow answer\n"]);
  expect([await second.exited, second.out()]).toEqual([0, "slow answer\nHeard: two\n"]);
  expect(second.err()).toEndWith("It came too late to join: this is its own answer\n");
});
