import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Copies, createCopies } from "../../../src/config/write/copies.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { createFiles } from "../../../src/platform/files.ts";
import { tempDir } from "../../support/temp.ts";

const AT_MS = Date.UTC(2026, 0, 31, 5, 6, 7, 8);

function copiesIn(
  stateDir: string,
  { nowMs = () => AT_MS, isWanted = (_: string): boolean => false } = {},
): Copies {
  return createCopies({ files: createFiles(), clock: { now: nowMs }, stateDir, isWanted });
}

const textsOf = (main: string, ...others: string[]): Map<string, string> =>
  new Map([main, ...others].map((path) => [path, `text of ${path}`]));

describe("backups", () => {
  test("are called after their time, and sort by it although the clock stands still or goes back", async () => {
    const times = [AT_MS, AT_MS, AT_MS - 5_000_000, AT_MS - 5_000_000, AT_MS + 1];
    const copies = copiesIn(tempDir(), { nowMs: () => times.shift() ?? 0 });
    const names: string[] = [];
    for (let count = 0; count < 5; count += 1) names.push(await copies.backUp(textsOf("/c/m.json")));
    expect(names).toEqual([
      "2026-01-31T05-06-07.008Z",
      "2026-01-31T05-06-07.008Z+000001",
      "2026-01-31T05-06-07.008Z+000002",
      "2026-01-31T05-06-07.008Z+000003",
      "2026-01-31T05-06-07.009Z",
    ]);
    expect(await copies.backups("/c/m.json")).toEqual(names.toReversed());
  });

  test("have names that no number of writes makes longer than the wire takes", async () => {
    const copies = copiesIn(tempDir());
    let name = "";
    for (let count = 0; count < 60; count += 1) {
      name = await copies.backUp(textsOf("/c/m.json"));
      await copies.prune();
    }
    expect(name).toBe("2026-01-31T05-06-07.008Z+000059");
    expect(await copies.backups("/c/m.json")).toHaveLength(LIMITS.configBackupsMax);
  });

  test("beyond ten the oldest goes, but for one that is waited for", async () => {
    const wanted = "2026-01-31T05-06-07.008Z";
    const copies = copiesIn(tempDir(), { isWanted: (name) => name === wanted });
    for (let count = 0; count < 15; count += 1) {
      await copies.backUp(textsOf("/c/m.json"));
      await copies.prune();
    }
    const names = await copies.backups("/c/m.json");
    expect(names).toHaveLength(LIMITS.configBackupsMax + 1);
    expect(names.at(-1)).toBe(wanted);
  });

  test("have all files, in whatever directory, under whatever name, and only for us to read", async () => {
    const stateDir = tempDir();
    const copies = copiesIn(stateDir);
    const paths = ["/c/m.json", "/c/sub/deep/a.json", "/c/a%2Fb.json", "/c/a%b.json", "/c/ü 1.json"] as const;
    const texts = textsOf(...paths);
    const name = await copies.backUp(texts);
    const back = await copies.backup(name, "/c/m.json");
    expect(Object.fromEntries(back ?? [])).toEqual(Object.fromEntries(texts));
    expect([...(back?.keys() ?? [])][0]).toBe("/c/m.json");
    const directory = join(stateDir, "config-backups", name);
    const modes = readdirSync(directory).map((file) => statSync(join(directory, file)).mode & 0o777);
    expect(modes).toEqual(Array<number>(5).fill(0o600));
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  });

  test("have names that every file system takes, however long the paths are", async () => {
    const stateDir = tempDir();
    const copies = copiesIn(stateDir);
    const deep = `/c/${"ü".repeat(120)}/${"deeper/".repeat(40)}`;
    const paths = [`${deep}a.json`, `${deep}b "%1-".json`, "/c/%-1", "/c/%1-", "/c/a.json", "/c/%names.json"];
    for (const main of ["/c/m.json", `/c/${"m".repeat(240)}.json`]) {
      const texts = textsOf(main, ...paths);
      const name = await copies.backUp(texts);
      expect(Object.fromEntries((await copies.backup(name, main)) ?? [])).toEqual(Object.fromEntries(texts));
      expect(await copies.backups(main)).toContain(name);
      // One whose real name nobody knows any more is no part of a whole.
      writeFileSync(join(stateDir, "config-backups", name, "%names.json"), "not ours");
      expect(await copies.backup(name, main)).toBeUndefined();
    }
  });

  test.each([
    ["m.json", "a.json"],
    ["./m.json", "sub/a.json"],
    ["../x/m.json", "../x/a.json"],
    ["/m.json", "/a.json"],
    ["/c/../d//m.json", "/d/a.json"],
  ])("of %s come back under the same paths", async (main, include) => {
    const copies = copiesIn(tempDir());
    const texts = textsOf(main, include);
    const name = await copies.backUp(texts);
    expect(await copies.backup(name, main)).toEqual(texts);
    await copies.remember("hash", texts);
    expect(await copies.remembered(main)).toEqual([{ hash: "hash", texts }]);
  });

  test("of the older name are the newer one's", async () => {
    const copies = copiesIn(tempDir());
    const name = await copies.backUp(textsOf("/c/clawdbot.json", "/c/a.json"));
    expect(await copies.backups("/c/moltbot.json")).toEqual([name]);
    expect(await copies.backup(name, "/c/moltbot.json")).toEqual(
      new Map([
        ["/c/moltbot.json", "text of /c/clawdbot.json"],
        ["/c/a.json", "text of /c/a.json"],
      ]),
    );
  });

  test("of which only half is there after a crash are none", async () => {
    const stateDir = tempDir();
    const copies = copiesIn(stateDir);
    const name = await copies.backUp(textsOf("/c/m.json", "/c/a.json"));
    rmSync(join(stateDir, "config-backups", name, "m.json"));
    expect(await copies.backups("/c/m.json")).toEqual([]);
    expect(await copies.backup(name, "/c/m.json")).toBeUndefined();
  });

  test("can be taken back", async () => {
    const copies = copiesIn(tempDir());
    const first = await copies.backUp(textsOf("/c/m.json"));
    await copies.discard(await copies.backUp(textsOf("/c/m.json")));
    expect(await copies.backups("/c/m.json")).toEqual([first]);
  });

  test("are asked for by name only", async () => {
    const copies = copiesIn(tempDir());
    for (const name of ["", ".", "../config-last-good", "2026-01-31T05-06-07.008Z/../x"]) {
      expect(await copies.backup(name, "/c/m.json")).toBeUndefined();
    }
  });
});

