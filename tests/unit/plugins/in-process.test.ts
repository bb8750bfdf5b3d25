// What a plugin registers, as the gateway calls it: real modules from real files, time that is told to pass.
import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { z } from "zod";
import { LIMITS } from "../../../src/contract/limits.ts";
import { bunPlugins } from "../../../src/platform/bun-plugins.ts";
import { createInProcess } from "../../../src/plugins/run/in-process.ts";
import type { RunningPlugin } from "../../../src/plugins/running.ts";
import { createMemoryGate, plainCapable } from "../../support/plugin-gate.ts";
import { callOf } from "../../support/plugin-hosts.ts";
import { writePlugin } from "../../support/plugin.ts";
import { tempDir } from "../../support/temp.ts";
import { createFakeTime } from "../../support/time.ts";
import { environmentOf } from "../agents/kit.ts";

const running: RunningPlugin[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((plugin) => plugin.stop()));
});

/** The plugin `p`, with the body of its `start` and what else its spec has. */
function codeOf(start: string, rest = ""): string {
  return `
    import { definePlugin, event, method, RpcError, z } from "gateway/plugin";
    export default definePlugin({ id: "p", apiVersion: 1, ${rest} start(ctx) { ${start} } });
  `;
}

async function start(code: string, config?: unknown) {
  const directory = writePlugin(join(tempDir(), "p"), { manifest: { id: "p", apiVersion: 1 }, code });
  const time = createFakeTime();
  const gate = createMemoryGate();
  let keys = 0;
  const begin = createInProcess({
    loader: bunPlugins,
    clock: time.clock,
    timers: time.timers,
    newKey: () => `key-${++keys}`,
    capable: plainCapable,
  });
  const entry = join(directory, "index.ts");
  const starting = begin({ id: "p", directory, entry, config, grants: {}, env: {} }, gate);
  const plugin = starting.then((made) => (running.push(made), made));
  return { plugin, gate, time };
}

const NOTHING = "return { handlers: {} };";

describe("a start that is refused", () => {
  const cases: [what: string, code: string, words: string][] = [
    ["no handlers", codeOf(""), "its start answers no handlers"],
    ["no default export", "export const plugin = 1;", "no default export made by definePlugin"],
    ["throws while it loads", "throw new Error('not today');", "not today"],
    ["throws while it starts", codeOf("throw new Error('not now');"), "not now"],
    [
      "another id in its code",
      codeOf(NOTHING).replace('id: "p"', 'id: "q"'),
      'its code says it is "q", its manifest "p"',
    ],
    ["another version", codeOf(NOTHING).replace("apiVersion: 1", "apiVersion: 2"), "version 2 of plugins"],
    [
      "a method that is not its own",
      codeOf(
        NOTHING,
        `methods: { "health.lie": method({ scope: "read", summary: "", params: () => z.strictObject({}),
           result: () => z.strictObject({}) }) },`,
      ),
      'its "health.lie" has to begin with "p."',
    ],
    [
      "settings that do not fit",
      codeOf(NOTHING, "config: () => z.strictObject({ wanted: z.string() }),"),
      "its configuration does not fit: wanted",
    ],
    ["a hook nobody asks", codeOf(`ctx.hook("moon_rise", () => {}); ${NOTHING}`), 'no hook "moon_rise"'],
    [
      "a tool of a name no model takes",
      codeOf(`ctx.tool({ name: "a b", description: "", input: z.object({}), run: () => "" }); ${NOTHING}`),
      'its tool "a b"',
    ],
    [
      "two services of one name",
      codeOf(`ctx.service("s", () => {}); ctx.service("s", () => {}); ${NOTHING}`),
      'it has two services "s"',
    ],
  ];
  test.each(cases)("%s", async (_what, code, words) => {
    const { plugin } = await start(code);
    expect(String(await plugin.catch((error: unknown) => error))).toContain(words);
  });

  test("one that never ends, and what it opened is closed", async () => {
    const { plugin, gate, time } = await start(
      codeOf(
        "ctx.onStop(() => ctx.log.info('closed')); ctx.log.info('begun'); return new Promise(() => {});",
      ),
    );
    const refused = plugin.catch((error: unknown) => error);
    while (!gate.lines.includes("info begun")) await new Promise((resolve) => setImmediate(resolve));
    // The deadline is set when it has said so.
    await new Promise((resolve) => setImmediate(resolve));
    time.advance(LIMITS.pluginStartMs);
    expect(String(await refused)).toContain("it has not started within 10 s");
    expect(gate.lines).toContain("info closed");
  });
});

