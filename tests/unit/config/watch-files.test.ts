import { afterAll, describe, test } from "bun:test";
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { watchFiles } from "../../../src/config/watch/watch.ts";
import { createBunPlatform } from "../../../src/platform/bun.ts";
import type { Platform, Stop, Timers } from "../../../src/ports.ts";
import { createMemoryLog } from "../../support/ports.ts";
import { tempDir } from "../../support/temp.ts";

const NEVER_MS = 1e9;
const platform = createBunPlatform();

/** The look at the end of a grain would find all that was missed: without it, a miss is one. */
const timers: Timers = {
  after: (ms, work) => (ms >= 1_000 ? () => {} : platform.timers.after(ms, work)),
  every: (ms, work) => (ms === NEVER_MS ? () => {} : platform.timers.every(ms, work)),
};

/** Each alone has to notice everything. */
const MEANS: Readonly<Record<string, { readonly watch: Platform["watch"]; readonly pollMs: number }>> = {
  "the watcher alone": { watch: platform.watch, pollMs: NEVER_MS },
  "the poll alone": { watch: () => undefined, pollMs: 5 },
};
const BOTH = { watch: platform.watch, pollMs: 5 };

const stops: Stop[] = [];
afterAll(() => stops.forEach((stop) => stop()));

/** Follows the file as a reader does, and waits for its texts. */
async function follow(path: string, { watch, pollMs }: (typeof MEANS)[string] = BOTH) {
  let text: string | undefined;
  let onRead = (): void => {};
  const read = (): void => {
    text = textOf(path);
    onRead();
  };
  const watched = watchFiles({
    files: platform.files,
    watcher: { watch },
    timers,
    log: createMemoryLog(),
    pollMs,
    debounceMs: () => 5,
    changed() {
      read();
      void watched.follow([path]);
    },
  });
  stops.push(watched.stop);
  read();
  await watched.follow([path]);
  return {
    reads: (expected: string | undefined) =>
      new Promise<void>((resolve) => {
        onRead = () => text === expected && resolve();
        onRead();
      }),
  };
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // It is not there, or its directory is not.
    return undefined;
  }
}

/** What people and programs do to `config`, and what is in it then. */
const EDITS: Readonly<Record<string, (dir: string, text: string) => void>> = {
  "a write in place": (dir, text) => writeFileSync(`${dir}/config`, text),
  // Each text begins with the one before.
  "an append": (dir, text) =>
    appendFileSync(`${dir}/config`, text.slice(textOf(`${dir}/config`)?.length ?? 0)),
  "a truncation and a write": (dir, text) => {
    const fd = openSync(`${dir}/config`, "r+");
    ftruncateSync(fd);
    writeSync(fd, text);
    closeSync(fd);
  },
  "a rename over it": (dir, text) => {
    writeFileSync(`${dir}/config.tmp`, text);
    renameSync(`${dir}/config.tmp`, `${dir}/config`);
  },
  "a backup, a new file and the end of the backup": (dir, text) => {
    renameSync(`${dir}/config`, `${dir}/config~`);
    writeFileSync(`${dir}/config`, text);
    unlinkSync(`${dir}/config~`);
  },
  "a removal and a new file": (dir, text) => {
    unlinkSync(`${dir}/config`);
    writeFileSync(`${dir}/config`, text);
  },
  "a link swapped in": (dir, text) => {
    const target = join(tempDir(), "target");
    writeFileSync(target, text);
    symlinkSync(target, `${dir}/config.tmp`);
    renameSync(`${dir}/config.tmp`, `${dir}/config`);
  },
};

