// Plugins in a process of their own: all that they offer crosses, what they do to their process stays there.
import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { getPriority } from "node:os";
import { join } from "node:path";
import { RpcError } from "../../src/contract/errors.ts";
import type { AgentEvent, AgentTurn } from "../../src/ports.ts";
import type { RunningPlugin } from "../../src/plugins/running.ts";
import { LIMITS } from "../../src/contract/limits.ts";
import { isAlive } from "../support/alive.ts";
import { writePlugin } from "../support/plugin.ts";
import { tempDir } from "../support/temp.ts";
import { endPrograms, startProgram } from "./program.ts";
import { callOf, createMemoryGate, createTestHosts, type TestHosts } from "../support/plugin-hosts.ts";

afterEach(endPrograms);

const HEAD = 'import { definePlugin, effect, event, method, RpcError, z } from "gateway/plugin";\n';
const ANY = "params: () => z.looseObject({}), result: () => z.unknown()";

/** A plugin with one method and a start, each as its source. */
function source(
  id: string,
  parts: { readonly handler?: string; readonly start?: string; readonly top?: string },
): string {
  const { handler = "() => ({ pid: process.pid })", start = "", top = "" } = parts;
  return `${HEAD}${top}
export default definePlugin({
  id: "${id}", apiVersion: 1,
  methods: { "${id}.do": method({ scope: "read", summary: "Does it", ${ANY} }) },
  async start(ctx) { ${start}; return { handlers: { "${id}.do": ${handler} } }; },
});`;
}

const FULL = `${HEAD}
export default definePlugin({
  id: "full", apiVersion: 1,
  methods: {
    "full.greet": method({
      scope: "read", summary: "Greets",
      params: () => z.strictObject({ name: z.string().max(5) }),
      result: () => z.strictObject({ text: z.string(), by: z.string() }),
    }),
    "full.keep": effect({ scope: "write", summary: "Keeps", ${ANY} }),
    "full.fail": method({ scope: "read", summary: "Fails", errors: ["conflict"], ${ANY} }),
    "full.lie": method({
      scope: "read", summary: "Lies", params: () => z.strictObject({}), result: () => z.int(),
    }),
  },
  events: { "full.greeted": event({ scope: "read", delivery: "must", summary: "Greeted", data: () => z.object({ name: z.string() }) }) },
  start(ctx) {
    ctx.http({
      method: "POST", path: "/echo/:x",
      handle: (r) => ({ status: 201, headers: { "x-a": "b" }, body: r.body.toReversed() }),
    });
    ctx.http({
      method: "GET", path: "/json", auth: { kind: "own", check: (h) => h.query.key === "yes" },
      handle: () => ({ body: { a: 1 } }),
    });
    ctx.hook("run_start", (e) => ({ instructions: "for " + e.sessionKey }));
    ctx.service("beat", async () => { await ctx.store.set("beat", 1); });
    ctx.tool({
      name: "add", description: "Adds", input: z.object({ a: z.number(), b: z.number() }),
      run: ({ a, b }, call) => { call.update("adding"); return String(a + b); },
    });
    ctx.agent({ id: "parrot", open: () => ({
      contextWindow: 1000, keepsHistory: false,
      async *prompt(turn, signal) {
        yield { type: "text", text: turn.messages[0].parts[0].text };
        yield { type: "text", text: await turn.approve({ title: "more" }, signal) };
        if (turn.isPlain) { await new Promise((r) => signal.addEventListener("abort", r)); ctx.log.info("heard the abort"); return; }
        turn.remember("a note");
        yield { type: "end", reason: "stop" };
      },
    }) });
    const account = { id: "default", policy: { direct: "open", allowFrom: [], group: "disabled", groups: {} } };
    ctx.channel({ id: "post", label: "Post", accounts: [account],
      run: async (a, link) => {
        link.status({ state: "connected" });
        await link.receive({ chatId: "c", messageId: "1", sender: { id: "s" }, isGroup: false, text: "hello" });
        await new Promise((r) => link.signal.addEventListener("abort", r));
      },
      send: (m) => {
        if (m.text === "no") throw new RpcError("busy", "Cannot send: wait", { retryAfterMs: 7 });
        return { messageId: m.to + "!" };
      },
    });
    ctx.onStop(() => ctx.log.info("stopped"));
    return { handlers: {
      "full.greet": ({ name }, call) => {
        ctx.publish("full.greeted", { name });
        ctx.log.info("greeting " + name);
        return { text: "Hello " + name, by: call.caller.subject };
      },
      "full.keep": async () => {
        await ctx.store.setMany({ a: { deep: [1] }, b: 2 });
        await ctx.store.setMany({ b: undefined });
        const isNone = (await ctx.store.get("none")) === undefined;
        return [await ctx.store.get("a"), isNone, await ctx.store.list({ prefix: "a" })];
      },
      "full.fail": (_p, call) => call.fail("conflict", "Cannot do: no", { details: { n: 1 } }),
      "full.lie": () => "text",
    } };
  },
});`;