describe("tools", () => {
  const code = codeOf(`
    ctx.tool({
      name: "add",
      description: "Adds",
      input: z.object({ a: z.number(), b: z.number() }),
      run: ({ a, b }, { sessionKey }) => {
        if (a < 0) throw new Error("too cold");
        return sessionKey + ": " + (a + b);
      },
    });
    ${NOTHING}
  `);
  const call = (plugin: RunningPlugin, args: string, name = "add") =>
    plugin.tool("main", { name, args, signal: new AbortController().signal, onUpdate: () => {} });

  test("are offered with their schema, and answer", async () => {
    const { plugin } = await start(code);
    const made = await plugin;
    expect(made.offers.tools).toMatchObject([
      { name: "add", description: "Adds", inputSchema: { type: "object", required: ["a", "b"] } },
    ]);
    expect(await call(made, '{"a":1,"b":2}')).toEqual({ text: "main: 3", isError: false });
  });

  test.each([
    ["no JSON", "{", "add"],
    ["other arguments", '{"a":"1"}', "add"],
    ["a throw", '{"a":-1,"b":2}', "add"],
    ["another name", "{}", "subtract"],
  ])("tell the model of %s", async (_what, args, name) => {
    const { plugin } = await start(code);
    expect(await call(await plugin, args, name)).toMatchObject({ isError: true });
  });
});

test("hooks of one plugin are asked in turn, each seeing what the one before made of it", async () => {
  const { plugin } = await start(
    codeOf(`
      ctx.hook("message_received", ({ text }) => ({ text: text + "!" }));
      ctx.hook("message_received", async ({ text }) => ({ text: text.toUpperCase() }));
      ctx.hook("message_received", () => {});
      ${NOTHING}
    `),
  );
  const made = await plugin;
  expect(made.offers.hooks).toEqual(["message_received"]);
  expect(await made.hook("message_received", { text: "hi" })).toEqual({ text: "HI!" });
  expect(await made.hook("run_end", {})).toBeUndefined();
});

test("a no of one hook is not undone by the next, and what is left open says nothing", async () => {
  const { plugin } = await start(
    codeOf(`
      ctx.hook("before_tool_call", () => ({ deny: "not at night" }));
      ctx.hook("before_tool_call", () => ({ deny: undefined, args: {} }));
      ctx.hook("message_sending", () => ({ drop: undefined, text: "a" }));
      ctx.hook("message_sending", ({ text }) => ({ drop: null, text: text + "b" }));
      ${NOTHING}
    `),
  );
  const made = await plugin;
  expect(await made.hook("before_tool_call", { args: {} })).toEqual({ deny: "not at night" });
  expect(await made.hook("message_sending", { text: "" })).toEqual({ text: "ab" });
});

test("hooks that work and agents that speak are calls that go on: a new version waits for them", async () => {
  const { plugin } = await start(
    codeOf(`
      const open = Promise.withResolvers();
      ctx.hook("message_received", () => open.promise);
      ctx.hook("run_end", () => open.resolve());
      ctx.agent({ id: "poet", open: () => ({ contextWindow: 1, keepsHistory: false, async *prompt() {
        yield { type: "text", text: "a" };
        yield { type: "end", reason: "stop" };
      } }) });
      ${NOTHING}
    `),
  );
  const made = await plugin;
  const heard = made.hook("message_received", {});
  expect(made.active()).toBe(1);
  await made.hook("run_end", {});
  await heard;
  expect(made.active()).toBe(0);
  const runtime = await made.agent("poet", { ...environmentOf("poet/small"), model: "small" });
  const turn = { runId: "1", messages: [], steered: () => [], approve: async () => "deny" as const };
  const said: string[] = [];
  for await (const { type } of runtime.prompt({ ...turn, remember: () => {} }, new AbortController().signal))
    said.push(`${type} ${made.active()}`);
  expect(said).toEqual(["text 1", "end 1"]);
  expect(made.active()).toBe(0);
});

