/** Plugins where the gateway runs on Deno: each version in a process that Deno's own permissions hold. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { createHome, startGateway } from "../support/binary.ts";
import { onDeno } from "../support/deno.ts";
import { writePlugin, writeWord } from "../support/plugin.ts";
import { listen } from "../support/sdk.ts";
import { isAlive } from "../support/mcp-tools.ts";

/** With the installation of Deno, where it has not been needed before. */
setDefaultTimeout(120_000);

const VISITOR = `
import { readFileSync } from "node:fs";
import { definePlugin, effect, event, method, Plugin, z } from "gateway/plugin";
import { z as same } from "zod";
import { punctuation } from "marks";
import { word } from "./greeting";

enum Kind { Guest = "guest" }
const nothing = () => same.strictObject({});
const refused = async (work: () => unknown): Promise<string> => {
  try {
    return JSON.stringify(await work());
  } catch (error) {
    return error.name;
  }
};

const plugin: Plugin = definePlugin({
  id: "visitor",
  apiVersion: 1,
  methods: {
    "visitor.greet": effect({
      scope: "write",
      summary: "Greets somebody",
      params: () => z.strictObject({ name: z.string().max(10) }),
      result: () => z.strictObject({ text: z.string(), times: z.int(), pid: z.int() }),
    }),
    "visitor.pry": method({
      scope: "read",
      summary: "Tries what it may not",
      params: () => same.strictObject({ file: z.string(), url: z.string() }),
      result: () => z.strictObject({ outcomes: z.array(z.string()) }),
    }),
    "visitor.use": effect({
      scope: "write",
      summary: "Uses what it may",
      params: () => z.strictObject({ file: z.string(), url: z.string() }),
      result: () => z.strictObject({ outcomes: z.array(z.string()) }),
    }),
    "visitor.spin": effect({ scope: "write", summary: "Never ends", params: nothing, result: nothing }),
    "visitor.stumble": effect({ scope: "write", summary: "Throws", params: nothing, result: nothing }),
    "visitor.fall": effect({ scope: "write", summary: "Throws later", params: nothing, result: nothing }),
  },
  events: {
    "visitor.came": event({
      scope: "read",
      delivery: "must",
      summary: "Somebody came",
      data: () => z.strictObject({ name: z.string(), kind: z.string() }),
    }),
  },
  start(ctx) {
    return {
      handlers: {
        async "visitor.greet"({ name }) {
          const times = Number((await ctx.store.get("times")) ?? 0) + 1;
          await ctx.store.set("times", times);
          ctx.publish("visitor.came", { name, kind: Kind.Guest });
          return { text: word() + ", " + name + punctuation, times, pid: process.pid };
        },
        "visitor.pry": async ({ file, url }) => ({
          outcomes: await Promise.all([
            refused(() => readFileSync(file, "utf8")),
            refused(() => import(file)),
            refused(() => fetch(url)),
            refused(() => new Deno.Command("/bin/true").outputSync()),
            refused(() => ctx.fetch(url)),
            refused(() => import("gateway/plugin/testing").then(({ startPlugin }) => typeof startPlugin)),
            refused(() => process.env.PATH !== undefined && process.env.OLLAMA_HOST === undefined),
          ]),
        }),
        "visitor.use": async ({ file, url }) => {
          await ctx.files.writeText(file, "written");
          const { stdout } = await ctx.exec(["echo", "run"]);
          return { outcomes: [await ctx.files.readText(file), await (await ctx.fetch(url)).text(), stdout] };
        },
        "visitor.spin": () => {
          setTimeout(() => {
            for (;;);
          }, 0);
          return {};
        },
        "visitor.stumble": () => {
          throw new Error("stumbled");
        },
        "visitor.fall": () => {
          setTimeout(() => {
            throw new Error("fell");
          });
          return {};
        },
      },
    };
  },
});
export default plugin;
`;

