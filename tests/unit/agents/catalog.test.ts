import { afterEach, expect, test } from "bun:test";
import { type Catalog, type CatalogOptions, createCatalog } from "../../../src/agents/catalog.ts";
import type { AgentsConfigView } from "../../../src/agents/providers.ts";
import { startAnthropicServer } from "../../support/anthropic-server.ts";
import { startOpenAiServer } from "../../support/openai-server.ts";
import { createFakeTime } from "../../support/time.ts";
import { realClock, realTimers } from "./kit.ts";

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

type Providers = NonNullable<NonNullable<AgentsConfigView["models"]>["providers"]>;
type Entry = Readonly<Record<string, unknown>>;

/** Nobody listens there. */
const NO_OLLAMA = { OLLAMA_HOST: "127.0.0.1:1" };

function catalogOf(providers: Providers, more: Partial<CatalogOptions> = {}): Catalog {
  return createCatalog({
    config: () => ({ models: { providers } }),
    named: () => [],
    env: NO_OLLAMA,
    fetch,
    timers: realTimers,
    clock: realClock,
    ...more,
  });
}

async function openai(models: readonly Entry[], apiKey?: string) {
  const server = await startOpenAiServer({ models, ...(apiKey !== undefined && { apiKey }) });
  running.push(server);
  return server;
}

const ECHO = { id: "echo/echo", name: "echo", provider: "echo", isConfigured: false };

test("the configured models and those that the servers list, each once", async () => {
  const server = await openai(
    [
      { id: "meta/llama-3.3", name: "Llama 3.3", context_length: 65_536 },
      { id: "mine", max_model_len: 4_096 },
      { id: "text-embedding-3-small" },
      { id: "two words" },
      { id: 7 },
    ],
    "k",
  );
  const claude = await startAnthropicServer({
    apiKey: "a",
    models: [{ id: "claude-x", display_name: "Claude X", max_input_tokens: 1_000_000, type: "model" }],
  });
  running.push(claude);
  const providers: Providers = {
    home: {
      baseUrl: `${server.url}/`,
      apiKey: "k",
      models: [
        { id: "mine", name: "Mine", reasoning: true, contextWindow: undefined },
        { id: "hidden", contextWindow: 9 },
      ],
    },
    anthropic: { api: "anthropic-messages", baseUrl: `${claude.url}/v1`, apiKey: "a" },
    code: { api: "acp", command: ["agent"], models: [{ id: "large", name: "Large" }] },
  };
  const { models, failed } = await catalogOf(providers).listModels();
  expect(failed).toEqual([]);
  expect(models.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
    {
      id: "anthropic/claude-x",
      name: "Claude X",
      provider: "anthropic",
      contextWindow: 1_000_000,
      isConfigured: false,
    },
    { id: "code/default", name: "default", provider: "code", isConfigured: false },
    { id: "code/large", name: "Large", provider: "code", isConfigured: true },
    ECHO,
    { id: "home/hidden", name: "hidden", provider: "home", contextWindow: 9, isConfigured: true },
    {
      id: "home/meta/llama-3.3",
      name: "Llama 3.3",
      provider: "home",
      contextWindow: 65_536,
      isConfigured: false,
    },
    {
      id: "home/mine",
      name: "Mine",
      provider: "home",
      contextWindow: 4_096,
      reasoning: true,
      isConfigured: true,
    },
  ]);
});

test("providers that need no configuration are asked when their key is there, Ollama when it answers", async () => {
  const server = await openai([{ id: "qwen3" }]);
  const env = { OLLAMA_HOST: new URL(server.url).host, OPENAI_API_KEY: "k", OPENAI_BASE_URL: server.url };
  const { models, failed } = await catalogOf({}, { env }).listModels();
  expect(models.map(({ id }) => id)).toEqual(["echo/echo", "ollama/qwen3", "openai/qwen3"]);
  expect(failed).toEqual([]);
  expect(await catalogOf({}).listModels()).toEqual({ models: [ECHO], failed: [] });
});

test("who cannot be asked is named with a reason, the others are listed, no key is shown", async () => {
  const locked = await openai([], "right");
  const well = await openai([{ id: "m" }]);
  const page = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("<p>Hi</p>") });
  const moved = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => Response.redirect(well.url) });
  running.push({ stop: () => page.stop(true) }, { stop: () => moved.stop(true) });
  const providers: Providers = {
    locked: { baseUrl: locked.url, apiKey: "sk-canary" },
    gone: { baseUrl: "http://127.0.0.1:1/v1" },
    page: { baseUrl: page.url.href },
    moved: { baseUrl: moved.url.href },
    bare: {},
    well: { baseUrl: well.url },
    ollama: {},
  };
  const { models, failed } = await catalogOf(providers).listModels();
  expect(models.map(({ id }) => id)).toContain("well/m");
  expect(Object.fromEntries(failed.map(({ provider, message }) => [provider, message]))).toEqual({
    locked: `Cannot list models of ${new URL(locked.url).host}: it refused the API key`,
    gone: "Cannot list models of 127.0.0.1:1: 127.0.0.1:1 refused the connection; is it running?",
    page: `Cannot list models of ${page.url.host}: it sent no list`,
    moved: `Cannot list models of ${moved.url.host}: it answered 302`,
    bare: 'Cannot list models of "bare": models.providers.bare.baseUrl is not set',
    ollama: "Cannot list models of 127.0.0.1:1: 127.0.0.1:1 refused the connection; is it running?",
  });
});

