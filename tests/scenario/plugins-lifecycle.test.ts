/** Plugins from a folder somewhere to a running one and back, by the methods alone. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HELLO, writePlugin } from "../support/plugin.ts";
import { listen } from "../support/sdk.ts";
import { tempDir } from "../support/temp.ts";
import { endPrograms, startProgram } from "./program.ts";

afterEach(endPrograms);
setDefaultTimeout(60_000);

const TOKEN = "the-token-of-this-test-0123456789";
const MANIFEST = { id: "hello", version: "1.0.0", apiVersion: 1 };

let home: string;
let source: string;

beforeEach(() => {
  home = tempDir();
  mkdirSync(join(home, ".clawdbot"), { mode: 0o700 });
  source = writePlugin(join(home, "work/hello"), {
    manifest: { ...MANIFEST, capabilities: { network: true, exec: true } },
  });
});

const file = () => join(home, ".clawdbot/moltbot.json");
const installed = () => join(home, ".clawdbot/plugins/hello");

async function start(plugins: object = {}, env: Readonly<Record<string, string>> = {}) {
  const gateway = { port: 0, auth: { token: TOKEN }, reload: { debounceMs: 10 } };
  const config = { gateway, agents: { defaults: { model: "echo/echo" } }, plugins };
  writeFileSync(file(), `// mine\n${JSON.stringify(config)}`, { mode: 0o600 });
  const program = startProgram(["run"], { home, env: { OLLAMA_HOST: "127.0.0.1:9", ...env } });
  const [, url = ""] = await program.until(/gateway listening url=(http:\/\/127\.0\.0\.1:\d+)/);
  const { client } = await listen({ url }, { token: TOKEN });
  const greet = () =>
    client.request("hello.greet", { name: "Ada" }).catch((error: { code?: string }) => error.code);
  return { program, client, greet };
}

const refusal = (work: Promise<unknown>) =>
  work.then(
    () => "done",
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  );

test("from a folder to a method that answers, and back to nothing", async () => {
  const { client, greet } = await start();
  expect(await client.call("plugins.install", { source })).toMatchObject({
    id: "hello",
    state: "disabled",
    origin: "installed",
    wants: { network: true, exec: true },
    grants: {},
  });
  expect(await greet()).toBe("unknown_method");
  expect(await client.call("plugins.enable", { id: "hello", grants: { network: true } })).toMatchObject({
    state: "running",
    enabledBy: "plugins.entries.hello.enabled",
    grants: { network: true },
    methods: ["hello.greet", "hello.shout"],
  });
  expect(await greet()).toEqual({ text: "Hello, Ada.", times: 1 });
  // Its owner's file says so now, and is still its owner's.
  expect(readFileSync(file(), "utf8")).toMatch(/^\/\/ mine\n.*"hello"/s);
  expect(await client.call("plugins.disable", { id: "hello" })).toMatchObject({ state: "disabled" });
  expect(await greet()).toBe("unknown_method");
  expect(await client.call("plugins.remove", { id: "hello" })).toEqual({ id: "hello", removed: true });
  expect(existsSync(installed())).toBe(false);
  expect(await refusal(client.call("plugins.info", { id: "hello" }))).toBe(
    'not_found: Cannot show plugin "hello": there is none',
  );
});

test("a newer version takes over from the running one; one that cannot start does not", async () => {
  const { client, greet } = await start({ entries: { hello: { enabled: true } } });
  expect(await client.call("plugins.install", { source })).toMatchObject({ state: "running", loads: 1 });
  expect(await refusal(client.call("plugins.install", { source }))).toMatch(/^conflict: .*installed already/);
  writePlugin(source, { manifest: { ...MANIFEST, version: "2.0.0" }, word: "Good day" });
  expect(await client.call("plugins.install", { source, replace: true })).toMatchObject({
    version: "2.0.0",
    loads: 2,
  });
  expect(await greet()).toEqual({ text: "Good day, Ada.", times: 1 });
  writePlugin(source, { manifest: MANIFEST, code: "throw new Error('not today');" });
  expect(await client.call("plugins.install", { source, replace: true })).toMatchObject({
    state: "running",
    version: "2.0.0",
    error: expect.stringMatching(/^not today/),
  });
  expect(await greet()).toEqual({ text: "Good day, Ada.", times: 2 });
});

test("a rule of its own switches a plugin on only where its owner has named it", async () => {
  const manifest = { ...MANIFEST, autoEnable: [{ env: "HELLO_TOKEN" }] };
  writePlugin(installed(), { manifest });
  const first = await start({}, { HELLO_TOKEN: "x" });
  expect((await first.client.call("plugins.list")).plugins).toContainEqual(
    expect.objectContaining({ id: "hello", state: "disabled" }),
  );
  await endPrograms();
  const text = { entries: { hello: { config: { loud: true } } } };
  const { client, greet, program } = await start(text, { HELLO_TOKEN: "x" });
  await program.until(/plugin started/);
  expect(await greet()).toEqual({ text: "Hello, Ada!", times: 1 });
  expect(await client.call("plugins.info", { id: "hello" })).toMatchObject({
    enabledBy: "the environment has HELLO_TOKEN",
  });
  expect(readFileSync(file(), "utf8")).not.toContain("enabled");
});

test("settings that do not fit the manifest are told without a line of code being run", async () => {
  const configSchema = { type: "object", properties: { loud: { type: "boolean" } } };
  writePlugin(installed(), {
    manifest: { ...MANIFEST, configSchema },
    code: `console.error("its code was run");\n${HELLO}`,
  });
  const { client, program } = await start({ entries: { hello: { enabled: true, config: { loud: "yes" } } } });
  await program.until(/plugin not started/);
  expect(await client.call("plugins.info", { id: "hello" })).toMatchObject({
    state: "failed",
    loads: 0,
    configErrors: ["loud: Invalid input: expected boolean, received string"],
  });
  expect(program.out() + program.err()).not.toContain("its code was run");
});