for (const [name, means] of Object.entries(MEANS)) {
  describe(name, () => {
    for (const [what, edit] of Object.entries(EDITS)) {
      test(`${what}, three times`, async () => {
        const dir = tempDir();
        writeFileSync(`${dir}/config`, "0");
        const reader = await follow(`${dir}/config`, means);
        for (const text of ["0 one", "0 one two", "0 one two three"]) {
          edit(dir, text);
          await reader.reads(text);
        }
      });
    }

    test("each kind of edit after each other", async () => {
      const dir = tempDir();
      writeFileSync(`${dir}/config`, "0");
      const reader = await follow(`${dir}/config`, means);
      let text = "0";
      for (const first of Object.values(EDITS)) {
        for (const second of Object.values(EDITS)) {
          for (const edit of [first, second]) {
            text += "+";
            edit(dir, text);
            await reader.reads(text);
          }
        }
      }
    });

    test("a removal, and a file where none was", async () => {
      const dir = tempDir();
      const reader = await follow(`${dir}/config`, means);
      for (const text of ["one", undefined, "two", undefined]) {
        if (text === undefined) unlinkSync(`${dir}/config`);
        else writeFileSync(`${dir}/config`, text);
        await reader.reads(text);
      }
    });

    test("a file behind a link, its directory swapped as a cluster does it", async () => {
      const dir = tempDir();
      const swap = (version: string): void => {
        mkdirSync(`${dir}/..${version}`);
        writeFileSync(`${dir}/..${version}/config`, version);
        symlinkSync(`..${version}`, `${dir}/..tmp`);
        renameSync(`${dir}/..tmp`, `${dir}/..data`);
      };
      swap("v1");
      symlinkSync("..data/config", `${dir}/config`);
      const reader = await follow(`${dir}/config`, means);
      for (const version of ["v2", "v3"]) {
        swap(version);
        await reader.reads(version);
        writeFileSync(`${dir}/..${version}/config`, `${version} in place`);
        await reader.reads(`${version} in place`);
      }
    });

    test("the last of 3,000 writes in one go", async () => {
      const dir = tempDir();
      writeFileSync(`${dir}/config`, "");
      const reader = await follow(`${dir}/config`, means);
      for (let count = 1; count <= 3_000; count += 1) writeFileSync(`${dir}/config`, `write ${count}`);
      await reader.reads("write 3000");
      writeFileSync(`${dir}/config`, "one more");
      await reader.reads("one more");
    });
  });
}

test("the last of many writes of one size, however close they are", async () => {
  const dir = tempDir();
  writeFileSync(`${dir}/config`, "");
  const reader = await follow(`${dir}/config`, { watch: platform.watch, pollMs: NEVER_MS });
  for (let count = 100; count < 400; count += 1) {
    writeFileSync(`${dir}/config`, String(count));
    // Some are read before the next is written, some are not.
    if (count % 7 === 0) await reader.reads(String(count));
    else if (count % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await reader.reads("399");
});

describe("the watcher and the poll together", () => {
  for (const [what, take] of [
    ["removed", (dir: string) => rmSync(dir, { recursive: true })],
    ["moved away", (dir: string) => renameSync(dir, `${dir}-old`)],
  ] as const) {
    test(`a directory that is ${what} and made again, with and without a read between`, async () => {
      const dir = join(tempDir(), "dir");
      mkdirSync(dir);
      writeFileSync(`${dir}/config`, "0");
      const reader = await follow(`${dir}/config`);
      for (const text of ["one", "two 2", "three 3"]) {
        take(dir);
        if (text !== "one") await reader.reads(undefined);
        mkdirSync(dir);
        writeFileSync(`${dir}/config`, text);
        await reader.reads(text);
        writeFileSync(`${dir}/config`, `${text}, in place`);
        await reader.reads(`${text}, in place`);
        rmSync(`${dir}-old`, { recursive: true, force: true });
      }
    });
  }
});

test("a directory that was made again is heard by the watcher, not by the poll", async () => {
  const dir = join(tempDir(), "dir");
  mkdirSync(dir);
  writeFileSync(`${dir}/config`, "0");
  const reader = await follow(`${dir}/config`, { watch: platform.watch, pollMs: NEVER_MS });
  // At once, so that the look after the event finds the new one.
  rmSync(dir, { recursive: true });
  mkdirSync(dir);
  writeFileSync(`${dir}/config`, "one");
  await reader.reads("one");
  writeFileSync(`${dir}/config`, "in place");
  await reader.reads("in place");
});
