/** Plugins from the command line: looked at, switched, installed, removed, written, tried. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writePlugin, writeWord } from "../support/plugin.ts";
import { tempDir } from "../support/temp.ts";
import { endPrograms, runProgram, startProgram } from "./program.ts";

afterEach(endPrograms);
setDefaultTimeout(60_000);

const ENV = { OLLAMA_HOST: "127.0.0.1:9" };
const CONFIG = '{\n  // mine\n  "gateway": { "port": 0, "reload": { "debounceMs": 10 } },\n}\n';
const WANTS = {
  id: "hello",
  version: "1.0.0",
  apiVersion: 1,
  capabilities: { network: true, env: ["HELLO"] },
};

let home: string;
let config: string;

beforeEach(() => {
  home = tempDir();
  mkdirSync(join(home, ".clawdbot"), { mode: 0o700 });
  config = join(home, ".clawdbot/moltbot.json");
  writeFileSync(config, CONFIG, { mode: 0o600 });
});

const gateway = (...args: string[]) => runProgram(args, { home, env: ENV });

async function run() {
  const program = startProgram(["run"], { home, env: ENV });
  await program.until(/gateway listening/);
  return program;
}

/** The same as JSON. */
async function json(...args: string[]) {
  const { code, out, err } = await gateway(...args, "--json");
  expect(code, err).toBe(0);
  return JSON.parse(out);
}

test("installed, looked at, switched on and off, replaced, removed", async () => {
  await run();
  const source = writePlugin(join(home, "src/hello"));
  const installed = await gateway("plugins", "install", source);
  expect(installed).toMatchObject({
    code: 0,
    out: 'Plugin "hello" is installed; switch it on with: gateway plugins enable hello\n',
  });
  expect((await gateway("plugins", "list")).out).toMatch(/^hello +disabled +1\.0\.0 +installed/m);
  expect(await gateway("plugins", "enable", "hello")).toMatchObject({
    code: 0,
    out: 'Plugin "hello" is on\n',
  });
  expect(await json("call", "hello.greet", '{"name":"Ada"}')).toEqual({ text: "Hello, Ada.", times: 1 });
  expect((await gateway("plugins", "info", "hello")).out).toMatch(/^Methods +hello\.greet$/m);
  expect(await json("plugins", "info", "hello")).toMatchObject({
    state: "running",
    origin: "installed",
    loads: 1,
  });
  expect(readFileSync(config, "utf8")).toContain("// mine");

  writeWord(source, "Good day");
  expect((await gateway("plugins", "install", source)).code).toBe(1);
  expect((await gateway("plugins", "install", source, "--replace")).code).toBe(0);
  expect((await gateway("plugins", "reload", "hello")).out).toBe(
    'Plugin "hello" is loaded anew, version 1.0.0\n',
  );
  expect(await json("call", "hello.greet", '{"name":"Ada"}')).toMatchObject({ text: "Good day, Ada." });

  expect((await gateway("plugins", "disable", "hello")).out).toBe('Plugin "hello" is off\n');
  expect((await gateway("call", "hello.greet", '{"name":"Ada"}')).code).toBe(1);
  expect((await gateway("plugins", "remove", "hello")).out).toBe(
    'Plugin "hello" is removed; what it has stored is kept\n',
  );
  expect(existsSync(join(home, ".clawdbot/plugins/hello"))).toBe(false);
  expect(existsSync(source)).toBe(true);
});

test("what is not there is told by name, and how it is called", async () => {
  await run();
  for (const verb of ["info", "enable", "disable", "reload", "remove"]) {
    const { code, err } = await gateway("plugins", verb, "nobody");
    expect([verb, code]).toEqual([verb, 1]);
    const word = verb === "info" ? "show" : verb;
    expect(err).toContain(`Cannot ${word} plugin "nobody": there is none`);
    expect((await gateway("plugins", verb)).code).toBe(2);
  }
  const { code, err } = await gateway("plugins", "install", join(home, "nowhere"));
  expect([code, err]).toEqual([1, expect.stringContaining("there is nothing there")]);
});

test("without a terminal nothing is granted that was not said, and the way to it is shown", async () => {
  await run();
  await gateway("plugins", "install", writePlugin(join(home, "src/hello"), { manifest: WANTS }));
  const { code, err } = await gateway("plugins", "enable", "hello");
  expect(code).toBe(0);
  expect(err).toBe(
    [
      "It may not connect to other machines; see the environment variable HELLO",
      "To let it: gateway plugins enable hello --grant network,env=HELLO",
      "",
    ].join("\n"),
  );
  expect((await json("plugins", "info", "hello")).grants ?? {}).toEqual({});
  expect((await gateway("plugins", "enable", "hello", "--grant", "network")).err).toContain(
    "--grant network,env=HELLO",
  );
  expect((await json("plugins", "info", "hello")).grants).toEqual({ network: true });
  // Asked for again without a word on rights, it keeps those it has.
  expect((await gateway("plugins", "enable", "hello")).code).toBe(0);
  expect((await json("plugins", "info", "hello")).grants).toEqual({ network: true });
  expect(await gateway("plugins", "enable", "hello", "--yes")).toMatchObject({ code: 0, err: "" });
  expect((await json("plugins", "info", "hello")).grants).toEqual({ network: true, env: ["HELLO"] });
});

