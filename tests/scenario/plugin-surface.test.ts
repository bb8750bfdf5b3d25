// Everything a plugin can offer, met as its users meet it: in the gateway's process, and in one of plugins.
import { afterEach, beforeEach, describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writePlugin } from "../support/plugin.ts";
import { startOpenAiServer } from "../support/openai-server.ts";
import { listen } from "../support/sdk.ts";
import { tempDir } from "../support/temp.ts";
import { endPrograms, startProgram } from "./program.ts";

afterEach(endPrograms);
setDefaultTimeout(60_000);

const TOKEN = "the-token-of-this-test-0123456789";

const CODE = `
import { definePlugin, effect, event, method, RpcError, z } from "gateway/plugin";

const ok = () => z.strictObject({ ok: z.boolean() });
const nothing = () => z.strictObject({});

export default definePlugin({
  id: "kit",
  apiVersion: 1,
  methods: {
    "kit.keep": effect({ scope: "write", summary: "Keeps", params: () => z.strictObject({ word: z.string() }), result: ok }),
    "kit.kept": method({ scope: "read", summary: "Kept", params: nothing, result: () => z.looseObject({}) }),
    "kit.talk": effect({ scope: "write", summary: "Talks", params: () => z.strictObject({ sessionKey: z.string(), text: z.string() }),
      result: () => z.strictObject({ text: z.string() }) }),
    "kit.reach": method({ scope: "read", summary: "Reaches", params: () => z.strictObject({ what: z.string() }),
      result: () => z.strictObject({ got: z.string() }) }),
    "kit.refuse": method({ scope: "read", summary: "Refuses", params: nothing, result: nothing, errors: ["conflict"] }),
    "kit.lie": method({ scope: "read", summary: "Lies", params: nothing, result: ok }),
    "kit.odd": effect({ scope: "write", summary: "Keeps odd values", params: nothing,
      result: () => z.looseObject({}) }),
    "kit.tell": effect({ scope: "write", summary: "Tells somebody", result: () => z.looseObject({}),
      params: () => z.strictObject({ text: z.string(), key: z.string().optional(),
        channel: z.string().optional() }) }),
    "kit.seen": method({ scope: "read", summary: "Seen", params: nothing, result: () => z.looseObject({}) }),
  },
  events: {
    "kit.kept": event({ scope: "read", delivery: "must", summary: "Kept", data: () => z.strictObject({ word: z.string() }) }),
  },
  start(ctx) {
    const seen: string[] = [];
    ctx.hook("run_start", ({ sessionKey }) => { seen.push("run_start " + sessionKey); return { instructions: "Be brief." }; });
    ctx.hook("run_end", ({ status, text }) => void seen.push("run_end " + status + " " + text));
    ctx.hook("session_start", ({ sessionKey, reason }) => void seen.push("session_start " + reason + " " + sessionKey));
    ctx.hook("gateway_start", () => void seen.push("gateway_start"));
    ctx.hook("gateway_stop", async ({ reason }) => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      await ctx.store.set("word/~", "stopped: " + reason);
    });
    ctx.channel({
      id: "pigeon",
      label: "Pigeon",
      accounts: [{ id: "default", policy: { direct: "open", allowFrom: [], group: "disabled", groups: {} } }],
      async run(_account, link) {
        link.status({ state: "connected" });
        await new Promise((resolve) => link.signal.addEventListener("abort", resolve));
      },
      async send({ to, threadId = "", text }) {
        seen.push("pigeon " + [to, threadId, text].join("|"));
        return { messageId: "feather-" + seen.length };
      },
    });
    ctx.tool({
      name: "kit_add",
      description: "Adds two numbers",
      input: z.object({ a: z.number(), b: z.number() }),
      run: ({ a, b }, { sessionKey }) => sessionKey + " says " + (a + b),
    });
    ctx.hook("before_tool_call", ({ args }) => args.a === 13 ? { deny: "it is unlucky" } : { args: { ...args, b: 40 } });
    ctx.hook("after_tool_call", ({ text }) => ({ text: text + "!" }));
    ctx.agent({
      id: "poet",
      open: ({ model }) => ({
        contextWindow: 8_000,
        keepsHistory: false,
        async *prompt({ messages }) {
          const last = messages.at(-1)?.parts[0];
          yield { type: "text", text: model + " hums: " };
          yield { type: "text", text: last?.type === "text" ? last.text : "" };
          yield { type: "end", reason: "stop" };
        },
      }),
    });
    ctx.http({ method: "GET", path: "/public/:name", auth: { kind: "public" },
      handle: ({ params, query }) => ({ body: { hello: params.name, loud: query.loud ?? "" } }) });
    ctx.http({ method: "POST", path: "/closed", handle: (request) => ({ status: 201, body: "got " + request.text().length }) });
    ctx.http({ method: "POST", path: "/own", auth: { kind: "own", check: ({ headers }) => headers["x-secret"] === "sesame" },
      handle: ({ headers }) => ({ headers: { "x-seen": "" + ("authorization" in headers) }, body: "in" }) });
    ctx.http({ method: "GET", path: "/fails", auth: { kind: "public" }, handle: () => { throw new RpcError("conflict", "Cannot now"); } });
    ctx.http({ method: "GET", path: "/breaks", auth: { kind: "public" }, handle: () => { throw new Error("secret detail"); } });
    ctx.http({ method: "GET", path: "/bytes", auth: { kind: "public" },
      handle: () => ({ headers: { "content-type": "image/png" }, body: new Uint8Array([137, 80, 0, 255]) }) });
    return {
      handlers: {
        "kit.keep": async ({ word }) => {
          await ctx.store.set("word/" + word, word);
          ctx.publish("kit.kept", { word });
          return { ok: true };
        },
        "kit.kept": async () => ({ words: (await ctx.store.list({ prefix: "word/" })).map(({ value }) => String(value)) }),
        "kit.talk": async ({ sessionKey, text }) => {
          const run = await ctx.sessions.send({ sessionKey, message: text, model: "poet/small" });
          const end = await ctx.sessions.wait(run, 10_000);
          return { text: end.text ?? end.status };
        },
        "kit.reach": async ({ what }) => {
          if (what === "env") return { got: String(ctx.env("HOME")) };
          if (what === "file") return { got: String(await ctx.files.readText("/etc/passwd")) };
          if (what === "exec") return { got: (await ctx.exec(["true"])).stdout };
          return { got: String((await fetch("http://127.0.0.1:9/")).status) };
        },
        "kit.refuse": (_params, call) => call.fail("conflict", "Cannot agree: never"),
        "kit.lie": () => ({ ok: "yes" }) as never,
        "kit.odd": async () => {
          const refusal = (value: unknown) => ctx.store.set("odd", value).then(() => "kept", ({ code }) => code);
          await ctx.store.setMany({ "odd/null": null, "odd/gone": 1, "odd/false": false });
          await ctx.store.set("odd/gone", undefined);
          return {
            kept: await ctx.store.list({ prefix: "odd" }),
            read: [await ctx.store.get("odd/null"), typeof (await ctx.store.get("odd/gone"))],
            refused: [await refusal(NaN), await refusal({ a: new Map() }), await refusal(() => {})],
          };
        },
        "kit.tell": async ({ text, key, channel }) => {
          const chat = { to: "ada", threadId: "t", ...(channel && { channel }) };
          return { ...(await ctx.send({ ...chat, text, ...(key && { idempotencyKey: key }) })) };
        },
        "kit.seen": () => ({ hooks: seen }),
      },
    };
  },
});
`;

