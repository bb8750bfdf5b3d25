import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { method } from "../../../src/contract/define.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { contract } from "../../../src/feature.ts";
import type { HookName } from "../../../src/hooks.ts";
import { PluginRegistry } from "../../../src/plugins/serve/registry.ts";
import type { Offers, RunningPlugin } from "../../../src/plugins/running.ts";
import { createTable } from "../../../src/rpc/table.ts";
import { createMemoryLog } from "../../support/ports.ts";
import { createFakeTime } from "../../support/time.ts";

interface Given {
  readonly methods?: readonly string[];
  readonly offers?: Partial<Offers>;
  readonly hook?: (name: HookName, event: object) => object | undefined | Promise<object | undefined>;
}

/** A version of a plugin that has started. */
function version(id: string, { methods = [], offers = {}, hook }: Given = {}): RunningPlugin {
  const said = method({
    scope: "read",
    summary: "Answers",
    params: () => z.strictObject({}),
    result: () => z.strictObject({}),
  });
  const feature = contract({
    name: id,
    methods: Object.fromEntries(methods.map((name) => [name, said])),
    events: {},
  }).implement(() => ({ handlers: {} }));
  const nothing: Offers = {
    methods: [],
    events: [],
    routes: [],
    hooks: [],
    tools: [],
    agents: [],
    channels: [],
    services: [],
  };
  return {
    offers: { ...nothing, ...offers },
    feature,
    handlers: Object.fromEntries(methods.map((name) => [name, () => ({ by: id })])),
    begin: () => {},
    end: () => {},
    allow: async () => true,
    http: async () => ({}),
    hook: async (name, event) => hook?.(name, event),
    tool: async (_key, { name }) => ({ text: `${id} ${name}`, isError: false }),
    agent: () => Promise.reject(new Error("no agent")),
    channel: (name) => ({
      id: name,
      label: name,
      accounts: [],
      send: async () => ({}),
      typing: async () => {},
      logout: async () => false,
    }),
    stop: async () => {},
    active: () => 0,
  };
}

function setUp() {
  const time = createFakeTime();
  const log = createMemoryLog();
  const table = createTable();
  const there: string[] = [];
  const broken = new Set<string>();
  const registry = new PluginRegistry({ timers: time.timers, log });
  registry.attach({
    table,
    channels: {
      add({ id }) {
        if (broken.has(id)) throw new Error(`no ${id} here`);
        there.push(`+${id}`);
        return () => void there.push(`-${id}`);
      },
    },
    isProvider: (name) => name === "openai",
  });
  return { registry, table, time, log, there, broken };
}

describe("a version takes over", () => {
  test("under the same names, which are gone with the last one", () => {
    const { registry, table } = setUp();
    registry.swap("a", version("a", { methods: ["a.one", "a.two"] }));
    const second = version("a", { methods: ["a.one", "a.three"] });
    registry.swap("a", second);
    expect(table.methods().map(({ name }) => name)).toEqual(["a.one", "a.three"]);
    expect(registry.get("a")).toBe(second);
    registry.swap("a", undefined);
    expect(table.methods()).toEqual([]);
    expect(registry.get("a")).toBeUndefined();
  });

  const tool = (name: string) => ({ name, description: "", inputSchema: {} });
  const channel = (id: string) => ({ id, label: id, accounts: [] });
  const taken: [what: string, given: Given, words: string][] = [
    ["a method", { methods: ["b.one"] }, '"b" has the method "b.one" already'],
    ["a tool", { offers: { tools: [tool("search")] } }, '"b" has the tools "search" already'],
    ["an agent", { offers: { agents: ["poet"] } }, '"b" has the agents "poet" already'],
    ["a channel", { offers: { channels: [channel("pigeon")] } }, '"b" has the channels "pigeon" already'],
    [
      "a provider of models",
      { offers: { agents: ["openai"] } },
      '"models.providers" has the provider "openai" already',
    ],
  ];
  test.each(taken)(
    "not when it wants %s that somebody else has, and nothing changes",
    (_what, given, words) => {
      const { registry, table, there } = setUp();
      registry.swap(
        "b",
        version("b", {
          methods: ["b.one"],
          offers: { tools: [tool("search")], agents: ["poet"], channels: [channel("pigeon")] },
        }),
      );
      const old = version("a", { methods: ["a.one"] });
      registry.swap("a", old);
      there.length = 0;
      expect(() => registry.swap("a", version("a", given))).toThrow(words);
      expect(registry.get("a")).toBe(old);
      expect(table.methods().map(({ name }) => name)).toEqual(["a.one", "b.one"]);
      expect(there).toEqual([]);
    },
  );

  test("and its channel goes to the new one before it could be gone", () => {
    const { registry, there } = setUp();
    const offers = { channels: [channel("pigeon")] };
    registry.swap("a", version("a", { offers }));
    registry.swap("a", version("a", { offers }));
    expect(there).toEqual(["+pigeon", "+pigeon", "-pigeon"]);
  });
});

