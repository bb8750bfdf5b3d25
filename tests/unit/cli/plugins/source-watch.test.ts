import { expect, test } from "bun:test";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SourceWatch } from "../../../../src/cli/plugins/source-watch.ts";
import { createBunPlatform } from "../../../../src/platform/bun.ts";
import { tempDir } from "../../../support/temp.ts";

const platform = createBunPlatform();

/** A watch on a folder, and its next word; what it says unasked is an error of the test. */
async function watched(directory: string, { isBlind = false } = {}) {
  let told = 0;
  let wake = (): void => {};
  const watcher = isBlind ? { watch: () => undefined } : platform;
  const watch = new SourceWatch(directory, {
    ...platform,
    watcher,
    changed() {
      told++;
      wake();
    },
  });
  await watch.begin();
  let heard = 0;
  return {
    stop: () => watch.stop(),
    told: () => told,
    async next() {
      while (told === heard) await new Promise<void>((resolve) => void (wake = resolve));
      heard = told;
    },
  };
}

test("files that are written, replaced, made and removed, in folders that come later too", async () => {
  const directory = tempDir();
  const index = join(directory, "index.ts");
  writeFileSync(index, "1");
  const { next, stop } = await watched(directory);
  writeFileSync(index, "22");
  await next();
  // As editors save.
  writeFileSync(join(directory, ".index.ts.swp"), "33");
  renameSync(join(directory, ".index.ts.swp"), index);
  await next();
  mkdirSync(join(directory, "lib/deep"), { recursive: true });
  writeFileSync(join(directory, "lib/deep/word.ts"), "a");
  await next();
  writeFileSync(join(directory, "lib/deep/word.ts"), "bb");
  await next();
  rmSync(join(directory, "lib"), { recursive: true });
  await next();
  writeFileSync(index, "4444");
  await next();
  stop();
});

test("packages, hidden files and looks are not the author's work", async () => {
  const directory = tempDir();
  mkdirSync(join(directory, "node_modules/a"), { recursive: true });
  mkdirSync(join(directory, ".git"));
  writeFileSync(join(directory, "index.ts"), "1");
  const { next, stop, told } = await watched(directory);
  writeFileSync(join(directory, "node_modules/a/index.js"), "1");
  writeFileSync(join(directory, ".git/HEAD"), "1");
  writeFileSync(join(directory, ".env"), "A=1");
  writeFileSync(join(directory, "index.ts"), "22");
  await next();
  expect(told()).toBe(1);
  stop();
});

test("where the system has no watch left it is looked at now and then", async () => {
  const directory = tempDir();
  writeFileSync(join(directory, "index.ts"), "1");
  const { next, stop } = await watched(directory, { isBlind: true });
  writeFileSync(join(directory, "index.ts"), "22");
  await next();
  stop();
});