test("a path from the home directory that is granted is not asked for again", async () => {
  await run();
  const manifest = { ...WANTS, capabilities: { files: ["~/notes"] } };
  await gateway("plugins", "install", writePlugin(join(home, "src/hello"), { manifest }));
  const notes = join(home, "notes");
  for (const grant of ["~/notes", notes]) {
    const { err } = await gateway("plugins", "enable", "hello", "--grant", `files=${grant}`);
    expect(err).toBe("");
    const { wants, grants } = await json("plugins", "info", "hello");
    expect([wants, grants]).toEqual([{ files: [notes] }, { files: [notes] }]);
  }
});

test("one that is on and cannot start is a failure, told with its place", async () => {
  await run();
  const code = "export default 1;\nconst x = ;\n";
  await gateway("plugins", "install", writePlugin(join(home, "src/hello"), { code }));
  expect(await gateway("plugins", "enable", "hello")).toEqual({
    code: 1,
    out: 'Plugin "hello" is on: failed\n',
    err: "Unexpected ; (index.ts:2:11)\n",
  });
  const { code: inJson, out } = await gateway("plugins", "enable", "hello", "--json");
  expect([inJson, JSON.parse(out).state]).toEqual([1, "failed"]);
});

test.each([
  ["y", { network: true, env: ["HELLO"] }],
  ["n", {}],
])("on a terminal it is asked for: %p", async (answer, granted) => {
  await run();
  await gateway("plugins", "install", writePlugin(join(home, "src/hello"), { manifest: WANTS }));
  const asking = startProgram(["plugins", "enable", "hello"], { home, env: ENV, terminal: true });
  await asking.until(/connect to other machines[^]*Let it\? y or n: $/);
  asking.type(`${answer}\r`);
  expect(await asking.exited).toBe(0);
  const { state, grants = {} } = await json("plugins", "info", "hello");
  expect([state, grants]).toEqual(["running", granted]);
});

test("dev: each save is served, a mistake is told with its place and changes nothing, no file is touched", async () => {
  const folder = writePlugin(join(home, "work/hello"));
  writeFileSync(join(folder, "broken.ts"), "", { mode: 0o600 });
  const dev = startProgram(["plugins", "dev", folder], { home, env: ENV });
  await dev.until(/hello runs \(hello\.greet, hello\.shout\)/);
  const greet = () => json("call", "hello.greet", '{"name":"Ada"}');
  expect(await greet()).toMatchObject({ text: "Hello, Ada." });
  writeWord(folder, "Good day");
  await dev.until(/reloaded hello in \d+ ms \(hello\.greet, hello\.shout\)/);
  expect(await greet()).toMatchObject({ text: "Good day, Ada." });

  const code = readFileSync(join(folder, "index.ts"), "utf8");
  writeFileSync(join(folder, "index.ts"), "\nconst x = ;\n");
  await dev.until(/Cannot reload plugin "hello": .*\(index\.ts:2:11\)/);
  writeFileSync(join(folder, "index.ts"), "\n\nthrow new Error('not today');\n");
  await dev.until(/Cannot reload plugin "hello": not today \(index\.ts:3:11\)/);
  expect(await greet()).toMatchObject({ text: "Good day, Ada." });

  const from = dev.out().length;
  writeFileSync(join(folder, "index.ts"), code.replaceAll("+ name", "+ name + name"));
  await dev.until(/reloaded hello/, from);
  expect(await greet()).toMatchObject({ text: "Good day, AdaAda." });
  dev.signal("SIGINT");
  expect(await dev.exited).toBe(0);
  expect(readFileSync(config, "utf8")).toBe(CONFIG);
});

test("dev: one that cannot start yet is mended by the next save; its settings are the file's", async () => {
  const settings = {
    plugins: { entries: { hello: { enabled: false, config: { loud: true } } }, deny: ["hello"] },
  };
  writeFileSync(config, JSON.stringify({ gateway: { port: 0, reload: { debounceMs: 10 } }, ...settings }));
  const folder = writePlugin(join(home, "work/hello"));
  const code = readFileSync(join(folder, "index.ts"), "utf8");
  writeFileSync(join(folder, "index.ts"), "throw new Error('not yet');", { mode: 0o600 });
  const dev = startProgram(["plugins", "dev", folder], { home, env: ENV });
  await dev.until(/hello does not run: not yet \(index\.ts:1:11\)/);
  writeFileSync(join(folder, "index.ts"), code);
  await dev.until(/reloaded hello/);
  expect(await json("call", "hello.greet", '{"name":"Ada"}')).toMatchObject({ text: "Hello, Ada!" });
});

