import { expect, test } from "bun:test";
import { definePlugin, effect, event, method, RpcError, z } from "../../../src/plugins/api.ts";
import { startPlugin } from "../../../src/plugins/testing.ts";

const plugin = definePlugin({
  id: "box",
  apiVersion: 1,
  config: () => z.strictObject({ size: z.int().default(2) }),
  methods: {
    "box.put": effect({
      scope: "write",
      summary: "Puts something in",
      params: () => z.strictObject({ what: z.string() }),
      result: () => z.strictObject({ count: z.int() }),
      errors: ["conflict"],
    }),
    "box.lie": method({
      scope: "read",
      summary: "Answers something else",
      params: () => z.strictObject({}),
      result: () => z.strictObject({ count: z.int() }),
    }),
  },
  events: {
    "box.filled": event({
      scope: "read",
      delivery: "must",
      summary: "It is full",
      data: () => z.strictObject({ size: z.int() }),
    }),
  },
  start(ctx) {
    ctx.http({
      method: "POST",
      path: "/in/:name",
      auth: { kind: "own", check: ({ headers }) => headers["x-key"] === "open" },
      handle: (request) => ({ status: 201, body: { name: request.params["name"], sent: request.json() } }),
    });
    ctx.hook("message_sending", ({ text }) => ({ text: `${text}!` }));
    ctx.hook("message_sending", ({ text }) => (text === "secret" ? { drop: "secret" } : undefined));
    ctx.service("watch", async (signal) => {
      const { text } = await ctx.sessions.wait(
        await ctx.sessions.send({ sessionKey: "plugin:box:a", message: "hi" }),
      );
      await ctx.store.set("heard", text);
      if (!signal.aborted) throw new Error("ended early");
    });
    ctx.onStop(() => ctx.log.info("stopped"));
    return {
      handlers: {
        "box.put": async ({ what }, call) => {
          const things = await ctx.store.list({ prefix: "thing:" });
          if (things.length >= ctx.config().size) call.fail("conflict", 'Cannot fill "box": it is full');
          await ctx.store.set(`thing:${what}`, true);
          if (things.length + 1 === ctx.config().size) ctx.publish("box.filled", { size: ctx.config().size });
          return { count: things.length + 1 };
        },
        "box.lie": () => JSON.parse('{"count":"many"}'),
      },
    };
  },
});

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.catch((error: unknown) => (error instanceof RpcError ? error.code : String(error)));

test("calls are held to what the plugin declares", async () => {
  const started = await startPlugin(plugin);
  expect(await started.call("box.put", { what: "a", idempotencyKey: "1" })).toEqual({ count: 1 });
  expect(await started.call("box.put", { what: "b" })).toEqual({ count: 2 });
  expect(started.events).toEqual([{ event: "box.filled", payload: { size: 2 } }]);
  expect(await codeOf(started.call("box.put", { what: "c" }))).toBe("conflict");
  expect(await codeOf(started.call("box.put", { which: "c" }))).toBe("invalid_params");
  expect(await codeOf(started.call("box.nothing"))).toBe("unknown_method");
  expect(await codeOf(started.call("box.lie"))).toContain("answered what it does not say");
});

test("its world is what the test says, and nothing of it is shared", async () => {
  const started = await startPlugin(plugin, { config: { size: 1 }, stored: { "thing:old": 1 } });
  expect(await codeOf(started.call("box.put", { what: "a" }))).toBe("conflict");
  expect(startPlugin(plugin, { config: { size: "x" } })).rejects.toThrow("size");
  expect(await started.store.get("thing:old")).toBe(1);
});

test("routes, with their own word on who may", async () => {
  const { http } = await startPlugin(plugin);
  const headers = { "x-key": "open" };
  expect(await http("POST", "/in/a%20b", { headers, body: { x: 1 } })).toEqual({
    status: 201,
    headers: {},
    text: '{"name":"a b","sent":{"x":1}}',
  });
  expect(await codeOf(http("POST", "/in/a"))).toBe("unauthorized");
  expect(await codeOf(http("GET", "/in/a", { headers }))).toBe("not_found");
  expect(await codeOf(http("POST", "/in/a", { headers, body: "{" }))).toBe("invalid_request");
});

test("hooks, services and stops", async () => {
  const started = await startPlugin(plugin, { agent: (message) => `${message} back` });
  const message = { channel: "c", accountId: "default", to: "me", text: "secret" };
  expect(await started.hook("message_sending", message)).toEqual({ text: "secret!", drop: "secret" });
  const running = started.service("watch");
  await started.stop();
  await running;
  expect(await started.store.get("heard")).toBe("hi back");
  expect(started.sent).toEqual([{ sessionKey: "plugin:box:a", message: "hi" }]);
  expect(started.logs).toEqual(["info stopped"]);
});

test("messages over channels go to the test", async () => {
  const teller = definePlugin({
    id: "teller",
    apiVersion: 1,
    methods: {
      "teller.tell": effect({
        scope: "write",
        summary: "Tells",
        params: () => z.strictObject({}),
        result: () => z.looseObject({}),
      }),
    },
    start: (ctx) => ({
      handlers: { "teller.tell": async () => ({ ...(await ctx.send({ to: "ada", text: "hi" })) }) },
    }),
  });
  const started = await startPlugin(teller, { send: async () => ({ status: "waiting", channel: "pigeon" }) });
  expect(await started.call("teller.tell")).toEqual({ status: "waiting", channel: "pigeon" });
  expect(started.messages).toEqual([{ to: "ada", text: "hi" }]);
  expect(await codeOf((await startPlugin(teller)).call("teller.tell"))).toBe("forbidden");
});

test("what the gateway refuses is refused: names of others, registering late, a world that was not given", async () => {
  const start = () => ({ handlers: {} });
  const foreign = definePlugin({
    id: "fox",
    apiVersion: 1,
    events: { "box.x": event({ scope: "read", delivery: "must", summary: "x", data: () => z.object({}) }) },
    start,
  });
  expect(startPlugin(foreign)).rejects.toThrow('its "box.x" has to begin with "fox."');
  let late = (): void => {};
  let outside = (): Promise<unknown>[] => [];
  const odd = definePlugin({
    id: "odd",
    apiVersion: 1,
    start(ctx) {
      late = () => ctx.service("late", () => {});
      outside = () => [ctx.files.readText("/etc/passwd"), ctx.exec(["ls"]), ctx.fetch("https://example.org")];
      return { handlers: {} };
    },
  });
  await startPlugin(odd);
  expect(late).toThrow("only while it starts");
  for (const refused of outside()) expect(await codeOf(refused)).toBe("forbidden");
});