// --- what is kept, and for how long ---

/** A fetch that counts and answers with `reply`. */
function counting(reply: () => Response | Promise<Response>) {
  const asked: string[] = [];
  const fetchOne: CatalogOptions["fetch"] = (input) => {
    const { host, href } = new URL(input instanceof Request ? input.url : input);
    if (host === "127.0.0.1:1") return Promise.reject(new Error("connection refused"));
    asked.push(href);
    return Promise.resolve(reply());
  };
  return { asked, fetch: fetchOne };
}

const listOf = (...ids: string[]) => Response.json({ data: ids.map((id) => ({ id })) });

test("a list is kept for ten minutes, a failure for half of one", async () => {
  const { timers, clock, advance } = createFakeTime();
  let isDown = false;
  const { asked, fetch: counted } = counting(() =>
    isDown ? new Response("", { status: 500 }) : listOf("m"),
  );
  const catalog = catalogOf({ p: { baseUrl: "http://p.test/v1" } }, { fetch: counted, timers, clock });
  const failures = async () => (await catalog.listModels()).failed.map(({ message }) => message);
  expect(await Promise.all([failures(), failures()])).toEqual([[], []]);
  advance(599_999);
  expect(await failures()).toEqual([]);
  expect(asked).toEqual(["http://p.test/v1/models"]);
  isDown = true;
  advance(1);
  expect(await failures()).toEqual(["Cannot list models of p.test: it answered 500"]);
  isDown = false;
  advance(29_999);
  expect(await failures()).toHaveLength(1);
  expect(asked).toHaveLength(2);
  advance(1);
  expect(await failures()).toEqual([]);
  expect(asked).toHaveLength(3);
});

test("a changed address or key is asked anew, and what was kept for the old one is dropped", async () => {
  const { asked, fetch: counted } = counting(() => listOf("m"));
  let providers: Providers = { p: { baseUrl: "http://p.test/v1", apiKey: "one" } };
  const catalog = catalogOf({}, { config: () => ({ models: { providers } }), fetch: counted });
  const first = providers;
  await catalog.listModels();
  providers = { p: { baseUrl: "http://p.test/v1", apiKey: "two" } };
  await catalog.listModels();
  providers = first;
  await catalog.listModels();
  expect(asked).toHaveLength(3);
});

test("a server that does not answer is given up after five seconds, and keeps nobody waiting longer", async () => {
  const { timers, clock, advance, pending } = createFakeTime();
  const asked = Promise.withResolvers<void>();
  const silent: CatalogOptions["fetch"] = (input, init) =>
    new Promise((_resolve, reject) => {
      init?.signal?.addEventListener("abort", () => reject(new Error("aborted")));
      if (input === "http://p.test/v1/models") asked.resolve();
    });
  const list = catalogOf(
    { p: { baseUrl: "http://p.test/v1" } },
    { fetch: silent, timers, clock },
  ).listModels();
  await asked.promise;
  advance(5_000);
  expect((await list).failed).toEqual([
    { provider: "p", message: "Cannot list models of p.test: no answer within 5 s" },
  ]);
  expect(pending()).toBe(0);
});

test("an endless list and one with too many models are bounded", async () => {
  const bytes = new TextEncoder().encode('{"data":[{"id":"m"},'.repeat(5_000));
  let taken = 0;
  const body = () =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        taken += bytes.length;
        controller.enqueue(bytes);
      },
    });
  const endless = catalogOf(
    { p: { baseUrl: "http://p.test/v1" } },
    counting(() => new Response(body())),
  );
  expect((await endless.listModels()).failed).toHaveLength(1);
  expect(taken).toBeLessThan(5 * 1024 * 1024);
  const ids = Array.from({ length: 3_000 }, (_, at) => `m${at}`);
  const many = catalogOf(
    { p: { baseUrl: "http://p.test/v1" } },
    counting(() => listOf(...ids)),
  );
  expect((await many.listModels()).models).toHaveLength(2_000);
});

test("a price is the configured one", () => {
  const cost = { input: 1, output: 2, cacheRead: 0.1, cacheWrite: 1.25 };
  const catalog = catalogOf({
    p: { baseUrl: "http://p.test/v1", models: [{ id: "a/b", cost }, { id: "c" }] },
  });
  expect(catalog.priceOf("p/a/b")).toEqual(cost);
  for (const ref of ["p/c", "p/d", "q/a", "p", "", "/", "p/"]) expect(catalog.priceOf(ref)).toBeUndefined();
});

test("a model that an agent is to use is configured, also where its server does not list it", async () => {
  const server = await openai([{ id: "used", max_model_len: 4_096 }, { id: "other" }]);
  const providers = { home: { baseUrl: server.url, models: [{ id: "mine", name: "Mine" }] } };
  const named = () => [
    "home/used",
    "home/gone",
    "home/mine",
    "echo/echo",
    "nobody/x",
    "no reference",
    "home/used",
  ];
  const { models } = await catalogOf(providers, { named }).listModels();
  expect(models.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
    { ...ECHO, isConfigured: true },
    { id: "home/gone", name: "gone", provider: "home", isConfigured: true },
    { id: "home/mine", name: "Mine", provider: "home", isConfigured: true },
    { id: "home/other", name: "other", provider: "home", isConfigured: false },
    { id: "home/used", name: "used", provider: "home", contextWindow: 4_096, isConfigured: true },
  ]);
});
