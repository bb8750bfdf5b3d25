import { expect, test } from "bun:test";

const TOP = new URL("../../../", import.meta.url);
const transpiler = new Bun.Transpiler({ loader: "ts" });

/** Every module that is loaded with this one, before any of it runs; packages by name. */
async function loadedWith(path: string): Promise<Set<string>> {
  const seen = new Set<string>();
  const open = [path];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    if (!next.startsWith("src/") || !next.endsWith(".ts")) continue;
    const source = await Bun.file(new URL(next, TOP)).text();
    for (const { path: imported, kind } of transpiler.scanImports(source)) {
      if (kind !== "import-statement") continue;
      const isOurs = imported.startsWith(".");
      open.push(isOurs ? new URL(imported, new URL(next, TOP)).href.slice(TOP.href.length) : imported);
    }
  }
  return seen;
}

const HEAVY = [
  /^(zod|hono|openai|jsonc-parser)/,
  /^src\/(gateway\.ts|http|features|agents)/,
  /^src\/config\/(?!nearest|paths|values)/,
  /^src\/rpc\/(?!address)/,
];
const isHeavy = (module: string): boolean => HEAVY.some((name) => name.test(module));

test.each([
  "main",
  "call",
  "chat",
  "status",
  "version",
  "help",
  "restart",
  "config/get",
  "config/schema",
  "plugins/list",
  "plugins/enable",
  "plugins/new",
  "channels/pairing",
])("%s loads neither server nor schemas", async (name) => {
  const modules = [...(await loadedWith(`src/cli/${name}.ts`))];
  expect(modules.filter(isHeavy)).toEqual([]);
  expect(modules.length).toBeGreaterThan(3);
});

test("what the check would find is found", async () => {
  const modules = await loadedWith("src/cli/run.ts");
  expect([...modules].filter(isHeavy)).toContainValues(["zod", "src/gateway.ts"]);
});