describe("routes", () => {
  const code = codeOf(`
    ctx.http({ method: "GET", path: "/open", auth: { kind: "public" }, handle: () => ({ body: "yes" }) });
    ctx.http({ method: "POST", path: "/own", auth: { kind: "own", check: ({ headers }) => headers.key === "k" },
      handle: (request) => ({ body: { got: request.json() } }) });
    ctx.http({ method: "GET", path: "/asks", auth: { kind: "own", check: () => new Promise(() => {}) }, handle: () => ({}) });
    ctx.http({ method: "GET", path: "/stuck", handle: () => new Promise(() => {}) });
    ctx.http({ method: "GET", path: "/patient", handle: ({ signal }) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("gave up")))) });
    ${NOTHING}
  `);
  const head = { method: "GET", path: "/", params: {}, query: {}, headers: {}, address: "127.0.0.1" };
  const body = new TextEncoder().encode('{"a":1}');

  test("say who may call them: without a word, whoever may write", async () => {
    const { plugin } = await start(code);
    const made = await plugin;
    expect(made.offers.routes.map(({ path, auth }) => [path, auth])).toEqual([
      ["/open", { kind: "public" }],
      ["/own", { kind: "own" }],
      ["/asks", { kind: "own" }],
      ["/stuck", { kind: "gateway", scope: "write" }],
      ["/patient", { kind: "gateway", scope: "write" }],
    ]);
    expect(await made.allow(1, head)).toBe(false);
    expect(await made.allow(1, { ...head, headers: { key: "k" } })).toBe(true);
    expect(await made.http(1, { ...head, body })).toEqual({ body: { got: { a: 1 } } });
  });

  test("whoever says who may call has not for ever to say it", async () => {
    const { plugin, time } = await start(code);
    const made = await plugin;
    const asked = made.allow(2, head).catch((error: { code: string }) => error.code);
    time.advance(LIMITS.hookMs);
    expect(await asked).toBe("timeout");
  });

  test("a body that is no JSON is the caller's mistake", async () => {
    const { plugin } = await start(code);
    const made = await plugin;
    const refused = Promise.resolve(made.http(1, { ...head, body: new Uint8Array([123]) }));
    expect(await refused.catch((error: { code: string }) => error.code)).toBe("invalid_request");
  });

  test("an answer that takes too long is a timeout; one that never ends is a fault of the plugin", async () => {
    const { plugin, gate, time } = await start(code);
    const made = await plugin;
    const [stuck, patient] = [3, 4].map((index) =>
      made.http(index, { ...head, body }).catch((error: { code: string }) => error.code),
    );
    time.advance(LIMITS.pluginHttpMs);
    expect(await Promise.all([stuck, patient])).toEqual(["timeout", "timeout"]);
    expect(gate.errors).toEqual([]);
    time.advance(LIMITS.pluginHttpMs);
    await new Promise((resolve) => setImmediate(resolve));
    expect(gate.errors.map(String)).toEqual(["Error: its answer to GET /stuck does not end"]);
  });
});

test("a service that fails is started again, later each time, until the plugin stops", async () => {
  const { plugin, gate, time } = await start(
    codeOf(`
      let times = 0;
      ctx.service("poll", async () => { times += 1; throw new Error("failed " + times); });
      ctx.service("short", () => {});
      ${NOTHING}
    `),
  );
  const made = await plugin;
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  expect(gate.states).toEqual([]);
  made.begin();
  await turn();
  expect(gate.states).toEqual(["poll running", "short running", "poll failed", "short ended"].sort(byName));
  gate.states.length = 0;
  time.advance(LIMITS.restartPauseMsMin);
  await turn();
  time.advance(LIMITS.restartPauseMsMin);
  await turn();
  expect(gate.states).toEqual(["poll running", "poll failed"]);
  time.advance(LIMITS.restartPauseMsMin);
  await turn();
  expect(gate.states).toEqual(["poll running", "poll failed", "poll running", "poll failed"]);
  await made.stop();
  time.advance(LIMITS.restartPauseMsMax);
  await turn();
  expect(gate.states.filter((state) => state === "poll running")).toHaveLength(2);
});