test("dev: what it wants to do is granted for this run, and said where it is not", async () => {
  const code = `
    import { definePlugin, method, z } from "gateway/plugin";
    export default definePlugin({
      id: "hello",
      apiVersion: 1,
      methods: {
        "hello.see": method({
          scope: "read",
          summary: "Says what it sees",
          params: () => z.strictObject({}),
          result: () => z.strictObject({ seen: z.string() }),
        }),
      },
      start: (ctx) => ({ handlers: { "hello.see": () => ({ seen: ctx.env("HELLO") ?? "nothing" }) } }),
    });`;
  const folder = writePlugin(join(home, "work/hello"), { manifest: WANTS, code });
  const env = { ...ENV, HELLO: "a secret" };
  const plain = startProgram(["plugins", "dev", folder], { home, env });
  await plain.until(
    /It may not connect to other machines; see .* HELLO\. To let it: --grant network,env=HELLO/,
  );
  expect((await gateway("call", "hello.see")).out).not.toContain("a secret");
  plain.signal("SIGINT");
  await plain.exited;
  const granted = startProgram(["plugins", "dev", folder, "--grant", "network,env=HELLO"], { home, env });
  await granted.until(/hello runs/);
  expect(await json("call", "hello.see")).toEqual({ seen: "a secret" });
  expect(granted.err()).not.toContain("It may not");
  expect(readFileSync(config, "utf8")).toBe(CONFIG);
});

test("dev: a manifest that cannot be used is told, whatever its folder is named, and mended by a save", async () => {
  const folder = writePlugin(join(home, "work/my-plugin"));
  const path = join(folder, "gateway.plugin.json");
  const manifest = readFileSync(path, "utf8");
  writeFileSync(path, manifest.replace('"version"', '"verson"'));
  const dev = startProgram(["plugins", "dev", folder], { home, env: ENV });
  await dev.until(/Cannot use plugin ".*my-plugin": gateway\.plugin\.json: Unrecognized key: "verson"/);
  writeFileSync(path, manifest);
  await dev.until(/reloaded hello in/);
  expect(await json("call", "hello.greet", '{"name":"Ada"}')).toMatchObject({ text: "Hello, Ada." });
  writeFileSync(path, JSON.stringify({ ...JSON.parse(manifest), id: "Hello" }));
  dev.signal("SIGINT");
  await dev.exited;
  const { code, err } = await gateway("plugins", "dev", folder);
  expect([code, err]).toEqual([1, expect.stringContaining("id: wanted lower case letters")]);
});

test("dev: an installed one of the same id is never taken for the folder's", async () => {
  writeWord(writePlugin(join(home, ".clawdbot/plugins/hello")), "Installed");
  const folder = writePlugin(join(home, "work/hello"));
  const path = join(folder, "gateway.plugin.json");
  const manifest = readFileSync(path, "utf8");
  const dev = startProgram(["plugins", "dev", folder], { home, env: ENV });
  await dev.until(/hello runs/);
  writeFileSync(path, manifest.replace('"hello"', '"hallo"'));
  await dev.until(/Cannot use plugin ".*hello": its id is "hallo" now: end this, and begin again/);
  const from = dev.out().length;
  writeFileSync(path, manifest);
  await dev.until(/reloaded hello in/, from);
  expect(await json("call", "hello.greet", '{"name":"Ada"}')).toMatchObject({ text: "Hello, Ada." });
  writeFileSync(path, manifest.replace('"version"', '"verson"'));
  await dev.until(/Unrecognized key: "verson"/);
  const later = dev.out().length;
  writeFileSync(path, manifest);
  await dev.until(/reloaded hello in/, later);
  expect(await json("call", "hello.greet", '{"name":"Ada"}')).toMatchObject({ text: "Hello, Ada." });
});

test("dev: Ctrl-C ends it while the plugin still starts", async () => {
  const folder = writePlugin(join(home, "work/hello"), { code: "await new Promise(() => {});" });
  const dev = startProgram(["plugins", "dev", folder], { home, env: ENV });
  await dev.until(/gateway listening/);
  dev.signal("SIGINT");
  expect(await dev.exited).toBe(0);
  expect(dev.err()).not.toMatch(/ error /);
});

test("dev: where a gateway runs already, it is said how to run beside it", async () => {
  await run();
  const folder = writePlugin(join(home, "work/hello"));
  const { code, err } = await gateway("plugins", "dev", folder);
  expect(code).toBe(75);
  expect(err).toEndWith("has it\nTo run beside it: --state-dir DIR --port 0\n");
});

test("dev: a folder without a plugin is told at once", async () => {
  const { code, err } = await gateway("plugins", "dev", home);
  expect([code, err]).toEqual([
    1,
    `Cannot run plugin "${home}": there is no gateway.plugin.json\nBegin one with: gateway plugins new NAME\n`,
  ]);
});