async function caught(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

const turn = (isPlain: boolean, remembered: string[] = []): AgentTurn => ({
  runId: "run-1",
  messages: [{ role: "user", parts: [{ type: "text", text: "polly" }] }],
  isPlain,
  steered: () => [],
  approve: async ({ title }) => (title === "more" ? "allow_once" : "deny"),
  remember: (note) => void remembered.push(note),
});

const environment = {
  sessionKey: "main",
  sessionId: "s",
  agentId: "a",
  models: [],
  model: "parrot/x",
  workspace: "/",
  env: {},
  tools: {},
};

describe("what crosses", () => {
  test("methods, with the plugin's own schemas", async () => {
    const { hosts, plugin } = createTestHosts();
    const gate = createMemoryGate();
    const full = await hosts.start("process", plugin("full", FULL), gate);
    expect(await callOf(full, "full.greet", { name: "Ada" })).toEqual({ text: "Hello Ada", by: "tester" });
    const refused = await caught(callOf(full, "full.greet", { name: "too long" }));
    expect(refused).toBeInstanceOf(RpcError);
    expect(refused).toMatchObject({
      code: "invalid_params",
      extra: { details: { issues: [{ key: "name" }] } },
    });
    expect(await caught(callOf(full, "full.fail"))).toMatchObject({
      code: "conflict",
      message: "Cannot do: no",
      extra: { details: { n: 1 } },
    });
    const lie = await caught(callOf(full, "full.lie"));
    expect(lie).not.toBeInstanceOf(RpcError);
    expect(String(lie)).toContain("result does not fit its schema");
    expect(gate.published).toEqual([{ event: "full.greeted", payload: { name: "Ada" } }]);
    expect(gate.logged).toContainEqual({ level: "info", message: "greeting Ada" });
    const method = full.offers.methods.find(({ name }) => name === "full.greet");
    expect(method).toMatchObject({ scope: "read", params: { properties: { name: { maxLength: 5 } } } });
    await full.stop();
    expect(gate.logged.at(-1)).toEqual({ level: "info", message: "stopped" });
  });

  test("store, routes, hooks, tools, services and channels", async () => {
    const { hosts, plugin } = createTestHosts();
    const gate = createMemoryGate();
    const full = await hosts.start("process", plugin("full", FULL), gate);
    const kept = { key: "a", value: { deep: [1] } };
    expect(await callOf(full, "full.keep")).toEqual([{ deep: [1] }, true, [kept]]);

    const head = {
      method: "POST",
      path: "/echo/y",
      params: { x: "y" },
      query: {},
      headers: {},
      address: "::1",
    };
    const answer = await full.http(0, { ...head, body: new Uint8Array([0, 200, 255]) });
    expect(answer).toEqual({ status: 201, headers: { "x-a": "b" }, body: new Uint8Array([255, 200, 0]) });
    expect(await full.http(1, { ...head, body: new Uint8Array() })).toEqual({ body: { a: 1 } });
    expect(await full.allow(1, { ...head, query: { key: "yes" } })).toBe(true);
    expect(await full.allow(1, head)).toBe(false);

    const event = { runId: "r", sessionKey: "main", agentId: "a", origin: "chat" };
    expect(await full.hook("run_start", event)).toEqual({ instructions: "for main" });

    const updates: string[] = [];
    const signal = new AbortController().signal;
    const tool = {
      name: "add",
      args: '{"a":1,"b":2}',
      signal,
      onUpdate: (text: string) => void updates.push(text),
    };
    expect(await full.tool("main", tool)).toEqual({ text: "3", isError: false });
    expect(updates).toEqual(["adding"]);
    expect(await full.tool("main", { ...tool, args: "{" })).toMatchObject({ isError: true });

    full.begin();
    const channel = full.channel("post");
    expect(await channel.send({ accountId: "default", to: "x", text: "hi" })).toEqual({ messageId: "x!" });
    const busy = await caught(channel.send({ accountId: "default", to: "x", text: "no" }));
    expect(busy).toMatchObject({ code: "busy", extra: { retryAfterMs: 7 } });
    expect(gate.values.get("beat")).toBe(1);
    expect(gate.states).toContain("post/default: hello");
    expect(gate.states).toContain("service beat running");

    full.end();
    // What was written after it has been heard before this is answered.
    await callOf(full, "full.greet", { name: "x" });
    expect(gate.states).toContain("account default ended");
  });

  test("an agent answers in pieces, asks, and hears of an abort", async () => {
    const { hosts, plugin } = createTestHosts();
    const gate = createMemoryGate();
    const full = await hosts.start("own", plugin("full", FULL), gate);
    const agent = await full.agent("parrot", environment);
    expect(agent).toMatchObject({ contextWindow: 1000, keepsHistory: false });
    const told: AgentEvent[] = [];
    const remembered: string[] = [];
    for await (const said of agent.prompt(turn(false, remembered), new AbortController().signal))
      told.push(said);
    expect(told).toEqual([
      { type: "text", text: "polly" },
      { type: "text", text: "allow_once" },
      { type: "end", reason: "stop" },
    ]);
    expect(remembered).toEqual(["a note"]);

    const abort = new AbortController();
    const heard: string[] = [];
    for await (const said of agent.prompt(turn(true), abort.signal)) {
      heard.push(said.type);
      if (heard.length === 2) abort.abort();
    }
    expect(heard).toEqual(["text", "text"]);
    // What was written after it has been heard before this is answered.
    await callOf(full, "full.greet", { name: "x" });
    expect(gate.logged.map(({ message }) => message)).toContain("heard the abort");
    expect(full.active()).toBe(0);
  });

  test("fifty versions after each other in one process, the newest code each time", async () => {
    const { hosts, plugin } = createTestHosts();
    let running: RunningPlugin | undefined;
    const pids = new Set<number | undefined>();
    for (let version = 0; version < 50; version++) {
      const start = plugin("again", source("again", { top: `const V = ${version};`, handler: "() => V" }));
      const next = await hosts.start("process", start, createMemoryGate());
      expect(await callOf(next, "again.do")).toBe(version);
      await running?.stop();
      running = next;
      pids.add(hosts.facts("again")?.pid);
    }
    expect(pids.size).toBe(1);
  }, 20_000);
});

describe("the store", () => {
  test("is listed in parts that fit a message, whatever is in it", async () => {
    const { hosts, plugin } = createTestHosts();
    const gate = createMemoryGate();
    // Three bytes each.
    const value = "\u4E2D".repeat(LIMITS.pluginStoreValueCharsMax - 2);
    const keys = Array.from({ length: 24 }, (_, index) => `key-${String(index).padStart(2, "0")}`);
    for (const key of keys) gate.values.set(key, value);
    const handler = `async ({ limit }) => {
      const all = await ctx.store.list({ prefix: "key-", ...(limit && { limit }) });
      return { keys: all.map(({ key }) => key), chars: all[0].value.length };
    }`;
    const full = await hosts.start("process", plugin("full", source("full", { handler })), gate);
    expect(await callOf(full, "full.do")).toEqual({ keys, chars: value.length });
    expect(await callOf(full, "full.do", { limit: 17 })).toMatchObject({ keys: keys.slice(0, 17) });
    const failure = await caught(callOf(full, "full.do", { limit: 0.5 }));
    expect(failure).toMatchObject({ code: "invalid_params" });
  });
});

describe("who shares a process", () => {
  test("those with the same grants; it ends with the last one", async () => {
    const { hosts, plugin } = createTestHosts();
    const start = (id: string, network: boolean) =>
      hosts.start("process", plugin(id, source(id, {}), { grants: { network } }), createMemoryGate());
    const [a, b, c] = await Promise.all([start("a", false), start("b", false), start("c", true)]);
    expect(hosts.facts("a")).toMatchObject({ sharedWith: ["b"], pid: hosts.facts("b")?.pid });
    expect(hosts.facts("c")).toMatchObject({ sharedWith: [] });
    const pid = hosts.facts("a")?.pid ?? 0;
    expect(await callOf(a, "a.do")).toEqual({ pid });
    await a.stop();
    expect(await callOf(b, "b.do")).toEqual({ pid });
    await b.stop();
    expect(hosts.facts("b")).toBeUndefined();
    expect(await caught(callOf(b, "b.do"))).toMatchObject({ code: "unavailable" });
    expect(await callOf(c, "c.do")).toEqual({ pid: hosts.facts("c")?.pid });
  });
});

describe("what is made later", () => {
  test("a folder of plugins: those in it are started where it can be read", async () => {
    const first = tempDir();
    const later = join(first, "made-later");
    const { hosts, plugin } = createTestHosts({ places: (own) => [own, later] });
    await hosts.start("process", plugin("calm", source("calm", {})), createMemoryGate());
    for (let round = 0; round < 2; round++) {
      const folder = writePlugin(join(later, "new"), {
        manifest: { id: "new", apiVersion: 1 },
        code: source("new", {}),
      });
      const start = plugin("new", "", { directory: folder, entry: join(folder, "index.ts") });
      const running = await hosts.start("process", start, createMemoryGate());
      expect(await callOf(running, "new.do")).toEqual({ pid: hosts.facts("new")?.pid });
      // Once more under the same name, and another one for the system.
      rmSync(later, { recursive: true });
    }
  });

  test("a path that is granted: said at the start, and there from the next start on", async () => {
    const { hosts, plugin, log } = createTestHosts();
    const notes = join(tempDir(), "notes");
    const handler = `async () => {
      const { writeFileSync } = await import("node:fs");
      try {
        writeFileSync(${JSON.stringify(join(notes, "a"))}, "a");
        return "written";
      } catch (error) {
        return error.code;
      }
    }`;
    const start = plugin("notes", source("notes", { handler }), { grants: { files: [notes] } });
    const before = await hosts.start("process", start, createMemoryGate());
    expect(log.lines).toContainEqual(
      expect.objectContaining({ level: "warn", fields: { plugin: "notes", path: notes } }),
    );
    mkdirSync(notes);
    const after = await hosts.start("process", start, createMemoryGate());
    expect(await callOf(after, "notes.do")).toBe("written");
    await before.stop();
  });
});

test("its process is worth less than the gateway to the system, when memory or time are short", async () => {
  const { hosts, plugin } = createTestHosts();
  const calm = await hosts.start("process", plugin("calm", source("calm", {})), createMemoryGate());
  const pid = hosts.facts("calm")?.pid ?? 0;
  expect(getPriority(pid)).toBeGreaterThanOrEqual(5);
  expect(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8")).toBe("500\n");
  await calm.stop();
});

test("nothing is started once all have been ended", async () => {
  const { hosts, plugin } = createTestHosts();
  const waiting = caught(hosts.start("process", plugin("a", source("a", {})), createMemoryGate()));
  const behind = caught(hosts.start("process", plugin("b", source("b", {})), createMemoryGate()));
  await hosts.stop();
  const gone = await caught(hosts.start("process", plugin("c", source("c", {})), createMemoryGate()));
  for (const error of [await waiting, await behind, gone]) expect(error).toBeInstanceOf(Error);
  expect([hosts.facts("a"), hosts.facts("b"), hosts.facts("c")]).toEqual([undefined, undefined, undefined]);
});

/** A neighbour that has to go on, or be told that it is not its fault. */
async function withNeighbour({ hosts, plugin }: TestHosts) {
  const gate = createMemoryGate();
  const neighbour = await hosts.start("process", plugin("calm", source("calm", {})), gate);
  return { gate, neighbour, pid: hosts.facts("calm")?.pid };
}

describe("hostile plugins", () => {
  test("one that throws when it is loaded is refused; its neighbour goes on", async () => {
    const given = createTestHosts();
    const { neighbour, pid } = await withNeighbour(given);
    const bad = given.plugin("bad", source("bad", { top: 'throw new Error("not today");' }));
    expect(String(await caught(given.hosts.start("process", bad, createMemoryGate())))).toContain(
      "not today",
    );
    expect(await callOf(neighbour, "calm.do")).toEqual({ pid });
  });

  test("one that rejects later is named", async () => {
    const given = createTestHosts();
    const { neighbour, pid } = await withNeighbour(given);
    const gate = createMemoryGate();
    const start = 'setTimeout(() => void Promise.reject(new Error("much later")), 1)';
    await given.hosts.start("process", given.plugin("bad", source("bad", { start })), gate);
    expect((await gate.failure).message).toContain("much later");
    expect(await callOf(neighbour, "calm.do")).toEqual({ pid });
  });

  test("one that spins is named, and its neighbour told that it was not it", async () => {
    const given = createTestHosts();
    const calm = await withNeighbour(given);
    const gate = createMemoryGate();
    const handler = "() => { for (;;); }";
    const bad = given.plugin("bad", source("bad", { handler }));
    const spinning = await given.hosts.start("process", bad, gate);
    expect(await caught(callOf(spinning, "bad.do"))).toMatchObject({ code: "unavailable" });
    expect((await gate.failure).message).toBe("its process did not answer for 5 s");
    expect(await calm.gate.failure).toMatchObject({
      message: 'the process that it shared did not answer for 5 s, because of plugin "bad"',
      isBystander: true,
    });
    // From then on it has a process of its own.
    await given.hosts.start("process", given.plugin("calm", source("calm", {})), createMemoryGate());
    await given.hosts.start("process", given.plugin("bad", source("bad", {})), createMemoryGate());
    expect(given.hosts.facts("bad")).toMatchObject({ sharedWith: [] });
    expect(given.hosts.facts("calm")).toMatchObject({ sharedWith: [] });
  }, 20_000);

  test("one that ends the process in its start is named", async () => {
    const given = createTestHosts();
    const calm = await withNeighbour(given);
    const exit = 'const own = await import("node:process"); own.default.reallyExit(3);';
    const bad = given.plugin("bad", source("bad", { start: exit }));
    const error = await caught(given.hosts.start("process", bad, createMemoryGate()));
    expect(String(error)).toContain("its process ended with exit code 3");
    expect((await calm.gate.failure).message).toContain('because of plugin "bad"');
  });

  test("one that waits to be started behind it is started in another process", async () => {
    const { hosts, plugin } = createTestHosts();
    const exit = 'const own = await import("node:process"); own.default.reallyExit(3);';
    const bad = caught(
      hosts.start("process", plugin("bad", source("bad", { start: exit })), createMemoryGate()),
    );
    const good = await hosts.start("process", plugin("good", source("good", {})), createMemoryGate());
    expect(String(await bad)).toContain("its process ended with exit code 3");
    expect(await callOf(good, "good.do")).toEqual({ pid: hosts.facts("good")?.pid });
  });

  test("one that ends the process when nobody knows why: next time each has its own", async () => {
    const given = createTestHosts();
    const calm = await withNeighbour(given);
    const gate = createMemoryGate();
    const exit = 'import own from "node:process"; setTimeout(() => own.reallyExit(4), 50);';
    const bad = given.plugin("bad", source("bad", { top: exit }));
    await given.hosts.start("process", bad, gate);
    expect((await calm.gate.failure).message).toContain(
      'shared with "bad" ended with exit code 4; it gets one of its own',
    );
    await given.hosts.start("process", given.plugin("calm", source("calm", {})), createMemoryGate());
    const second = createMemoryGate();
    await given.hosts.start("process", bad, second);
    expect((await second.failure).message).toBe("its process ended with exit code 4");
    expect(given.hosts.facts("calm")).toMatchObject({ sharedWith: [] });
  });

  test.each([
    ["bytes", "() => { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); }"],
    ["objects", "() => { const all = []; for (let i = 0; ; i++) all.push({ i, a: [i] }); }"],
  ])(
    "one that allocates %s without end is ended",
    async (_, handler) => {
      const { hosts, plugin } = createTestHosts();
      const gate = createMemoryGate();
      const bad = await hosts.start("process", plugin("bad", source("bad", { handler })), gate);
      expect(await caught(callOf(bad, "bad.do"))).toMatchObject({ code: "unavailable" });
      expect((await gate.failure).message).toBe("its process used more than 512 MiB");
    },
    20_000,
  );

  test("one that spins while it is loaded is named", async () => {
    const given = createTestHosts();
    const bad = given.plugin("bad", source("bad", { top: "for (;;);" }));
    const error = await caught(given.hosts.start("process", bad, createMemoryGate()));
    expect(String(error)).toContain("its process did not answer for 5 s");
  }, 20_000);

  test("one that never finishes starting is refused, and nobody waits for it", async () => {
    const given = createTestHosts();
    const { neighbour, pid } = await withNeighbour(given);
    const bad = given.plugin("bad", source("bad", { start: "await new Promise(() => {})" }));
    const over: string[] = [];
    const starting = caught(given.hosts.start("process", bad, createMemoryGate())).finally(() =>
      over.push("bad"),
    );
    expect(await callOf(neighbour, "calm.do")).toEqual({ pid });
    const next = given.plugin("next", source("next", {}));
    const behind = await given.hosts.start("process", next, createMemoryGate());
    expect(over).toEqual([]);
    expect(await callOf(behind, "next.do")).toEqual({ pid });
    expect(String(await starting)).toContain("it has not started within 10 s");
    expect(await callOf(neighbour, "calm.do")).toEqual({ pid });
    // It has had its chance beside others.
    await given.hosts.start("process", given.plugin("bad", source("bad", {})), createMemoryGate());
    expect(given.hosts.facts("bad")).toMatchObject({ sharedWith: [] });
    expect(given.hosts.facts("calm")).toMatchObject({ sharedWith: ["next"] });
  }, 30_000);

  test("nobody is accused for starting slowly when the process ends", async () => {
    const { hosts, plugin } = createTestHosts();
    const slow = createMemoryGate();
    const start = "await new Promise((resolve) => setTimeout(resolve, 5_000))";
    const starting = caught(hosts.start("process", plugin("slow", source("slow", { start })), slow));
    const exit = 'import own from "node:process"; setTimeout(() => own.reallyExit(4), 50);';
    const gate = createMemoryGate();
    await hosts.start("process", plugin("bad", source("bad", { top: exit })), gate);
    expect((await gate.failure).message).toContain('shared with "slow" ended with exit code 4');
    expect(String(await starting)).toContain('shared with "bad" ended with exit code 4');
  }, 20_000);

  test("one that says what nothing can be made of fails, and nobody else", async () => {
    const given = createTestHosts();
    const { neighbour, pid } = await withNeighbour(given);
    const gate = createMemoryGate();
    const account =
      '{ id: "default", policy: { direct: "open", allowFrom: [], group: "disabled", groups: {} } }';
    const start = `ctx.channel({ id: "odd", label: "Odd", accounts: [${account}], send: () => ({}),
      run: async (a, link) => { link.status({ state: "on the moon" }); await new Promise(() => {}); } })`;
    const bad = await given.hosts.start("process", given.plugin("bad", source("bad", { start })), gate);
    bad.begin();
    expect((await gate.failure).message).toContain("is not what it has to be");
    expect(await callOf(neighbour, "calm.do")).toEqual({ pid });
  });

  test("one that logs an error, or what cannot be written, has it logged in words", async () => {
    const { hosts, plugin } = createTestHosts();
    const gate = createMemoryGate();
    const handler = `() => {
      ctx.log.error(new Error("as it is"));
      const round = {};
      round.again = round;
      ctx.log.info("round", { round, big: 1n });
      ctx.log.info(undefined);
      return "went on";
    }`;
    const bad = await hosts.start("process", plugin("bad", source("bad", { handler })), gate);
    expect(await callOf(bad, "bad.do")).toBe("went on");
    expect(gate.logged.map(({ message }) => message)).toEqual(["as it is", "round", "undefined"]);
  });

  test("one that floods its output and its events is read and dropped", async () => {
    const given = createTestHosts();
    const { neighbour, pid } = await withNeighbour(given);
    const gate = createMemoryGate();
    const start = `setInterval(() => {
      for (let i = 0; i < 200; i++) {
        console.log("x".repeat(2_000));
        try {
          ctx.publish("bad.event", { i });
        } catch {
          // It goes on whatever it is told.
        }
        ctx.log.info("line");
      }
    }, 1)`;
    await given.hosts.start("process", given.plugin("bad", source("bad", { start })), gate);
    const beganMs = performance.now();
    for (let i = 0; i < 200; i++) expect(await callOf(neighbour, "calm.do")).toEqual({ pid });
    const seconds = Math.ceil((performance.now() - beganMs) / 1_000) + 1;
    expect(gate.published.length).toBeLessThanOrEqual(400 * (seconds + 1));
    expect(gate.logged.length).toBeLessThanOrEqual(100 * (seconds + 1));
    const lines = given.log.lines.filter(({ message }) => message === "plugin wrote");
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThanOrEqual(50 * (seconds + 1));
  }, 20_000);
});

test.each([[], ["{"], ["{}"], ['{"network":false,"exec":false,"readable":[],"writable":"/"}']])(
  "nothing runs for who is no gateway and says %p",
  async (...said) => {
    const program = startProgram(["plugin-host", ...said], { home: tempDir(), stdin: "" });
    expect(await program.exited).toBe(2);
    expect(program.err()).toContain("Cannot run plugins: only a gateway starts this");
  },
);

describe("a gateway that is killed", () => {
  test.each(["waiting", "stopped"])("takes a process of plugins with it that is %s", async (how) => {
    const script = join(import.meta.dir, "..", "support", "plugin-hosts-parent.ts");
    const parent = Bun.spawn([process.execPath, script, how], { stdout: "pipe" });
    const { value = new Uint8Array() } = await parent.stdout.getReader().read();
    const pid = Number(new TextDecoder().decode(value));
    expect(isAlive(pid)).toBe(true);
    parent.kill("SIGKILL");
    await parent.exited;
    while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(isAlive(pid)).toBe(false);
  });
});
