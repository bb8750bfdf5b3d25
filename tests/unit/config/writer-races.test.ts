import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import type { Intent } from "../../../src/config/write/rewrite.ts";
import { createFiles } from "../../../src/platform/files.ts";
import type { Files } from "../../../src/ports.ts";
import { type Home, homeWith, refusal } from "./home.ts";

const files = createFiles();
const STALE = "stale: Cannot write configuration: it has changed since it was read; read it again";
const TEXT = `{ "gateway": { "port": 1 } } // mine\n`;
const port: Intent = { kind: "set", path: ["gateway", "port"], value: 2, drop: [] };

const TWO = {
  "moltbot.json": `{ "gateway": { "$include": "a.json", "bind": "lan" } }`,
  "a.json": `{ "port": 1 }`,
};
const both: Intent = { kind: "patch", patch: { gateway: { port: 2, bind: "loopback" } } };

type Replace = Files["replace"];

/** The same home through a disk on which something happens while a file is replaced. */
function disturbed(home: Home, replace: Replace): Home {
  return homeWith({}, { disk: { replace }, stateDir: home.dir });
}

/** An editor that saves a file once, when one called so is about to be written or to be renamed. */
function editing(
  home: Home,
  edit: { at: string; when: "write" | "rename"; name: string; text: string },
): Replace {
  let isDone = false;
  const save = (path: string): void => {
    if (isDone || !path.includes(edit.at)) return;
    isDone = true;
    writeFileSync(`${home.dir}/${edit.name}`, edit.text);
  };
  return (path, text, isReady = async () => {}) => {
    if (edit.when === "write") save(path);
    return files.replace(path, text, async () => {
      save(path);
      await isReady();
    });
  };
}

describe("what an editor saves during a write stays", () => {
  const moments = [
    ["the backup is made", "config-backups/", "write"],
    ["the backup is on its way to the disk", "config-backups/", "rename"],
    ["the file is on its way to the disk", ".clawdbot/moltbot.json", "rename"],
  ] as const;
  test.each(moments)("when %s", async (_, at, when) => {
    const edited = TEXT.replace("mine", "edited meanwhile");
    for (const withHash of [true, false]) {
      const home = homeWith({ "moltbot.json": TEXT });
      const { hash } = await home.store.readConfigFileSnapshot();
      const slow = disturbed(home, editing(home, { at, when, name: "moltbot.json", text: edited }));
      expect(await refusal(slow.writer.write(port, withHash ? { baseHash: hash } : {}))).toBe(STALE);
      expect(home.read("moltbot.json")).toBe(edited);
      expect(await home.copies.backups(home.path)).toEqual([]);
      await slow.writer.write(port);
      expect(home.read("moltbot.json")).toBe(edited.replace("1", "2"));
    }
  });

  test("in the second file, when the first is written: that one goes back", async () => {
    for (const name of ["moltbot.json", "a.json"] as const) {
      const other = name === "a.json" ? "moltbot.json" : "a.json";
      const home = homeWith(TWO);
      const text = `${TWO[name]} // edited`;
      const slow = disturbed(home, editing(home, { at: `.clawdbot/${name}`, when: "rename", name, text }));
      expect(await refusal(slow.writer.write(both))).toBe(STALE);
      expect(home.read(name)).toBe(text);
      expect(home.read(other)).toBe(TWO[other]);
    }
  });

  test("in a file that is only read for it", async () => {
    const home = homeWith(TWO);
    const edit = {
      at: "config-backups/",
      when: "write",
      name: "moltbot.json",
      text: `{ "gateway": {} }`,
    } as const;
    const slow = disturbed(home, editing(home, edit));
    expect(await refusal(slow.writer.write(port))).toBe(STALE);
    expect([home.read("moltbot.json"), home.read("a.json")]).toEqual([edit.text, TWO["a.json"]]);
  });

  test("as a file where none was", async () => {
    const home = homeWith();
    const edit = { at: ".clawdbot/moltbot.json", when: "rename", name: "moltbot.json", text: TEXT } as const;
    expect(await refusal(disturbed(home, editing(home, edit)).writer.write(port))).toBe(STALE);
    expect(home.read("moltbot.json")).toBe(TEXT);
  });

  test("over what is being put back", async () => {
    const home = homeWith({ "moltbot.json": TEXT });
    const edited = TEXT.replace("1", "3");
    let count = 0;
    const slow = disturbed(home, (path, text, isReady = async () => {}) =>
      files.replace(path, text, async () => {
        if (path === home.path && ++count === 2) writeFileSync(path, edited);
        await isReady();
      }),
    );
    await (await slow.writer.write(port)).undo();
    expect(home.read("moltbot.json")).toBe(edited);
  });
});

describe("a disk that fails late", () => {
  test("after the rename: what is new already goes back too", async () => {
    for (const name of ["moltbot.json", "a.json"]) {
      const home = homeWith(TWO);
      let isBroken = true;
      const late = disturbed(home, async (path, text, isReady) => {
        await files.replace(path, text, isReady);
        if (!isBroken || !path.endsWith(`.clawdbot/${name}`)) return;
        isBroken = false;
        throw new Error("EIO: i/o error, fsync");
      });
      expect(await refusal(late.writer.write(both))).toBe(
        "failed: Cannot write configuration: EIO: i/o error, fsync",
      );
      expect([home.read("moltbot.json"), home.read("a.json")]).toEqual(Object.values(TWO));
      expect(await home.copies.backups(home.path)).toEqual([]);
    }
  });

  test("and so for good: it says what is not as it was, and where that is kept", async () => {
    const home = homeWith(TWO);
    const broken = disturbed(home, async (path, text, isReady) => {
      if (path.endsWith(".clawdbot/a.json")) throw new Error("EIO: i/o error, write");
      if (text === TWO["moltbot.json"] && path === home.path) throw new Error("EROFS: read-only file system");
      await files.replace(path, text, isReady);
    });
    const told = await refusal(broken.writer.write(both));
    const [backup = ""] = await home.copies.backups(home.path);
    expect(backup).not.toBe("");
    expect(told).toBe(
      `failed: Cannot write configuration: EIO: i/o error, write; cannot put back "${home.path}": ` +
        `EROFS: read-only file system; what was there is in backup ${backup}`,
    );
    expect((await home.copies.backup(backup, home.path))?.get(home.path)).toBe(TWO["moltbot.json"]);
  });
});

test("a backup that brings back a file nobody includes any more keeps what that is now", async () => {
  const home = homeWith(TWO);
  const { backup = "" } = await home.writer.write(both);
  home.put({ "moltbot.json": `{}`, "a.json": `{ "port": 7 } // something else by now` });
  const restored = await home.writer.restore(backup);
  expect(home.read("a.json")).toBe(TWO["a.json"]);
  const kept = await home.copies.backup(restored.backup ?? "", home.path);
  expect(kept?.get(`${home.dir}/a.json`)).toBe(`{ "port": 7 } // something else by now`);
});

test("a preview never sees one file of a write without the other", async () => {
  const home = homeWith(TWO);
  const [, { before }] = await Promise.all([home.writer.write(both), home.writer.preview(port)]);
  expect(before.hash).toBe((await home.store.readConfigFileSnapshot()).hash);
});
