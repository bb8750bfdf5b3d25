import { afterEach, expect, test } from "bun:test";
import type { AgentsConfigView } from "../../../src/agents/providers.ts";
import { createRunner, type RunnerOptions } from "../../../src/agents/runtime.ts";
import {
  type AnthropicServer,
  type AnthropicServerOptions,
  startAnthropicServer,
} from "../../support/anthropic-server.ts";
import { type OpenAiServer, startOpenAiServer } from "../../support/openai-server.ts";
import { createMemoryLog } from "../../support/ports.ts";
import { RpcError } from "../../../src/contract/errors.ts";
import type { AgentEnvironment, AgentTurn } from "../../../src/ports.ts";
import { environmentOf, faultOf, listen, realClock, realTimers, turnOf } from "./kit.ts";

const running: OpenAiServer[] = [];
const anthropic: AnthropicServer[] = [];
afterEach(async () => {
  await Promise.all([...running.splice(0), ...anthropic.splice(0)].map((server) => server.stop()));
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
    plugins: { has: () => false, open: () => Promise.reject(new Error("nobody should ask a plugin")) },
    acp: {
      open: () => Promise.reject(new Error("nobody should open a program")),
      close: () => Promise.resolve(),
    },
    tools: { open: () => Promise.resolve({ specs: [], call: () => Promise.reject(new Error("no tools")) }) },
    ...more,
  });
}

async function faultOfOpening(model: string, providers: Providers = {}, env = {}) {
  const error: unknown = await runnerWith(providers, { env })
    .open(environmentOf(model))
    .catch((thrown: unknown) => thrown);
  return faultOf(error);
}

test("only the first slash of a model reference separates", async () => {
  const server = await start({ apiKey: "k" });
  const runner = runnerWith({ router: { baseUrl: server.url, apiKey: " k\n" } });
  const runtime = await runner.open(environmentOf("router/meta-llama/llama-3:free"));
  expect((await listen(runtime)).text).toBe("Heard: hello");
  expect(server.requests[0]?.model).toBe("meta-llama/llama-3:free");
});

test("without a model the detected one answers", async () => {
  const detect = async () => ({ model: "echo/echo", line: "" });
  const runtime = await runnerWith({}, { detect }).open(environmentOf());
  expect((await listen(runtime)).text).toBe("You said: hello");
});

test("the models after the first are fallbacks", async () => {
  const server = await start();
  server.on("a", { kind: "status", status: 404 });
  const runner = runnerWith({ one: { baseUrl: server.url } });
  const runtime = await runner.open(environmentOf("one/a", "gone/b", "echo/echo"));
  expect((await listen(runtime)).text).toBe("You said: hello");
});

test("a provider that cannot work as it is configured is passed over", async () => {
  const server = await start();
  const providers = { bad: { baseUrl: server.url, apiKey: "no key" }, good: { baseUrl: server.url } };
  const runtime = await runnerWith(providers).open(environmentOf("bad/a", "good/b"));
  expect(await listen(runtime)).toMatchObject({ text: "Heard: hello", error: undefined });
  expect((await faultOfOpening("bad/a", providers)).code).toBe("invalid_request");
});

test("a model that is named twice is asked once", async () => {
  const server = await start();
  server.on("a", { kind: "status", status: 404 });
  const runner = runnerWith({ one: { baseUrl: server.url } });
  await listen(await runner.open(environmentOf("one/a", "one/a", "one/a")));
  expect(server.requests).toHaveLength(1);
});

test("a changed configuration holds from the next opening on", async () => {
  const [first, second] = [await start(), await start({ apiKey: "k2" })];
  let providers: Providers = { home: { baseUrl: first.url } };
  const runner = runnerWith({}, { config: () => ({ models: { providers } }) });
  await listen(await runner.open(environmentOf("home/m")));
  providers = { home: { baseUrl: second.url, apiKey: "k2" } };
  const runtime = await runner.open(environmentOf("home/m"));
  expect((await listen(runtime)).error).toBeUndefined();
  providers = {};
  const gone: unknown = await runner.open(environmentOf("home/m")).catch((thrown: unknown) => thrown);
  expect(faultOf(gone).code).toBe("not_found");
  expect([first.requests.length, second.requests.length]).toEqual([1, 1]);
});

test("what a server was found to refuse is remembered while its configuration stays", async () => {
  const server = await start({ refusesStreamOptions: true });
  const runner = runnerWith({ old: { baseUrl: server.url } });
  await listen(await runner.open(environmentOf("old/a")));
  await listen(await runner.open(environmentOf("old/b")));
  expect(server.requests).toHaveLength(3);
});