test("of a version that cannot take over nothing is left, and the one before has its places back", () => {
  const { registry, table, there, broken } = setUp();
  const channel = (id: string) => ({ id, label: id, accounts: [] });
  const old = version("a", { methods: ["a.one"], offers: { channels: [channel("pigeon")] } });
  registry.swap("a", old);
  broken.add("owl");
  const offers = { channels: [channel("pigeon"), channel("owl")] };
  there.length = 0;
  expect(() => registry.swap("a", version("a", { methods: ["a.two"], offers }))).toThrow("no owl here");
  expect(there).toEqual(["+pigeon", "-pigeon", "+pigeon"]);
  expect(registry.get("a")).toBe(old);
  expect(table.methods().map(({ name }) => name)).toEqual(["a.one"]);
  expect(() => registry.swap("b", version("b", { methods: ["b.one"], offers }))).toThrow();
  expect(table.methods().map(({ name }) => name)).toEqual(["a.one"]);
  registry.swap("a", undefined);
  expect(table.methods()).toEqual([]);
});

test("a route is a path, whatever a process of plugins says: a pattern is run by the gateway", () => {
  const { registry } = setUp();
  for (const path of ["/:a{(a+)+$}", "/x/*", "x", "/:a?"]) {
    const routes = [{ method: "GET", path, summary: "", auth: { kind: "public" as const } }];
    expect(() => registry.swap("a", version("a", { offers: { routes } }))).toThrow("is no path");
  }
});

test("tools are those the agent may use, and a call finds whoever has it by then", async () => {
  const { registry } = setUp();
  const tools = ["search", "delete"].map((name) => ({ name, description: "", inputSchema: {} }));
  registry.swap("a", version("a", { offers: { tools } }));
  const set = await registry.tools.open({
    sessionKey: "main",
    sessionId: "1",
    agentId: "main",
    models: [],
    workspace: "/",
    env: {},
    tools: { deny: ["delete"] },
  });
  expect(set.specs.map(({ name }) => name)).toEqual(["search"]);
  const call = { name: "search", args: "{}", signal: new AbortController().signal, onUpdate: () => {} };
  expect(await set.call(call)).toEqual({ text: "a search", isError: false });
  registry.swap("a", undefined);
  expect(await set.call(call)).toMatchObject({ isError: true });
});