/** As packages are: JavaScript, with what it is built on beside it. */
const PACKAGED = `
import { definePlugin, method } from "gateway/plugin";
import { z } from "zod";
import { punctuation } from "marks";
export default definePlugin({
  id: "packaged",
  apiVersion: 1,
  methods: {
    "packaged.mark": method({
      scope: "read", summary: "Says it", params: () => z.strictObject({}), result: () => z.object({ mark: z.string() }),
    }),
  },
  start: () => ({ handlers: { "packaged.mark": () => ({ mark: punctuation }) } }),
});
`;

const token = "the-token-of-this-test-0123456789";

function writePackage(directory: string, files: Readonly<Record<string, string>>): void {
  const [main] = Object.keys(files);
  const type = main === "index.js" ? "module" : "commonjs";
  const manifest = { name: basename(directory), version: "1.0.0", type, main };
  for (const [name, text] of Object.entries({ ...files, "package.json": JSON.stringify(manifest) })) {
    mkdirSync(dirname(join(directory, name)), { recursive: true, mode: 0o700 });
    writeFileSync(join(directory, name), text, { mode: 0o600 });
  }
}

/** Nothing tells of it, as it is no child of ours. */
async function ended(pid: number): Promise<void> {
  while (isAlive(pid)) await Bun.sleep(10);
}

async function start(entry: object = {}) {
  const home = createHome({
    gateway: { auth: { token } },
    agents: { defaults: { model: "echo/echo" } },
    plugins: { entries: { visitor: { enabled: true, ...entry }, packaged: { enabled: true } } },
    cron: {},
  });
  const wants = { network: true, exec: true, files: [home.cwd] };
  const folder = writePlugin(join(home.stateDir, "plugins/visitor"), {
    manifest: { id: "visitor", version: "1.0.0", apiVersion: 1, capabilities: wants },
    code: VISITOR,
  });
  const greeting = 'import { WORD } from "./word.ts";\nexport const word = () => WORD;\n';
  writeFileSync(join(folder, "greeting.ts"), greeting, { mode: 0o600 });
  writePackage(join(folder, "node_modules/marks"), { "lib/marks.js": 'exports.punctuation = "!";\n' });
  const packages = join(home.stateDir, "plugins/node_modules");
  writePackage(join(packages, "marks"), { "lib/marks.js": 'exports.punctuation = "?";\n' });
  writePackage(join(packages, "packaged"), {
    "index.js": PACKAGED,
    "gateway.plugin.json": JSON.stringify({ id: "packaged", apiVersion: 1, entry: "index.js" }),
  });
  const gateway = await startGateway(home, {
    command: await onDeno("run"),
    env: { DENO_NO_UPDATE_CHECK: "1" },
  });
  const { client, until } = await listen(gateway, { token });
  const ask = (method: string, params: Readonly<Record<string, unknown>> = {}) =>
    client.request(method, params).catch((error: { message: string }) => error.message);
  const info = () => client.call("plugins.info", { id: "visitor" });
  return { home, folder, gateway, client, until, ask, info };
}

