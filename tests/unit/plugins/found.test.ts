import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFiles } from "../../../src/platform/files.ts";
import { findPlugins } from "../../../src/plugins/found.ts";
import { writePlugin } from "../../support/plugin.ts";
import { tempDir } from "../../support/temp.ts";

const files = createFiles();

/** What is said of the one plugin of a place. */
async function problemIn(place: string): Promise<string | undefined> {
  const found = [...(await findPlugins(files, [place])).values()];
  expect(found).toHaveLength(1);
  return found[0]?.problem;
}

test("a place is a plugin's folder, or a folder of several; the first of an id is there", async () => {
  const [one, several] = [tempDir(), tempDir()];
  writePlugin(one);
  writePlugin(join(several, "again"));
  writePlugin(join(several, "other"), { manifest: { id: "other", apiVersion: 1 } });
  mkdirSync(join(several, "no-plugin"));
  const found = await findPlugins(files, [join(several, "missing"), one, several]);
  expect([...found.keys()]).toEqual(["hello", "other"]);
  expect(found.get("hello")).toMatchObject({ directory: one, entry: join(one, "index.ts") });
  expect(found.get("hello")?.overridden).toEqual([join(several, "again")]);
});

test.each([
  ["no JSON", "{", /gateway\.plugin\.json: .*JSON/],
  ["no object", "[]", /expected object/],
  ["no id", { apiVersion: 1 }, /id: /],
  ["an id that is a path", { id: "../x", apiVersion: 1 }, /id: wanted lower case/],
  ["another version of plugins", { id: "hello", apiVersion: 2 }, /apiVersion: /],
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