describe("the last good files", () => {
  test("are the newest only, and are not written twice", async () => {
    const stateDir = tempDir();
    const copies = copiesIn(stateDir);
    await copies.remember("one", textsOf("/c/m.json"));
    const file = join(stateDir, "config-last-good/one/m.json");
    const { ino } = statSync(file);
    await copies.remember("one", textsOf("/c/m.json"));
    expect(statSync(file).ino).toBe(ino);
    await copies.remember("two", textsOf("/c/m.json", "/c/a.json"));
    expect(await copies.remembered("/c/m.json")).toEqual([
      { hash: "two", texts: textsOf("/c/m.json", "/c/a.json") },
    ]);
  });

  test("survive a crash between writing the new and removing the old", async () => {
    const stateDir = tempDir();
    const copies = copiesIn(stateDir);
    await copies.remember("new", textsOf("/c/m.json"));
    // What a crash leaves: the older set whole, and half of another.
    mkdirSync(join(stateDir, "config-last-good/half"));
    expect((await copies.remembered("/c/m.json")).map(({ hash }) => hash)).toEqual(["new"]);
    await copies.remember("new", textsOf("/c/m.json"));
    expect(readdirSync(join(stateDir, "config-last-good"))).toEqual(["new"]);
  });

  test("of which only half was written are written whole the next time", async () => {
    const stateDir = tempDir();
    const copies = copiesIn(stateDir);
    const texts = textsOf("/c/m.json", "/c/a.json");
    await copies.remember("one", texts);
    rmSync(join(stateDir, "config-last-good/one/m.json"));
    expect(await copies.remembered("/c/m.json")).toEqual([]);
    await copies.remember("one", texts);
    expect(await copies.remembered("/c/m.json")).toEqual([{ hash: "one", texts }]);
  });
});

test("what a change has written is kept for it alone, until it is forgotten", async () => {
  const copies = copiesIn(tempDir());
  const texts = textsOf("/c/m.json", "/c/a.json");
  await copies.keepChange("one", textsOf("/c/m.json"));
  await copies.keepChange("two", texts);
  expect(await copies.change("one", "/c/m.json")).toBeUndefined();
  expect(await copies.change("two", "/c/m.json")).toEqual(texts);
  expect(await copies.backups("/c/m.json")).toEqual([]);
  await copies.forgetChange();
  expect(await copies.change("two", "/c/m.json")).toBeUndefined();
});