test("ollama needs no configuration and goes where OLLAMA_HOST says", async () => {
  const server = await start();
  const runner = runnerWith({}, { env: { OLLAMA_HOST: new URL(server.url).host } });
  expect((await listen(await runner.open(environmentOf("ollama/qwen3")))).text).toBe("Heard: hello");
});

test("openai takes key and address from the environment", async () => {
  const server = await start({ apiKey: "sk-env" });
  const env = { OPENAI_API_KEY: "sk-env\n", OPENAI_BASE_URL: server.url };
  const runtime = await runnerWith({}, { env }).open(environmentOf("openai/m"));
  expect((await listen(runtime)).text).toBe("Heard: hello");
  const configured = runnerWith({ openai: { baseUrl: server.url } }, { env });
  expect((await listen(await configured.open(environmentOf("openai/m")))).text).toBe("Heard: hello");
});

test("the environment's key never goes to another address, nor to another provider", async () => {
  const server = await start();
  const env = { OPENAI_API_KEY: "sk-env" };
  const runner = runnerWith({ openai: { baseUrl: server.url }, other: { baseUrl: server.url } }, { env });
  for (const model of ["openai/m", "other/m"]) await listen(await runner.open(environmentOf(model)));
  expect(server.requests.map(({ headers }) => headers["authorization"])).toEqual([undefined, undefined]);
});

test.each([
  ["olama/qwen3", 'no provider "olama"; did you mean "ollama"?'],
  ["opnerouter/x", 'no provider "opnerouter"; did you mean "openrouter"?'],
  ["anthropic/claude", "no API key; set ANTHROPIC_API_KEY or models.providers.anthropic.apiKey"],
  ["__proto__/x", 'no provider "__proto__"; there is openrouter, anthropic, echo, ollama, openai'],
  ["toString/x", 'no provider "toString"; there is openrouter, anthropic, echo, ollama, openai'],
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
    { baseUrl: BASE_URL, api: "google-generative-ai" },
    'models.providers.p.api is "google-generative-ai", supported is "openai-completions", "anthropic-messages", "acp"',
  ],
  [{ api: "acp" }, "models.providers.p.command is not set"],
  [{ api: "acp", command: [""] }, "models.providers.p.command is not set"],
  [{ baseUrl: BASE_URL, apiKey: "canary\ncanary" }, "its API key has characters that no key has"],
])("a provider with %o cannot work", async (provider, state) => {
  const fault = await faultOfOpening("p/m", { p: provider });
  expect(fault).toMatchObject({ code: "invalid_request", message: `Cannot open model "p/m": ${state}` });
  expect(fault.message).not.toContain("canary");
});

// --- what an opened agent is ---

const closed = { open: () => Promise.reject(new Error("closed")), close: () => Promise.resolve() };

test("its window is the configured one, its family's or the default", async () => {
  const models = [{ id: "gpt-5", contextWindow: 1_234 }];
  const runner = runnerWith({ p: { baseUrl: BASE_URL, models }, q: { baseUrl: BASE_URL } });
  const windows: [boolean, number][] = [];
  for (const model of ["p/gpt-5", "q/gpt-5", "q/new", "ollama/gpt-oss", "echo/echo"]) {
    const { contextWindow, keepsHistory } = await runner.open(environmentOf(model));
    windows.push([keepsHistory, contextWindow]);
  }
  expect(windows).toEqual([
    [false, 1_234],
    [false, 400_000],
    [false, 32_768],
    [false, 32_768],
    [false, 1_000_000],
  ]);
  const { contextWindow } = await runner.open(environmentOf("gone/x", "p/gpt-5"));
  expect(contextWindow).toBe(1_234);
});

test("beside a program that is an agent the window is the least that any of the models is known to read", async () => {
  const models = [{ id: "a", contextWindow: 90_000 }, { id: "b", contextWindow: 50_000 }, { id: "c" }];
  const runner = runnerWith({ p: { baseUrl: BASE_URL, models }, code: { api: "acp", command: ["agent"] } });
  const windowOf = async (...refs: string[]) => (await runner.open(environmentOf(...refs))).contextWindow;
  expect(await windowOf("code/default", "p/a", "gone/x", "p/b", "p/c")).toBe(50_000);
  expect(await windowOf("p/a", "code/default", "p/b")).toBe(50_000);
  expect(await windowOf("code/default", "p/c")).toBe(32_768);
  expect(await windowOf("code/default", "code/large")).toBe(32_768);
  // Without one it is the first one's.
  expect(await windowOf("p/a", "p/b")).toBe(90_000);
});