let home: string;

beforeEach(() => {
  home = tempDir();
  mkdirSync(join(home, ".clawdbot"), { mode: 0o700 });
  writePlugin(join(home, ".clawdbot/plugins/kit"), {
    manifest: { id: "kit", apiVersion: 1, capabilities: { network: true, sessions: true } },
    code: CODE,
  });
});

async function start(isolation: string, grants: object = {}, more: object = {}) {
  const config = {
    gateway: { port: 0, auth: { token: TOKEN } },
    agents: { defaults: { model: "echo/echo" } },
    plugins: { entries: { kit: { enabled: true, isolation, grants } } },
    ...more,
  };
  writeFileSync(join(home, ".clawdbot/moltbot.json"), JSON.stringify(config), { mode: 0o600 });
  const program = startProgram(["run"], { home, env: { OLLAMA_HOST: "127.0.0.1:9" } });
  const [, url = ""] = await program.until(/gateway listening url=(http:\/\/127\.0\.0\.1:\d+)/);
  await program.until(/plugin started/);
  const { client, until } = await listen({ url }, { token: TOKEN });
  const ask = (method: string, params: object = {}): Promise<unknown> =>
    client.request(method, { ...params }).catch((error: { code?: string }) => error.code);
  const http = (path: string, init?: RequestInit): Promise<Response> => fetch(`${url}${path}`, init);
  return { program, client, until, ask, http, url };
}