describe("hooks", () => {
  const ALL = { sessions: true };

  const message = {
    channel: "pigeon",
    accountId: "default",
    chatId: "1",
    senderId: "7",
    isGroup: false,
    text: "hi",
  };

  test("are asked one plugin after the other, in the order they came, over reloads too", async () => {
    const { registry } = setUp();
    const adds = (letter: string): Given => ({
      offers: { hooks: ["message_received"] },
      hook: (_name, event) => ({ text: `${(event as { text: string }).text}${letter}` }),
    });
    registry.swap("a", version("a", adds("a")), ALL);
    registry.swap("b", version("b", adds("b")), ALL);
    registry.swap("a", version("a", adds("A")), ALL);
    expect(await registry.hooks.ask("message_received", message)).toEqual({ text: "hiAb" });
    expect(registry.hooks.has("run_end")).toBe(false);
  });

  test("end with the first who drops", async () => {
    const { registry } = setUp();
    const asked: string[] = [];
    for (const id of ["a", "b"]) {
      const hook: Given["hook"] = () => (asked.push(id), { drop: `${id} said so` });
      registry.swap(id, version(id, { offers: { hooks: ["message_received"] }, hook }), ALL);
    }
    expect(await registry.hooks.ask("message_received", message)).toEqual({ drop: "a said so" });
    expect(asked).toEqual(["a"]);
  });

  test("put instructions together", async () => {
    const { registry } = setUp();
    for (const id of ["a", "b"]) {
      const hook: Given["hook"] = () => ({ instructions: `be ${id}` });
      registry.swap(id, version(id, { offers: { hooks: ["run_start"] }, hook }), ALL);
    }
    const run = { runId: "1", sessionKey: "main", agentId: "main", origin: "chat" };
    expect(await registry.hooks.ask("run_start", run)).toEqual({ instructions: "be a\n\nbe b" });
  });

  test("pass over a plugin that fails or does not answer, but for the one who may say no", async () => {
    const { registry, time, log } = setUp();
    const throws: Given["hook"] = () => Promise.reject(new Error("broken"));
    const hangs: Given["hook"] = () => new Promise(() => {});
    const hooks: readonly HookName[] = ["message_received", "before_tool_call"];
    registry.swap("a", version("a", { offers: { hooks }, hook: throws }), ALL);
    registry.swap("b", version("b", { offers: { hooks }, hook: hangs }), ALL);
    const asked = registry.hooks.ask("message_received", message);
    while (time.pending() < 1 || log.lines.length < 1) await Promise.resolve();
    time.advance(LIMITS.hookMs);
    expect(await asked).toEqual({});
    expect(log.lines.map(({ fields }) => fields)).toMatchObject([
      { plugin: "a", error: "broken" },
      { plugin: "b", error: "no answer within 5 s" },
    ]);
    const call = { sessionKey: "main", tool: "rm", args: {} };
    expect(await registry.hooks.ask("before_tool_call", call)).toEqual({
      deny: 'the plugin "a" failed: broken',
    });
  });

  const WRONG: [what: string, answer: object, taken: object][] = [
    ["a drop that is none", { drop: null, text: "ho" }, { text: "ho" }],
    ["a drop that is no text", { drop: false }, {}],
    ["a text that is none", { text: 42 }, {}],
    ["what nobody asked for", { runId: "2", senderId: "root" }, {}],
  ];
  test.each(WRONG)("take of an answer what it may say: %s", async (_what, answer, taken) => {
    const { registry } = setUp();
    const hook: Given["hook"] = () => answer;
    registry.swap("a", version("a", { offers: { hooks: ["message_received"] }, hook }), ALL);
    expect(await registry.hooks.ask("message_received", message)).toEqual(taken);
  });

  test.each([{ args: "rm" }, { args: [] }, { args: { n: 1n } }, { deny: true }])(
    "deny a call where what is answered is nothing: %p",
    async (answer) => {
      const { registry } = setUp();
      const hook: Given["hook"] = () => answer;
      registry.swap("a", version("a", { offers: { hooks: ["before_tool_call"] }, hook }), ALL);
      const call = { sessionKey: "main", tool: "rm", args: {} };
      const { deny, args } = await registry.hooks.ask("before_tool_call", call);
      expect(deny).toStartWith('the plugin "a" failed: ');
      expect(args).toBeUndefined();
    },
  );

  test("are told a copy each, and can be waited for", async () => {
    const { registry } = setUp();
    const heard: string[] = [];
    const open = Promise.withResolvers<undefined>();
    for (const id of ["a", "b"]) {
      const hook: Given["hook"] = async (_name, event) => {
        heard.push(String(Reflect.get(event, "reason")));
        Reflect.set(event, "reason", "changed");
        return open.promise;
      };
      registry.swap(id, version(id, { offers: { hooks: ["gateway_stop"] }, hook }), ALL);
    }
    registry.hooks.tell("gateway_stop", { reason: "bye" });
    expect(heard).toEqual(["bye", "bye"]);
    let isTold = false;
    const told = registry.hooks.told().then(() => (isTold = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(isTold).toBe(false);
    open.resolve(undefined);
    await told;
  });

  test("that are only told hold nobody up, and throw nothing", async () => {
    const { registry, log } = setUp();
    const hook: Given["hook"] = () => Promise.reject(new Error("broken"));
    registry.swap("a", version("a", { offers: { hooks: ["session_end"] }, hook }), ALL);
    registry.hooks.tell("session_end", { sessionKey: "main", reason: "reset" });
    while (log.lines.length < 1) await new Promise((resolve) => setImmediate(resolve));
    expect(log.lines).toMatchObject([{ level: "warn", message: "hook failed" }]);
  });

  test("of sessions of others are for those with the grant alone", async () => {
    const { registry } = setUp();
    const heard: string[] = [];
    const hooks: readonly HookName[] = ["session_start", "message_received", "gateway_start"];
    for (const id of ["a", "b"]) {
      const hook: Given["hook"] = (name, event) => {
        heard.push(`${id} ${name} ${"sessionKey" in event ? String(event.sessionKey) : ""}`.trim());
        return undefined;
      };
      registry.swap(id, version(id, { offers: { hooks }, hook }), id === "b" ? ALL : {});
    }
    registry.hooks.tell("session_start", { sessionKey: "agent:main:main", reason: "created" });
    registry.hooks.tell("session_start", { sessionKey: "plugin:a:1", reason: "created" });
    registry.hooks.tell("gateway_start", { version: "1" });
    await registry.hooks.ask("message_received", message);
    expect(heard.sort()).toEqual([
      "a gateway_start",
      "a session_start plugin:a:1",
      "b gateway_start",
      "b message_received",
      "b session_start agent:main:main",
      "b session_start plugin:a:1",
    ]);
  });
});