test("who answers is told, the echo too", async () => {
  const { events } = await listen(await runnerWith({}).open(environmentOf("echo/echo")));
  expect(events[0]).toEqual({ type: "model", model: "echo/echo" });
});

test("the session's tools are offered and run, under its policy", async () => {
  const server = await start();
  const opened: AgentEnvironment[] = [];
  const tool = { name: "files__read", description: "Reads", inputSchema: { type: "object" } };
  const tools = {
    open(environment: AgentEnvironment) {
      opened.push(environment);
      const call = async ({ args }: { args: string }) => ({ text: `read ${args}`, isError: false });
      return Promise.resolve({ specs: [tool], call });
    },
  };
  const toolCalls = ["a", "b"].map((id) => ({ id, name: "files__read", args: `{"path":"${id}"}` }));
  server.queue({ kind: "answer", toolCalls }, { kind: "answer", text: ["Both ", "read"] });
  const runner = runnerWith({ home: { baseUrl: server.url } }, { tools });
  const environment = { ...environmentOf("home/m"), tools: { approve: ["files__*"] } };
  const asked: string[] = [];
  const approve: AgentTurn["approve"] = ({ title }) => {
    asked.push(title);
    return Promise.resolve(asked.length === 1 ? "allow_once" : "deny");
  };
  const turn = { ...turnOf("read them"), approve };
  const { events, error, text } = await listen(await runner.open(environment), turn);
  expect(error).toBeUndefined();
  expect(text).toBe("Both read");
  expect(opened).toEqual([environment]);
  expect(asked).toEqual(['call tool "files__read"', 'call tool "files__read"']);
  expect(events.map(({ type }) => type).filter((type) => type === "usage")).toHaveLength(2);
  const answers = events.flatMap((event) => (event.type === "tool_result" ? [event.text] : []));
  expect(answers.toSorted()).toEqual(["denied by a person", 'read {"path":"a"}']);
  expect(server.requests[1]?.messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "tool"]);
});

