import { expect, test } from "bun:test";
import { chmodSync, statSync, writeFileSync } from "node:fs";
import { type Holder, readHolder, writeHolder } from "../../../src/gateway/holder.ts";
import { createBunPlatform } from "../../../src/platform/bun.ts";
import { tempDir } from "../../support/temp.ts";

const { files } = createBunPlatform();

const HOLDER: Holder = {
  pid: 7,
  url: "http://127.0.0.1:18789",
  port: 18_789,
  version: "0.1.0",
  startedAtMs: 1,
  localToken: "t".repeat(43),
};

test("what is noted is read again, and the owner's alone whatever was there before", async () => {
  const stateDir = tempDir();
  const path = `${stateDir}/gateway.json`;
  writeFileSync(path, "{}");
  chmodSync(path, 0o666);
  await writeHolder(files, stateDir, HOLDER);
  expect(await readHolder(files, stateDir)).toEqual(HOLDER);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test.each([
  ["cut off", JSON.stringify(HOLDER).slice(0, -9)],
  ["of another shape", JSON.stringify({ ...HOLDER, localToken: 1 })],
  ["too long", JSON.stringify({ ...HOLDER, localToken: "t".repeat(5_000) })],
])("a note that is %s is none", async (_what, text) => {
  const stateDir = tempDir();
  writeFileSync(`${stateDir}/gateway.json`, text);
  expect(await readHolder(files, stateDir)).toBeUndefined();
});

test("where no gateway was there is none", async () => {
  expect(await readHolder(files, tempDir())).toBeUndefined();
});