test("a plugin on Deno: called, heard, kept from what it was not granted, and new at each reload", async () => {
  const { home, folder, gateway, client, until, ask, info } = await start();
  await until("start", ({ payload }) => payload["id"] === "visitor" && payload["state"] === "running");
  const { pid, ...first } = (await client.request("visitor.greet", { name: "Ada" })) as { pid: number };
  expect(first).toEqual({ text: "Hello, Ada!", times: 1 });
  expect((await until("event", ({ event }) => event === "visitor.came")).payload).toMatchObject({
    name: "Ada",
    kind: "guest",
  });
  expect(await ask("visitor.greet", { name: 1 })).toMatch(/name/);

  expect(await ask("visitor.pry", { file: home.configPath, url: gateway.url })).toEqual({
    outcomes: ["NotCapable", "TypeError", "NotCapable", "NotCapable", "RpcError", '"function"', "true"],
  });
  const held = { held: "by the permissions of Deno", isHeld: true };
  expect(await info()).toMatchObject({
    limits: [
      { capability: "files", ...held },
      { capability: "network", ...held },
      { capability: "exec", ...held },
      { capability: "env", isHeld: true },
      { capability: "sessions", isHeld: true },
    ],
    denied: [{ capability: "network" }],
    process: { pid, sharedWith: [] },
  });
  // It is looked at some times a second.
  let rssBytes: number | undefined;
  while (rssBytes === undefined) ({ rssBytes } = (await info()).process ?? {});
  expect(rssBytes).toBeGreaterThan(1024 * 1024);

  writeWord(folder, "Good day");
  expect(await client.call("plugins.reload", { id: "visitor" })).toMatchObject({ state: "running" });
  const second = (await client.request("visitor.greet", { name: "Ada" })) as { pid: number };
  expect(second).toMatchObject({ text: "Good day, Ada!", times: 2 });
  expect(second.pid).not.toBe(pid);
  await ended(pid);

  writeFileSync(join(folder, "word.ts"), 'export const WORD = "";\nthrow new Error("not today");');
  expect(await ask("plugins.reload", { id: "visitor" })).toBe(
    'Cannot reload plugin "visitor": not today (word.ts:2:7)',
  );
  writeFileSync(join(folder, "word.ts"), "export const = 1;");
  expect(await ask("plugins.reload", { id: "visitor" })).toMatch(
    /^Cannot reload plugin "visitor": SyntaxError: .* \(word\.ts:1:14\)$/,
  );
  expect(await ask("visitor.greet", { name: "Bob" })).toMatchObject({ text: "Good day, Bob!", times: 3 });

  expect(await ask("visitor.stumble")).toMatch(/internal/i);
  expect(await ask("visitor.greet", { name: "Bob" })).toMatchObject({ pid: second.pid });
  await ask("visitor.fall");
  const failed = await until("failure", ({ payload }) => payload["state"] === "failed");
  expect(failed.payload).toMatchObject({
    id: "visitor",
    error: expect.stringMatching(/^fell \(index\.ts:\d+:\d+\)/),
  });
  await ended(second.pid);
  expect(await gateway.stop()).toBe(0);
});

test("on Deno the gateway's own process takes its own plugins alone, and says so", async () => {
  const { gateway, client, ask, info, until } = await start({ isolation: "none" });
  await gateway.logged("plugin not started");
  await until("start", ({ payload }) => payload["id"] === "packaged" && payload["state"] !== "starting");
  expect(await info()).toMatchObject({
    state: "failed",
    error: "on Deno a plugin runs in a process of plugins, with isolation process or own",
  });
  expect(await client.request("cron.list", {})).toMatchObject({ jobs: [] });
  expect(await ask("packaged.mark")).toEqual({ mark: "?" });
  expect(await gateway.stop()).toBe(0);
});

test("on Deno a plugin may do what it was granted", async () => {
  const { home, gateway, until, ask, info } = await start();
  const file = join(home.cwd, "by-visitor");
  const healthz = { file, url: `${gateway.url}/healthz` };
  await until("start", ({ payload }) => payload["id"] === "visitor" && payload["state"] === "running");
  expect(await ask("visitor.use", healthz)).toMatch(/no grant for files$/);
  const grants = { network: true, exec: true, files: [home.cwd] };
  expect(await ask("plugins.enable", { id: "visitor", grants })).toMatchObject({ grants });
  expect(await ask("visitor.use", healthz)).toEqual({ outcomes: ["written", '{"status":"ok"}', "run\n"] });
  expect(await info()).toMatchObject({
    limits: [{ capability: "files", isHeld: false }, { capability: "env" }, { capability: "sessions" }],
  });
  // Not even a plugin that spins outlives a gateway that is killed.
  const { pid = 0 } = (await info()).process ?? {};
  expect(isAlive(pid)).toBe(true);
  await ask("visitor.spin");
  await gateway.stop("SIGKILL");
  await ended(pid);
});
