/** Plugins as their owner meets them: a folder, a line in the configuration, a method that answers. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HELLO, writePlugin, writeWord } from "../support/plugin.ts";
import { listen } from "../support/sdk.ts";
import { tempDir } from "../support/temp.ts";
import { endPrograms, runProgram, startProgram } from "./program.ts";

afterEach(endPrograms);
setDefaultTimeout(60_000);

let home: string;
let folder: string;

beforeEach(() => {
  home = tempDir();
  mkdirSync(join(home, ".clawdbot"), { mode: 0o700 });
  folder = writePlugin(join(home, ".clawdbot/plugins/hello"));
});

function configure(plugins: object): void {
  const config = {
    gateway: { port: 0, auth: { token: "the-token-of-this-test-0123456789" }, reload: { debounceMs: 10 } },
    agents: { defaults: { model: "echo/echo" } },
    plugins,
  };
  writeFileSync(join(home, ".clawdbot/moltbot.json"), JSON.stringify(config), { mode: 0o600 });
}

const wanted = (config?: object): object => ({
  entries: { hello: { enabled: true, ...(config && { config }) } },
});

async function start() {
  const program = startProgram(["run"], { home, env: { OLLAMA_HOST: "127.0.0.1:9" } });
  const [, url = ""] = await program.until(/gateway listening url=(http:\/\/127\.0\.0\.1:\d+)/);
  const { client, until } = await listen({ url }, { token: "the-token-of-this-test-0123456789" });
  const greet = () =>
    client.request("hello.greet", { name: "Ada" }).catch((error: { code?: string }) => error.code);
  const changed = (fits: (payload: Readonly<Record<string, unknown>>) => boolean) =>
    until("plugins.changed", ({ event, payload }) => event === "plugins.changed" && fits(payload));
  const state = (wantedState: string) => changed((payload) => payload["state"] === wantedState);
  const plugins = async () =>
    (await client.call("plugins.list")).plugins.filter(({ origin }) => origin !== "bundled");
  return { program, client, greet, state, changed, plugins, until };
}

test("nothing runs unasked; a line in the file starts it, another one stops it", async () => {
  configure({});
  const { greet, state, plugins, client } = await start();
  expect(await greet()).toBe("unknown_method");
  expect(await plugins()).toMatchObject([{ id: "hello", state: "disabled", version: "1.0.0", loads: 0 }]);
  configure(wanted());
  await state("running");
  expect(await greet()).toEqual({ text: "Hello, Ada.", times: 1 });
  expect(
    await client.request("hello.greet", { nobody: 1 }).catch((error: { code: string }) => error.code),
  ).toBe("invalid_params");
  configure({ ...wanted(), deny: ["hello"] });
  await state("disabled");
  expect(await greet()).toBe("unknown_method");
});

test("its settings are its own: another one starts it anew, a wrong one leaves the old one running", async () => {
  configure(wanted());
  const { greet, plugins, changed, program } = await start();
  await program.until(/plugin started/);
  expect(await greet()).toMatchObject({ text: "Hello, Ada." });
  configure(wanted({ loud: true }));
  await program.until(/plugin started[^]*plugin started/);
  expect(await greet()).toEqual({ text: "Hello, Ada!", times: 1 });
  configure(wanted({ loud: "very" }));
  await changed(({ error }) => error !== undefined);
  expect(await greet()).toEqual({ text: "Hello, Ada!", times: 2 });
  expect(await plugins()).toMatchObject([
    { id: "hello", state: "running", error: expect.stringMatching(/its configuration does not fit: loud: /) },
  ]);
});

test("edited code is in force after a reload, what it imports included; code that does not start is not", async () => {
  configure(wanted());
  const { greet, client, program } = await start();
  await program.until(/plugin started/);
  await greet();
  writeWord(folder, "Good day");
  expect(await client.call("plugins.reload", { id: "hello" })).toMatchObject({ state: "running", loads: 2 });
  expect(await greet()).toEqual({ text: "Good day, Ada.", times: 1 });
  await program.until(/said goodbye .*times=1/);
  writeFileSync(join(folder, "index.ts"), "throw new Error('not today');");
  const refusal = await client.call("plugins.reload", { id: "hello" }).catch((error: Error) => error.message);
  expect(refusal).toBe('Cannot reload plugin "hello": not today (index.ts:1:11)');
  expect(await greet()).toEqual({ text: "Good day, Ada.", times: 2 });
});

test("reloads under load: no call fails", async () => {
  configure(wanted());
  const { client, greet, program } = await start();
  await program.until(/plugin started/);
  let isReloading = true;
  const calls = (async () => {
    const answers: unknown[] = [];
    while (isReloading) answers.push(await greet());
    return answers;
  })();
  for (let n = 0; n < 50; n++) {
    writeWord(folder, `W${n}`);
    await client.call("plugins.reload", { id: "hello" });
    expect(await greet()).toMatchObject({ text: `W${n}, Ada.` });
  }
  isReloading = false;
  const answers = await calls;
  expect(answers.length).toBeGreaterThan(50);
  expect(answers.filter((answer) => typeof answer !== "object")).toEqual([]);
});

test("an error that nobody catches ends that plugin and nothing else", async () => {
  const thrown = 'setTimeout(() => { throw new Error("broken on purpose"); }, 0);';
  writePlugin(folder, { code: HELLO.replace("ctx.publish(", `${thrown} ctx.publish(`) });
  configure(wanted());
  const { client, greet, state, plugins, program } = await start();
  await program.until(/plugin started/);
  await client.request("hello.shout", {});
  expect((await state("failed")).payload).toMatchObject({
    id: "hello",
    error: expect.stringContaining("broken on purpose (index.ts:"),
  });
  expect(await greet()).toBe("unknown_method");
  expect(await client.call("health")).toMatchObject({ ok: true });
  expect(await plugins()).toMatchObject([
    { state: "failed", error: expect.stringContaining("broken on purpose (index.ts:") },
  ]);
});

test("bad neighbours are told by name and stop nothing", async () => {
  const others = join(home, "others");
  writePlugin(join(others, "torn"), { manifest: "{" });
  writePlugin(join(others, "thief"), {
    manifest: { id: "thief", apiVersion: 1 },
    code: HELLO.replaceAll('"hello', '"health').replaceAll('"health"', '"thief"'),
  });
  writePlugin(join(others, "hangs"), {
    manifest: { id: "hangs", apiVersion: 1 },
    code: "await Promise.reject(new Error('no'));",
  });
  const on = { enabled: true };
  configure({ paths: [others], entries: { hello: on, torn: on, thief: on, hangs: on } });
  const { greet, plugins, program } = await start();
  await program.until(/plugin started/);
  expect(await greet()).toMatchObject({ text: "Hello, Ada." });
  expect((await plugins()).map(({ id, state, error }) => [id, state, error])).toEqual([
    ["hangs", "failed", "no (index.ts:1:26)"],
    ["thief", "failed", 'its "health.greet" has to begin with "thief."'],
    ["hello", "running", undefined],
    ["torn", "quarantined", "gateway.plugin.json: not JSON"],
  ]);
});

test("events reach clients, and a call from the command line works as any other", async () => {
  configure(wanted());
  const { client, until, program } = await start();
  await program.until(/plugin started/);
  await client.request("hello.shout", {});
  expect((await until("hello.shouted", ({ event }) => event === "hello.shouted")).payload).toMatchObject({
    word: "Hello",
  });
  const called = await runProgram(["call", "hello.greet", '{"name":"Bea"}'], { home });
  expect(called).toMatchObject({ code: 0, out: expect.stringContaining("Hello, Bea.") });
  expect(readFileSync(join(home, ".clawdbot/moltbot.json"), "utf8")).toContain('"enabled":true');
});

test("the README's section, followed word for word", async () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const section = readme.split("\n## Plugins\n")[1]?.split("\n## ")[0] ?? "";
  const blocks = [...section.matchAll(/^```\n(.*?)^```$/gms)].map(([, block = ""]) =>
    block.trim().split("\n"),
  );
  expect(blocks.map((lines) => lines.length)).toEqual([2, 1, 3]);
  const cwd = tempDir();
  const env = { OLLAMA_HOST: "127.0.0.1:9" };
  const wordsOf = (line = ""): string[] => {
    const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? "");
    expect(words.shift()).toBe("gateway");
    return words;
  };
  const follow = async (line = ""): Promise<string> => {
    const { code, out, err } = await runProgram(wordsOf(line), { home, env, cwd });
    expect([line, code], err).toEqual([line, 0]);
    return out;
  };
  const [[create, dev] = [], [call] = [], forGood = []] = blocks;
  // Of this file, not of a new machine.
  rmSync(folder, { recursive: true });
  // The port that people have may be taken where the tests run.
  configure({});
  await follow(create);
  const developing = startProgram(wordsOf(dev), { home, env, cwd });
  await developing.until(/hello runs/);
  expect(await follow(call)).toContain("Hello, Ada");
  const index = join(cwd, "hello/index.ts");
  writeFileSync(index, readFileSync(index, "utf8").replace('"Hello"', '"Good day"'));
  await developing.until(/reloaded hello in \d+ ms/);
  expect(await follow(call)).toContain("Good day, Ada");
  developing.signal("SIGINT");
  expect(await developing.exited).toBe(0);
  const { program } = await start();
  const said = [];
  for (const line of forGood) said.push(await follow(line));
  expect(said[2]).toMatch(/^hello +running/m);
  await program.until(/plugin started/);
  expect(await follow(call)).toContain("Good day, Ada");
});