test("a later call of a turn falls back too, with the tools' answers", async () => {
  const [first, second] = [await start(), await start()];
  const tool = { name: "t", description: "", inputSchema: { type: "object" } };
  const tools = {
    open: () => Promise.resolve({ specs: [tool], call: async () => ({ text: "done", isError: false }) }),
  };
  first.queue(
    { kind: "answer", toolCalls: [{ id: "a", name: "t", args: "{}" }] },
    { kind: "status", status: 429, headers: { "retry-after": "600" } },
  );
  second.queue({ kind: "answer", text: ["Yes"] });
  const runner = runnerWith({ one: { baseUrl: first.url }, two: { baseUrl: second.url } }, { tools });
  const { events, text } = await listen(await runner.open(environmentOf("one/m", "two/m")));
  expect(text).toBe("Yes");
  const models = events.flatMap((event) => (event.type === "model" ? [event.model] : []));
  expect(models).toEqual(["one/m", "two/m"]);
  expect(second.requests[0]?.messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool"]);
  // Another session does not ask the one that has to be waited for.
  const other = { ...environmentOf("one/m", "two/m"), sessionKey: "agent:main:other" };
  expect((await listen(await runner.open(other))).text).toBe("Heard: hello");
  expect([first.requests.length, second.requests.length]).toEqual([2, 2]);
});

test("an agent that is a program is opened for its session, with its command and what is to be remembered", async () => {
  const opened: unknown[] = [];
  const acp = {
    ...closed,
    open: (...given: unknown[]) => {
      opened.push(given);
      return Promise.resolve({
        contextWindow: 7,
        keepsHistory: true,
        async *prompt() {
          yield { type: "text" as const, text: "from a program" };
        },
      });
    },
  };
  const provider = { api: "acp", command: ["agent", "--acp"], env: { A: "1" } };
  const runner = runnerWith({ code: provider }, { acp });
  const environment = environmentOf("code/default");
  const runtime = await runner.open(environment);
  expect(opened).toEqual([["code/default", { command: ["agent", "--acp"], env: { A: "1" } }, environment]]);
  expect({ ...runtime, prompt: undefined }).toEqual({
    contextWindow: 7,
    keepsHistory: true,
    prompt: undefined,
  });
  expect((await listen(runtime)).events).toEqual([
    { type: "model", model: "code/default" },
    { type: "text", text: "from a program" },
  ]);
  expect(opened).toHaveLength(1);
});

test("in a list a program is opened when it is its turn, and one that fails is passed over", async () => {
  const server = await start();
  let opened = 0;
  const acp = {
    ...closed,
    open() {
      opened += 1;
      return Promise.reject(new RpcError("unavailable", "Cannot start program: gone"));
    },
  };
  const providers = { code: { api: "acp", command: ["agent"] }, home: { baseUrl: server.url } };
  const runtime = await runnerWith(providers, { acp }).open(environmentOf("code/default", "home/m"));
  expect([runtime.keepsHistory, opened]).toEqual([false, 0]);
  expect((await listen(runtime)).text).toBe("Heard: hello");
  expect(opened).toBe(1);
});

test("a list of which nothing can be opened fails with what its first one says", async () => {
  const failed: unknown = await runnerWith({})
    .open(environmentOf("gone/a", "lost/b"))
    .catch((thrown: unknown) => thrown);
  expect(faultOf(failed).message).toStartWith('Cannot open model "gone/a"');
});

test("closing a session closes its program and its tools", async () => {
  const told: string[] = [];
  const close = (what: string) => async (key: string) => void told.push(`${what} ${key}`);
  const runner = runnerWith(
    {},
    {
      acp: { ...closed, close: close("acp") },
      tools: { open: () => Promise.reject(new Error("no")), close: close("tools") },
    },
  );
  await runner.close("agent:main:main");
  expect(told.toSorted()).toEqual(["acp agent:main:main", "tools agent:main:main"]);
});

// --- anthropic ---

async function startAnthropic(options: AnthropicServerOptions = {}): Promise<AnthropicServer> {
  const server = await startAnthropicServer(options);
  anthropic.push(server);
  return server;
}

test("anthropic takes key and address from the environment, with and without an entry of its own", async () => {
  const server = await startAnthropic({ apiKey: "sk-ant-env" });
  const env = { ANTHROPIC_API_KEY: "sk-ant-env\n", ANTHROPIC_BASE_URL: server.url };
  const entries: Providers[] = [
    {},
    { anthropic: { models: [{ id: "claude-x", maxTokens: 5 }] } },
    { anthropic: { api: "openai-completions" } },
    { anthropic: { api: "anthropic-messages", baseUrl: server.url } },
  ];
  for (const providers of entries) {
    const runtime = await runnerWith(providers, { env }).open(environmentOf("anthropic/claude-x"));
    expect(await listen(runtime)).toMatchObject({ text: "Heard: hello", error: undefined });
  }
  expect(server.requests.map(({ body }) => body["max_tokens"])).toEqual([32_000, 5, 32_000, 32_000]);
});

test("the key of Anthropic goes to no other address and no other provider", async () => {
  const server = await startAnthropic();
  const api = "anthropic-messages";
  const env = { ANTHROPIC_API_KEY: "sk-ant-env" };
  const providers = { anthropic: { api, baseUrl: server.url }, other: { api, baseUrl: server.url } };
  const runner = runnerWith(providers, { env });
  for (const model of ["anthropic/m", "other/m"]) await listen(await runner.open(environmentOf(model)));
  expect(server.requests.map(({ headers }) => headers["x-api-key"])).toEqual([undefined, undefined]);
  const fault = await faultOfOpening("mine/m", { mine: { api } });
  expect(fault.message).toBe(
    'Cannot open model "mine/m": no API key; set ANTHROPIC_API_KEY or models.providers.mine.apiKey',
  );
});

test("a conversation goes on with another vendor in the middle of a turn", async () => {
  const [first, second] = [await startAnthropic(), await start()];
  const tool = { name: "t", description: "", inputSchema: { type: "object" } };
  const tools = {
    open: () => Promise.resolve({ specs: [tool], call: async () => ({ text: "done", isError: false }) }),
  };
  first.queue(
    {
      kind: "answer",
      blocks: [
        { type: "thinking", thinking: ["hm"], signature: "s" },
        { type: "tool_use", id: "toolu_1", name: "t", args: "{}" },
      ],
    },
    { kind: "status", status: 529, headers: { "retry-after": "600" } },
  );
  const providers = {
    one: { api: "anthropic-messages", baseUrl: first.url },
    two: { baseUrl: second.url },
  };
  const { text, error } = await listen(
    await runnerWith(providers, { tools }).open(environmentOf("one/m", "two/m")),
  );
  expect({ text, error }).toMatchObject({ error: undefined });
  expect(second.requests[0]?.body["messages"]).toMatchObject([
    { role: "user" },
    { role: "assistant", tool_calls: [{ id: "toolu_1" }] },
    { role: "tool", tool_call_id: "toolu_1", content: "done" },
  ]);
});
