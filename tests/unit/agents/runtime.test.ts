import { afterEach, expect, test } from "bun:test";
import type { AgentsConfigView } from "../../../src/agents/providers.ts";
import { createRunner, type RunnerOptions } from "../../../src/agents/runtime.ts";
import { type OpenAiServer, startOpenAiServer } from "../../support/openai-server.ts";
import { createMemoryLog } from "../../support/ports.ts";
import { faultOf, listen, realClock, realTimers } from "./kit.ts";

const running: OpenAiServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

async function start(options = {}): Promise<OpenAiServer> {
  const server = await startOpenAiServer(options);
  running.push(server);
  return server;
}

type Providers = NonNullable<NonNullable<AgentsConfigView["models"]>["providers"]>;

function runnerWith(providers: Providers, more: Partial<RunnerOptions> = {}) {
  return createRunner({
    config: () => ({ models: { providers } }),
    env: {},
    detect: () => Promise.reject(new Error("nobody should ask")),
    fetch,
    timers: realTimers,
    clock: realClock,
    log: createMemoryLog(),
    ...more,
  });
}

async function faultOfOpening(model: string, providers: Providers = {}, env = {}) {
  const error: unknown = await runnerWith(providers, { env })
    .open([model])
    .catch((thrown: unknown) => thrown);
  return faultOf(error);
}

test("only the first slash of a model reference separates", async () => {
  const server = await start({ apiKey: "k" });
  const runner = runnerWith({ router: { baseUrl: server.url, apiKey: " k\n" } });
  const { model, runtime } = await runner.open(["router/meta-llama/llama-3:free"]);
  expect(model).toBe("router/meta-llama/llama-3:free");
  expect((await listen(runtime)).text).toBe("Heard: hello");
  expect(server.requests[0]?.model).toBe("meta-llama/llama-3:free");
});

test("without a model the detected one answers", async () => {
  const detect = async () => ({ model: "echo/echo", line: "" });
  const { model, runtime } = await runnerWith({}, { detect }).open([]);
  expect(model).toBe("echo/echo");
  expect((await listen(runtime)).text).toBe("You said: hello");
});

test("the models after the first are fallbacks", async () => {
  const server = await start();
  server.on("a", { kind: "status", status: 404 });
  const runner = runnerWith({ one: { baseUrl: server.url } });
  const { model, runtime } = await runner.open(["one/a", "gone/b", "echo/echo"]);
  expect(model).toBe("one/a");
  expect((await listen(runtime)).text).toBe("You said: hello");
});

test("a changed configuration holds from the next opening on", async () => {
  const [first, second] = [await start(), await start({ apiKey: "k2" })];
  let providers: Providers = { home: { baseUrl: first.url } };
  const runner = runnerWith({}, { config: () => ({ models: { providers } }) });
  await listen((await runner.open(["home/m"])).runtime);
  providers = { home: { baseUrl: second.url, apiKey: "k2" } };
  const { runtime } = await runner.open(["home/m"]);
  expect((await listen(runtime)).error).toBeUndefined();
  providers = {};
  const gone: unknown = await runner.open(["home/m"]).catch((thrown: unknown) => thrown);
  expect(faultOf(gone).code).toBe("not_found");
  expect([first.requests.length, second.requests.length]).toEqual([1, 1]);
});

test("what a server was found to refuse is remembered while its configuration stays", async () => {
  const server = await start({ refusesStreamOptions: true });
  const runner = runnerWith({ old: { baseUrl: server.url } });
  await listen((await runner.open(["old/a"])).runtime);
  await listen((await runner.open(["old/b"])).runtime);
  expect(server.requests).toHaveLength(3);
});

test("ollama needs no configuration and goes where OLLAMA_HOST says", async () => {
  const server = await start();
  const runner = runnerWith({}, { env: { OLLAMA_HOST: new URL(server.url).host } });
  expect((await listen((await runner.open(["ollama/qwen3"])).runtime)).text).toBe("Heard: hello");
});

test("openai takes key and address from the environment", async () => {
  const server = await start({ apiKey: "sk-env" });
  const env = { OPENAI_API_KEY: "sk-env\n", OPENAI_BASE_URL: server.url };
  const { runtime } = await runnerWith({}, { env }).open(["openai/m"]);
  expect((await listen(runtime)).text).toBe("Heard: hello");
  const configured = runnerWith({ openai: { baseUrl: server.url } }, { env });
  expect((await listen((await configured.open(["openai/m"])).runtime)).text).toBe("Heard: hello");
});

test("the environment's key never goes to another address, nor to another provider", async () => {
  const server = await start();
  const env = { OPENAI_API_KEY: "sk-env" };
  const runner = runnerWith({ openai: { baseUrl: server.url }, other: { baseUrl: server.url } }, { env });
  for (const model of ["openai/m", "other/m"]) await listen((await runner.open([model])).runtime);
  expect(server.requests.map(({ headers }) => headers["authorization"])).toEqual([undefined, undefined]);
});

test.each([
  ["olama/qwen3", 'no provider "olama"; did you mean "ollama"?'],
  ["opnerouter/x", 'no provider "opnerouter"; did you mean "openrouter"?'],
  ["anthropic/claude", 'no provider "anthropic"; there is openrouter, echo, ollama, openai'],
  ["__proto__/x", 'no provider "__proto__"; there is openrouter, echo, ollama, openai'],
  ["toString/x", 'no provider "toString"; there is openrouter, echo, ollama, openai'],
  ["qwen3", "not of the form provider/model, such as echo/echo"],
  ["/qwen3", "not of the form provider/model, such as echo/echo"],
  ["ollama/", "not of the form provider/model, such as echo/echo"],
  ["echo/loud", "its provider has only echo/echo"],
  ["openai/gpt-5-mini", "no API key; set OPENAI_API_KEY or models.providers.openai.apiKey"],
])("%s is not found", async (model, state) => {
  const fault = await faultOfOpening(model, { openrouter: { baseUrl: "https://openrouter.ai/api/v1" } });
  expect(fault).toMatchObject({ code: "not_found", message: `Cannot open model "${model}": ${state}` });
});

const BASE_URL = "http://127.0.0.1:1/v1";

test.each([
  [{}, "models.providers.p.baseUrl is not set"],
  [{ baseUrl: " " }, "models.providers.p.baseUrl is not set"],
  [
    { baseUrl: "localhost:1/v1" },
    "models.providers.p.baseUrl is not an http or https address without user name and password",
  ],
  [
    { baseUrl: "http://u:canary@h/v1" },
    "models.providers.p.baseUrl is not an http or https address without user name and password",
  ],
  [
    { baseUrl: BASE_URL, api: "anthropic-messages" },
    'models.providers.p.api is "anthropic-messages", supported is "openai-completions"',
  ],
  [{ baseUrl: BASE_URL, apiKey: "canary\ncanary" }, "its API key has characters that no key has"],
])("a provider with %o cannot work", async (provider, state) => {
  const fault = await faultOfOpening("p/m", { p: provider });
  expect(fault).toMatchObject({ code: "invalid_request", message: `Cannot open model "p/m": ${state}` });
  expect(fault.message).not.toContain("canary");
});