describe.each(["none", "process"])("isolation %s", (isolation) => {
  test("what it keeps is there after a restart, and told", async () => {
    const { ask, until, program } = await start(isolation);
    expect(await ask("kit.keep", { word: "one" })).toEqual({ ok: true });
    expect(await ask("kit.keep", { word: "two" })).toEqual({ ok: true });
    const isTwo = ({ payload }: { payload: Readonly<Record<string, unknown>> }) => payload["word"] === "two";
    await until("kit.kept", isTwo);
    process.kill(program.pid, "SIGKILL");
    await program.exited;
    const again = await start(isolation);
    expect(await again.ask("kit.kept")).toEqual({ words: ["one", "two"] });
  });

  test("what it keeps comes back as it was, or is not taken", async () => {
    const { ask } = await start(isolation);
    expect(await ask("kit.odd")).toEqual({
      kept: [
        { key: "odd/false", value: false },
        { key: "odd/null", value: null },
      ],
      read: [null, "undefined"],
      refused: ["invalid_params", "invalid_params", "invalid_params"],
    });
  });

  test("errors are told in the words of the protocol, and details of faults are not", async () => {
    const { ask, client } = await start(isolation);
    expect(await ask("kit.keep", { word: 7 })).toBe("invalid_params");
    expect(await ask("kit.refuse")).toBe("conflict");
    expect(await ask("kit.lie")).toBe("internal");
    const issues = await client
      .request("kit.keep", { word: 7 })
      .catch((error: { details?: unknown }) => error.details);
    expect(JSON.stringify(issues)).toContain("word");
  });

  test("its agent answers, in sessions of its own, and others are not its business", async () => {
    const { ask } = await start(isolation);
    expect(await ask("kit.talk", { sessionKey: "plugin:kit:1", text: "a tune" })).toEqual({
      text: "small hums: a tune",
    });
    expect(await ask("kit.talk", { sessionKey: "main", text: "a tune" })).toBe("forbidden");
  });

  test("anybody may use its agent, and its hooks hear of that", async () => {
    const { client, ask } = await start(isolation, { sessions: true });
    const { runId } = await client.call("agent", { message: "la la", sessionKey: "main", model: "poet/big" });
    expect(await client.call("agent.wait", { runId })).toMatchObject({ status: "ok" });
    const { messages } = await client.call("chat.history", { sessionKey: "main" });
    expect(messages.at(-1)?.content).toEqual([{ type: "text", text: "big hums: la la" }]);
    const { hooks } = (await ask("kit.seen")) as { readonly hooks: readonly string[] };
    expect(hooks).toContain("gateway_start");
    expect(hooks).toContain("session_start created agent:main:main");
    expect(hooks).toContain("run_start agent:main:main");
    expect(hooks).toContain("run_end ok big hums: la la");
  });

  test("it sends messages over channels, each once, when it may", async () => {
    const { ask } = await start(isolation, { sessions: true });
    const sent = { status: "sent", channel: "pigeon", messageId: expect.stringMatching(/^feather-\d+$/) };
    expect(await ask("kit.tell", { text: "hi" })).toEqual(sent);
    const first = await ask("kit.tell", { text: "once", key: "k", channel: "pigeon" });
    expect(first).toEqual(sent);
    expect(await ask("kit.tell", { text: "once", key: "k", channel: "pigeon" })).toEqual(first);
    expect(await ask("kit.tell", { text: "hi", channel: "owl" })).toBe("not_found");
    const { hooks } = (await ask("kit.seen")) as { readonly hooks: readonly string[] };
    expect(hooks.filter((line) => line.startsWith("pigeon"))).toEqual([
      "pigeon ada|t|hi",
      "pigeon ada|t|once",
    ]);
  });

  test("without the grant it sends to nobody, and that is told", async () => {
    const { ask, client } = await start(isolation);
    expect(await ask("kit.tell", { text: "hi" })).toBe("forbidden");
    expect((await client.call("plugins.info", { id: "kit" })).denied).toMatchObject([
      { capability: "sessions", what: "send" },
    ]);
    const { hooks } = (await ask("kit.seen")) as { readonly hooks: readonly string[] };
    expect(hooks.filter((line) => line.startsWith("pigeon"))).toEqual([]);
  });

  test("before the gateway stops it is told, and has a moment", async () => {
    const { program } = await start(isolation);
    process.kill(program.pid, "SIGTERM");
    await program.exited;
    const { ask } = await start(isolation);
    expect(await ask("kit.kept")).toEqual({ words: [expect.stringMatching(/^stopped: /)] });
  });

  test("a model calls its tool, past its hooks", async () => {
    const models = await startOpenAiServer();
    onTestFinished(() => models.stop());
    const calls = [2, 13].map((a) => ({
      id: `call_${a}`,
      name: "kit_add",
      args: JSON.stringify({ a, b: 1 }),
    }));
    models.on("m", { kind: "answer", toolCalls: calls }, { kind: "answer", text: ["Done"] });
    const providers = { local: { baseUrl: models.url, apiKey: "none" } };
    const { client } = await start(isolation, { sessions: true }, { models: { providers } });
    const asked = { message: "add", sessionKey: "main", model: "local/m" };
    const { runId } = await client.call("agent", asked);
    expect(await client.call("agent.wait", { runId })).toMatchObject({ status: "ok" });
    const { messages } = await client.call("chat.history", { sessionKey: "main" });
    expect(messages.at(-1)?.content).toMatchObject([
      { type: "tool_call", name: "kit_add", result: "agent:main:main says 42!" },
      { type: "tool_call", isError: true, result: 'Cannot call tool "kit_add": it is unlucky' },
      { type: "text", text: "Done" },
    ]);
    const [first] = models.requests;
    expect(JSON.stringify(first)).toContain("Be brief.");
    expect(JSON.stringify(first)).toContain("Adds two numbers");
  });

  test("what it was not granted it does not reach", async () => {
    const { ask, client } = await start(isolation);
    for (const what of ["env", "file", "exec", "network"])
      expect([what, await ask("kit.reach", { what })]).toEqual([what, "forbidden"]);
    const { denied } = await client.call("plugins.info", { id: "kit" });
    expect(denied?.map(({ capability }) => capability).sort()).toEqual(["env", "exec", "files", "network"]);
  });

  test("its routes: who may call them, what they answer", async () => {
    const { http } = await start(isolation);
    const auth = { authorization: `Bearer ${TOKEN}` };
    const open = await http("/plugins/kit/public/Ada%20L?loud=1");
    expect([open.status, await open.json()]).toEqual([200, { hello: "Ada L", loud: "1" }]);
    expect(open.headers.get("content-security-policy")).toBe("sandbox");
    expect((await http("/plugins/kit/closed", { method: "POST", body: "12345" })).status).toBe(401);
    const closed = await http("/plugins/kit/closed", { method: "POST", body: "12345", headers: auth });
    expect([closed.status, await closed.text()]).toEqual([201, "got 5"]);
    expect((await http("/plugins/kit/own", { method: "POST" })).status).toBe(401);
    const own = await http("/plugins/kit/own", {
      method: "POST",
      headers: { "x-secret": "sesame", ...auth },
    });
    expect([own.status, await own.text(), own.headers.get("x-seen")]).toEqual([200, "in", "true"]);
    const wrong = await http("/plugins/kit/closed", { headers: auth });
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "POST"]);
    expect((await http("/plugins/kit/nothing")).status).toBe(404);
    expect((await http("/plugins/other/public/x")).status).toBe(404);
    expect((await http("/plugins/kit/fails")).status).toBe(409);
    const broken = await http("/plugins/kit/breaks");
    expect(broken.status).toBe(500);
    expect(await broken.text()).not.toContain("secret detail");
    const bytes = await http("/plugins/kit/bytes");
    expect([...new Uint8Array(await bytes.arrayBuffer())]).toEqual([137, 80, 0, 255]);
    const large = "x".repeat(1024 * 1024 + 1);
    const refused = await http("/plugins/kit/closed", { method: "POST", body: large, headers: auth });
    expect(refused.status).toBe(413);
  });

  test("it says what it offers, schemas included", async () => {
    const { client, http } = await start(isolation);
    const info = await client.call("plugins.info", { id: "kit" });
    expect(info).toMatchObject({
      state: "running",
      agents: ["poet"],
      hooks: expect.arrayContaining(["run_start", "gateway_start", "before_tool_call"]),
    });
    const schema = await (await http("/schema", { headers: { authorization: `Bearer ${TOKEN}` } })).json();
    const { methods } = schema as { readonly methods: readonly { name: string; params: unknown }[] };
    const keep = methods.find(({ name }) => name === "kit.keep");
    expect(JSON.stringify(keep?.params)).toContain('"word"');
  });
});