test("out of force its background ends, and what it was asked before is answered", async () => {
  const { plugin, gate } = await start(
    codeOf(
      `const answered = Promise.withResolvers();
       ctx.service("poll", (signal) => new Promise((resolve) => signal.addEventListener("abort", () => {
         ctx.log.info("heard " + ctx.signal.aborted);
         resolve();
       })));
       ctx.service("answer", (signal) => new Promise((resolve) => signal.addEventListener("abort", () => {
         answered.resolve({ n: 1 });
         resolve();
       })));
       return { handlers: { "p.ask": () => answered.promise } };`,
      `methods: { "p.ask": method({ scope: "read", summary: "", params: () => z.strictObject({}),
         result: () => z.strictObject({ n: z.int() }) }) },`,
    ),
  );
  const made = await plugin;
  made.begin();
  const answer = callOf(made, "p.ask");
  expect(made.active()).toBe(1);
  made.end();
  expect(await answer).toEqual({ n: 1 });
  expect(gate.lines).toEqual(["info heard false"]);
  expect(gate.states).toEqual(["poll running", "answer running", "poll ended", "answer ended"]);
});

function byName(a: string, b: string): number {
  const order = ["poll running", "short running", "poll failed", "short ended"];
  return order.indexOf(a) - order.indexOf(b);
}

test("an account of a channel hears and is heard", async () => {
  const { plugin, gate } = await start(
    codeOf(`
      const account = { id: "default", policy: { direct: "open", allowFrom: [], group: "disabled", groups: {} } };
      ctx.channel({
        id: "p",
        label: "P",
        accounts: [account],
        async run({ id }, link) {
          link.status({ state: "connected" });
          await link.receive({ chatId: "1", messageId: "1", sender: { id: "7" }, isGroup: false, text: "hello" });
          await new Promise((resolve) => link.signal.addEventListener("abort", resolve));
        },
        send: async ({ text }) => ({ messageId: text.length + "" }),
      });
      ${NOTHING}
    `),
  );
  const made = await plugin;
  made.begin();
  while (gate.received.length === 0) await new Promise((resolve) => setImmediate(resolve));
  expect(gate.states).toEqual(["default connecting", "default connected"]);
  expect(gate.received).toEqual([{ channel: "p", accountId: "default", text: "hello" }]);
  const channel = made.channel("p");
  expect(await channel.send({ accountId: "default", to: "1", text: "four" })).toEqual({ messageId: "4" });
  expect(await channel.logout("default")).toBe(false);
  await channel.typing({ accountId: "default", to: "1" });
});

test("an account that ends by itself is started again, as one that fails", async () => {
  const { plugin, gate, time } = await start(
    codeOf(`
      const account = { id: "default", policy: { direct: "open", allowFrom: [], group: "disabled", groups: {} } };
      ctx.channel({ id: "p", label: "P", accounts: [account], run: async () => {}, send: async () => ({}) });
      ${NOTHING}
    `),
  );
  const made = await plugin;
  made.begin();
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  await turn();
  expect(gate.states).toEqual(["default connecting", "default failed"]);
  time.advance(LIMITS.restartPauseMsMin);
  await turn();
  expect(gate.states.slice(2)).toEqual(["default connecting", "default failed"]);
  await made.stop();
  expect(gate.states.at(-1)).toBe("default ended");
});

test("an error that nobody catches is told, with whatever began it", async () => {
  const { plugin, gate } = await start(
    codeOf(`setTimeout(() => { throw new Error("later"); }, 0); ${NOTHING}`),
  );
  await plugin;
  while (gate.errors.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(gate.errors.map(String)).toEqual([expect.stringMatching(/^Error: later \(index\.ts:3:\d+\)$/)]);
});

test("what it offers can be told as plain data", async () => {
  const { plugin } = await start(
    codeOf(
      `return { handlers: { "p.ask": ({ n }) => ({ n }) } };`,
      `methods: { "p.ask": method({ scope: "read", summary: "Asks", params: () => z.strictObject({ n: z.int() }),
         result: () => z.object({ n: z.int() }) }) },
       events: { "p.done": event({ scope: "read", delivery: "must", summary: "Done",
         data: () => z.strictObject({ n: z.int() }) }) },`,
    ),
  );
  const { offers } = await plugin;
  const crossed: unknown = JSON.parse(JSON.stringify(offers));
  expect(crossed).toMatchObject({
    methods: [{ name: "p.ask", scope: "read", effect: false, params: { required: ["n"] } }],
    events: [{ name: "p.done", delivery: "must" }],
  });
  expect(z.record(z.string(), z.unknown()).safeParse(crossed).success).toBe(true);
});
