import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { tempDir } from "../../../support/temp.ts";
import { createMachine, type Machine } from "../cli.ts";

setDefaultTimeout(60_000);

const PACKAGES = Bun.fileURLToPath(new URL("../../../../node_modules", import.meta.url));

let machine: Machine;

beforeAll(async () => {
  machine = await createMachine();
});
afterAll(() => machine.remove());

async function create(name: string): Promise<string> {
  const directory = join(tempDir(), "plugin");
  const { code, err } = await machine.run(["plugins", "new", name, directory]);
  expect([code, err]).toEqual([0, ""]);
  return directory;
}

/** Runs a program in a plugin's folder, with the packages that its `package.json` names. */
async function runIn(directory: string, command: readonly string[]) {
  symlinkSync(PACKAGES, join(directory, "node_modules"));
  const env = { HOME: directory, PATH: "/usr/bin:/bin", BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" };
  const child = Bun.spawn([process.execPath, ...command], {
    cwd: directory,
    env,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, said: out + err };
}

test("all of it is its owner's alone, and named as it was asked for", async () => {
  const directory = await create("rain-alarm");
  const paths = readdirSync(directory, { recursive: true, encoding: "utf8" });
  expect(paths).toContainValues(["index.ts", "index.test.ts", ".gateway/plugins/api.ts", ".gitignore"]);
  for (const path of ["", ...paths]) {
    const stat = statSync(join(directory, path));
    expect([path, stat.mode & 0o777]).toEqual([path, stat.isDirectory() ? 0o700 : 0o600]);
    if (stat.isFile()) expect(readFileSync(join(directory, path), "utf8")).not.toContain("sample-plugin");
  }
  expect(JSON.parse(readFileSync(join(directory, "gateway.plugin.json"), "utf8"))).toMatchObject({
    id: "rain-alarm",
    apiVersion: 1,
  });
  const { name, devDependencies } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  expect(name).toBe("rain-alarm");
  // Those that this project has itself.
  for (const [one, version] of Object.entries(devDependencies)) {
    const own = JSON.parse(readFileSync(join(PACKAGES, one, "package.json"), "utf8"));
    expect([one, version]).toEqual([one, own.version]);
  }
});

test("its own test passes, and with another greeting too", async () => {
  const directory = await create("hello");
  const path = join(directory, "index.ts");
  writeFileSync(path, readFileSync(path, "utf8").replace('default("Hello")', 'default("Good day")'));
  expect(readFileSync(path, "utf8")).toContain("Good day");
  const { code, said } = await runIn(directory, ["test"]);
  expect(said).toContain("3 pass");
  expect(code).toBe(0);
});

test("its own test notices a plugin that is broken", async () => {
  const directory = await create("hello");
  const path = join(directory, "index.ts");
  writeFileSync(path, readFileSync(path, "utf8").replace('ctx.store.set("last"', 'ctx.store.set("first"'));
  const { code, said } = await runIn(directory, ["test"]);
  expect(said).toContain("1 fail");
  expect(code).toBe(1);
});

test("it has no mistake in the strictest mode of the compiler, and one that is made is found", async () => {
  const directory = await create("hello");
  const tsc = ["run", "--no-install", join(PACKAGES, "typescript/bin/tsc")];
  expect(await runIn(directory, tsc)).toEqual({ code: 0, said: "" });
  const path = join(directory, "index.ts");
  writeFileSync(path, readFileSync(path, "utf8").replace("({ text: await greet(name) })", "({ text: 1 })"));
  const other = Bun.spawn([process.execPath, ...tsc], { cwd: directory, stdout: "pipe" });
  expect(await new Response(other.stdout).text()).toContain("index.ts(");
});

test.each(["Hello", "9lives", "-x", "a".repeat(41), "../up", "a_b"])("%p is no name", async (name) => {
  const { code, err } = await machine.run(["plugins", "new", "--", name, join(tempDir(), "x")]);
  expect([code, err]).toEqual([2, expect.stringContaining(`Cannot make plugin "${name}": wanted`)]);
});

test.each([
  ["sessions", "the gateway has a part of that name"],
  ["telegram", "the gateway has a part of that name"],
  ["constructor", "that name has a meaning of its own"],
])("%p is taken", async (name, why) => {
  const directory = join(tempDir(), "x");
  const { code, err } = await machine.run(["plugins", "new", name, directory]);
  expect([code, err]).toEqual([2, expect.stringContaining(`Cannot make plugin "${name}": ${why}\n`)]);
  expect(existsSync(directory)).toBe(false);
});

test("a folder with something in it is left alone; one of a new repository is not", async () => {
  const directory = tempDir();
  mkdirSync(join(directory, ".git"));
  writeFileSync(join(directory, "notes.txt"), "mine");
  const { code, err } = await machine.run(["plugins", "new", "hello", directory]);
  expect([code, err]).toEqual([1, `Cannot make plugin "hello" in "${directory}": it is not empty\n`]);
  expect(readdirSync(directory).toSorted()).toEqual([".git", "notes.txt"]);
  const repository = tempDir();
  mkdirSync(join(repository, ".git"));
  expect((await machine.run(["plugins", "new", "hello", repository])).code).toBe(0);
  const file = join(repository, "index.ts");
  expect((await machine.run(["plugins", "new", "hello", file])).err).toContain("it is no folder");
});

test("a program is told where it is, and what", async () => {
  const directory = join(tempDir(), "plugin");
  const { out } = await machine.run(["plugins", "new", "hello", directory, "--json"]);
  const { files, ...rest } = JSON.parse(out);
  expect(rest).toEqual({ id: "hello", directory });
  for (const file of files) expect(statSync(join(directory, file)).isFile()).toBe(true);
});
