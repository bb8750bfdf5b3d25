import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFiles } from "../../../src/platform/files.ts";
import { findPlugins } from "../../../src/plugins/find/found.ts";
import { writePlugin } from "../../support/plugin.ts";
import { tempDir } from "../../support/temp.ts";

const files = createFiles();

const find = (...paths: string[]) =>
  findPlugins(
    files,
    paths.map((path) => ({ path, origin: "path" as const })),
    [],
  );

/** What is said of the one plugin of a place. */
async function problemIn(place: string): Promise<string | undefined> {
  const found = [...(await find(place)).values()];
  expect(found).toHaveLength(1);
  return found[0]?.problem;
}

test("a place is a plugin's folder, or a folder of several; the first of an id is there", async () => {
  const [one, several] = [tempDir(), tempDir()];
  writePlugin(one);
  writePlugin(join(several, "again"));
  writePlugin(join(several, "other"), { manifest: { id: "other", apiVersion: 1 } });
  mkdirSync(join(several, "no-plugin"));
  const found = await find(join(several, "missing"), one, several);
  expect([...found.keys()]).toEqual(["hello", "other"]);
  expect(found.get("hello")).toMatchObject({ directory: one, entry: join(one, "index.ts") });
  expect(found.get("hello")?.overridden).toEqual([join(several, "again")]);
});

test.each([
  ["no JSON", "{", /gateway\.plugin\.json: .*JSON/],
  ["no object", "[]", /expected object/],
  ["no id", { apiVersion: 1 }, /id: /],
  ["an id that is a path", { id: "../x", apiVersion: 1 }, /id: wanted lower case/],
  ["an id that every object has", { id: "constructor", apiVersion: 1 }, /id: wanted lower case/],
  ["another version of plugins", { id: "hello", apiVersion: 2 }, /apiVersion: /],
  ["a capability nobody knows", { id: "hello", apiVersion: 1, capabilities: { all: true } }, /"all"/],
  ["a reserved key", '{ "id": "hello", "apiVersion": 1, "__proto__": {} }', /"__proto__" is reserved/],
  ["a key nobody knows", { id: "hello", apiVersion: 1, install: "sh" }, /install/],
  ["an entry that is not there", { id: "hello", apiVersion: 1, entry: "x.ts" }, /entry "x\.ts" is not there/],
  ["an entry outside", { id: "hello", apiVersion: 1, entry: "../out.ts" }, /is outside its folder/],
  ["a manifest without end", " ".repeat(70_000), /larger than 65536 bytes/],
])("quarantined: %s", async (_, manifest, wanted) => {
  const place = tempDir();
  writePlugin(join(place, "a"), { manifest });
  writeFileSync(join(place, "out.ts"), "export default 1", { mode: 0o600 });
  expect(await problemIn(place)).toMatch(wanted);
});

test("quarantined: an entry that is a link out of the folder", async () => {
  const place = tempDir();
  const folder = writePlugin(join(place, "a"));
  renameSync(join(folder, "index.ts"), join(place, "out.ts"));
  symlinkSync(join(place, "out.ts"), join(folder, "index.ts"));
  expect(await problemIn(place)).toMatch(/is outside its folder/);
});

test.each([
  ["the manifest", "gateway.plugin.json", 0o662],
  ["the entry", "index.ts", 0o620],
  ["the folder", ".", 0o772],
  ["the folder above", "..", 0o770],
])("quarantined: others may write to %s", async (_, name, mode) => {
  const place = join(tempDir(), "plugins");
  const folder = writePlugin(join(place, "a"));
  expect(await problemIn(place)).toBeUndefined();
  chmodSync(join(folder, name), mode);
  expect(await problemIn(place)).toMatch(/^others may write to "/);
});

test("an installed plugin may not be a link to somewhere else; one that its owner names may", async () => {
  const [place, elsewhere] = [tempDir(), tempDir()];
  const folder = writePlugin(join(elsewhere, "a"));
  symlinkSync(folder, join(place, "a"));
  expect(await problemIn(place)).toBeUndefined();
  const found = await findPlugins(files, [{ path: place, origin: "installed" }], []);
  expect(found.get("a")?.problem).toBe(
    `its folder is a link to "${folder}"; plugins.paths is for those elsewhere`,
  );
});

test("packages are found by their manifests, scoped ones too; what begins with a dot is nobody's", async () => {
  const place = join(tempDir(), "node_modules");
  writePlugin(join(place, "gateway-hello"));
  writePlugin(join(place, "@ann/other"), { manifest: { id: "other", apiVersion: 1 } });
  writePlugin(join(place, ".old-1"), { manifest: { id: "third", apiVersion: 1 } });
  mkdirSync(join(place, "left-pad"));
  const found = await findPlugins(files, [{ path: place, origin: "package" }], []);
  expect([...found].map(([id, { origin }]) => [id, origin])).toEqual([
    ["other", "package"],
    ["hello", "package"],
  ]);
});

test("a folder whose manifest cannot be read takes nobody's place", async () => {
  const [first, second] = [tempDir(), tempDir()];
  for (const id of ["hello", "mail", "stray"]) writePlugin(join(first, id), { manifest: "{" });
  writePlugin(join(second, "hello"));
  const load = () => Promise.reject(new Error("not to be loaded"));
  const mail = { id: "mail", name: "Mail", description: "Letters", section: "channels.mail", load };
  const places = [first, second].map((path) => ({ path, origin: "path" as const }));
  const found = await findPlugins(files, places, [mail]);
  expect([...found].map(([id, { directory, overridden }]) => [id, directory, overridden])).toEqual([
    ["hello", join(second, "hello"), [join(first, "hello")]],
    ["mail", undefined, [join(first, "mail")]],
    ["stray", join(first, "stray"), []],
  ]);
  expect(found.get("stray")?.problem).toMatch(/not JSON$/);
});

test("a manifest beside the installed plugins hides none of them", async () => {
  const place = tempDir();
  writePlugin(place, { manifest: "{" });
  writePlugin(join(place, "hello"));
  const found = await findPlugins(files, [{ path: place, origin: "installed" }], []);
  expect([...found.values()].map(({ directory, problem }) => [directory, problem])).toEqual([
    [join(place, "hello"), undefined],
  ]);
});

test("what is part of the gateway comes last, and another of its id takes its place", async () => {
  const place = tempDir();
  writePlugin(join(place, "hello"));
  const load = () => Promise.reject(new Error("not to be loaded"));
  const said = { name: "Name", description: "Text", load };
  const found = await findPlugins(
    files,
    [{ path: place, origin: "installed" }],
    [
      { ...said, id: "hello", section: "hello" },
      { ...said, id: "mail", section: "channels.mail", variables: ["MAIL_TOKEN"] },
    ],
  );
  expect(found.get("hello")).toMatchObject({ origin: "installed", overridden: ["the gateway's own"] });
  expect(found.get("mail")).toMatchObject({
    origin: "bundled",
    entry: "bundled:mail",
    section: "channels.mail",
    directory: undefined,
    manifest: { autoEnable: [{ config: "channels.mail" }, { env: "MAIL_TOKEN" }] },
  });
});
