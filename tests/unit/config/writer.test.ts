import { describe, expect, test } from "bun:test";
import { readdirSync, readlinkSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { Path } from "../../../src/config/leaves.ts";
import type { Intent } from "../../../src/config/write/rewrite.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { createFiles } from "../../../src/platform/files.ts";
import { lock } from "../../../src/platform/lock.ts";
import { homeWith, refusal } from "./home.ts";

const set = (path: Path, value: unknown): Intent => ({ kind: "set", path, value, drop: [] });
const port = (value: unknown): Intent => set(["gateway", "port"], value);
const whole = (text: string): Intent => ({ kind: "replace", text, isVerbatim: true, drop: [[]] });
const TEXT = `{ "gateway": { "port": 1 } } // mine\n`;

describe("a write", () => {
  test("is whole, private, and leaves a backup", async () => {
    const home = homeWith({ "moltbot.json": TEXT });
    const written = await home.writer.write(port(2));
    expect(home.read("moltbot.json")).toBe(TEXT.replace("1", "2"));
    expect(statSync(home.path).mode & 0o777).toBe(0o600);
    expect(await home.copies.backups(home.path)).toEqual([written.backup ?? ""]);
    expect(await home.copies.backup(written.backup ?? "", home.path)).toEqual(new Map([[home.path, TEXT]]));
    expect(written.after.hash).toBe((await home.store.readConfigFileSnapshot()).hash);
  });

  test("that changes nothing writes nothing and backs up nothing", async () => {
    const home = homeWith({ "moltbot.json": TEXT });
    const before = statSync(home.path).ino;
    expect((await home.writer.write(port(1))).backup).toBeUndefined();
    expect(statSync(home.path).ino).toBe(before);
    expect(await home.copies.backups(home.path)).toEqual([]);
  });

  test("where there is no file makes one", async () => {
    const home = homeWith();
    expect((await home.writer.write(port(2))).backup).toBeUndefined();
    expect(JSON.parse(home.read("moltbot.json") ?? "")).toEqual({ gateway: { port: 2 } });
  });

  test("of what was read by the older name goes into a file of the newer one", async () => {
    const old = `{ "gateway": { "port": 1, "token": "geheim-12" } } // old\n`;
    const home = homeWith({ "clawdbot.json": old });
    const { after } = await home.writer.write(port(2));
    expect(after.path).toBe(home.path);
    expect(home.read("clawdbot.json")).toBe(old);
    expect(home.read("moltbot.json")).toContain("// old");
    expect(await home.store.readConfigFileSnapshot()).toMatchObject({
      path: home.path,
      config: { gateway: { port: 2, auth: { token: "geheim-12" } } },
    });
  });

  test("of a JSON5 file makes JSON with comments of it", async () => {
    const home = homeWith({ "moltbot.json": `{ gateway: { port: 1 /* one */ } }` });
    const { changes } = await home.writer.write(port(2));
    const kept = `${home.path}.before-migration`;
    expect(changes).toEqual([`converted "${home.path}" from JSON5`, `kept what it was in "${kept}"`]);
    expect(home.read("moltbot.json.before-migration")).toBe(`{ gateway: { port: 1 /* one */ } }`);
    expect(home.read("moltbot.json")).toContain("/* one */");
    expect(await home.store.readConfigFileSnapshot()).toMatchObject({ config: { gateway: { port: 2 } } });
  });

  test("that moves old keys keeps what was there once, for good", async () => {
    const [first, second] = [
      `{ "gateway": { "token": "geheim-12" } }`,
      `{ "gateway": { "token": "geheim-34" } }`,
    ];
    const home = homeWith({ "moltbot.json": first });
    const { changes } = await home.writer.write(port(2));
    expect(changes.at(-1)).toBe(`kept what it was in "${home.path}.before-migration"`);
    expect(home.read("moltbot.json.before-migration")).toBe(first);
    expect(statSync(`${home.path}.before-migration`).mode & 0o777).toBe(0o600);
    home.put({ "moltbot.json": second });
    expect((await home.writer.write(port(3))).changes.join()).not.toContain("kept what it was");
    expect(home.read("moltbot.json.before-migration")).toBe(first);
  });

  test("that is undone, or moves nothing of the main file, keeps nothing beside it", async () => {
    const old = `{ "gateway": { "token": "geheim-12" } }`;
    const home = homeWith({ "moltbot.json": old });
    await (await home.writer.write(port(2))).undo();
    expect([home.read("moltbot.json"), home.read("moltbot.json.before-migration")]).toEqual([old, undefined]);
    const inclusive = `{ "gateway": { "$include": "gw.json" } }`;
    home.put({ "moltbot.json": inclusive, "gw.json": `{ "token": "geheim-12", "port": 1 }` });
    await home.writer.write(port(2));
    expect(home.read("gw.json")).toContain("auth");
    expect(home.read("moltbot.json.before-migration")).toBeUndefined();
  });

  test("leaves the byte order mark of a file where it is", async () => {
    const home = homeWith({ "moltbot.json": `\uFEFF${TEXT}` });
    const { backup = "" } = await home.writer.write(port(2));
    expect(home.read("moltbot.json")).toBe(`\uFEFF${TEXT.replace("1", "2")}`);
    await home.writer.restore(backup);
    expect(home.read("moltbot.json")).toBe(`\uFEFF${TEXT}`);
  });

  test("of two with the same base only one happens, and the other is told", async () => {
    const home = homeWith({ "moltbot.json": TEXT });
    const { hash: baseHash } = await home.store.readConfigFileSnapshot();
    const results = await Promise.allSettled(
      [2, 3].map((value) => home.writer.write(port(value), { baseHash })),
    );
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(home.read("moltbot.json")).toBe(TEXT.replace("1", "2"));
    // A conflict is what it is, whatever else would be wrong.
    expect(await refusal(home.writer.write(set(["nope"], 1), { baseHash }))).toBe(
      "stale: Cannot write configuration: it has changed since it was read; read it again",
    );
  });

  test("is refused after an edit by hand of an included file", async () => {
    const home = homeWith({
      "moltbot.json": `{ "gateway": { "$include": "a.json" } }`,
      "a.json": `{ "port": 1 }`,
    });
    const { hash: baseHash } = await home.store.readConfigFileSnapshot();
    home.put({ "a.json": `{ "port": 1 } // edited` });
    expect(await refusal(home.writer.write(port(2), { baseHash }))).toStartWith("stale: ");
  });

  test("waits for another program, and gives up in the end", async () => {
    const home = homeWith({ "moltbot.json": TEXT });
    const release = lock(join(home.dir, "config.lock"));
    const waiting = home.writer.write(port(2));
    await home.store.readConfigFileSnapshot();
    expect(home.read("moltbot.json")).toBe(TEXT);
    release?.();
    await waiting;
    expect(home.read("moltbot.json")).toBe(TEXT.replace("1", "2"));
  });
});

describe("what cannot be used is not written", () => {
  const cases: [string, Intent, string][] = [
    [
      "a wrong value",
      port("x"),
      `invalid: Cannot use "gateway.port": wanted a whole number from 0 to 65535, got text ($/moltbot.json:1:24)`,
    ],
    [
      "an unknown key",
      set(["gateway", "prot"], 1),
      `invalid: Cannot use "gateway.prot": there is no such key, did you mean "gateway.port" ($/moltbot.json:1:27)`,
    ],
    [
      "several things",
      { kind: "patch", patch: { gateway: { port: "x", bind: "nowhere" } } },
      `invalid: Cannot use "gateway.port": wanted a whole number from 0 to 65535, got text (and 1 more) ($/moltbot.json:1:24)`,
    ],
  ];
  test.each(cases)("%s", async (_, intent, message) => {
    const home = homeWith({ "moltbot.json": TEXT });
    const told = await refusal(home.writer.write(intent));
    expect(told.replace(home.dir, "$")).toBe(message);
    expect(home.read("moltbot.json")).toBe(TEXT);
    expect(await home.copies.backups(home.path)).toEqual([]);
  });

  test("though a variable or an override hides it", async () => {
    const home = homeWith({ "moltbot.json": TEXT }, { env: { CLAWDBOT_GATEWAY_PORT: "5" } });
    expect(await refusal(home.writer.write(port("x")))).toContain(`Cannot use "gateway.port": wanted`);
    home.store.overrides.set("gateway.bind", "lan");
    const bind = set(["gateway", "bind"], "nowhere");
    expect(await refusal(home.writer.write(bind))).toContain(`Cannot use "gateway.bind": wanted`);
    expect(await refusal(home.writer.preview(bind))).toContain(`Cannot use "gateway.bind": wanted`);
    expect(home.read("moltbot.json")).toBe(TEXT);
    // What was wrong before does not keep anybody from writing something else.
    home.put({ "moltbot.json": `{ "gateway": { "port": "x" } }` });
    await home.writer.write(set(["sessions", "keepMax"], 7));
    expect(home.read("moltbot.json")).toContain("keepMax");
  });
});

describe("what cannot be read is not written over", () => {
  const broken: [string, string | Uint8Array, string][] = [
    ["broken", `{ "gateway": `, "Cannot read configuration: a value is missing here"],
    ["empty", "", "Cannot read configuration: the file is empty"],
    ["cut off", TEXT.slice(0, 16), "Cannot read configuration: "],
    ["no object", "[]", "Cannot read configuration: it must be an object, { … }"],
  ];
  test.each(broken)("%s: only a whole new one takes its place, after a backup", async (_, text, reason) => {
    const home = homeWith({ "moltbot.json": text });
    expect(await refusal(home.writer.write(port(2)))).toContain(reason);
    expect(home.read("moltbot.json")).toBe(String(text));
    const { backup = "" } = await home.writer.write(whole(TEXT));
    expect(home.read("moltbot.json")).toBe(TEXT);
    expect(await home.copies.backup(backup, home.path)).toEqual(new Map([[home.path, String(text)]]));
  });

  test("a broken include", async () => {
    const main = `{ "gateway": { "$include": "a.json" } }`;
    const home = homeWith({ "moltbot.json": main, "a.json": `{ "port": ` });
    for (const intent of [port(2), set(["sessions", "keepMax"], 7), { kind: "convert" } as const]) {
      expect(await refusal(home.writer.write(intent))).toContain("a.json:1:");
    }
    expect([home.read("moltbot.json"), home.read("a.json")]).toEqual([main, `{ "port": `]);
  });

  test("what is no text at all: not even by a whole one or a backup, for it could not be kept", async () => {
    const bytes = new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]);
    const home = homeWith({ "moltbot.json": TEXT });
    const { backup = "" } = await home.writer.write(port(2));
    for (const content of [bytes, new Uint8Array(LIMITS.configBytesMax + 1).fill(32)]) {
      home.put({ "moltbot.json": content });
      for (const write of [
        home.writer.write(port(3)),
        home.writer.write(whole(TEXT)),
        home.writer.restore(backup),
        home.writer.preview(whole(TEXT)),
      ]) {
        expect(await refusal(write)).toBe(
          "invalid: Cannot write configuration: what is there cannot be read, so it cannot be kept; move it away first",
        );
      }
      expect(statSync(home.path).size).toBe(content.length);
    }
  });

  test("a link stays one, and costs no backup", async () => {
    const home = homeWith({ "real.json": TEXT });
    symlinkSync(join(home.dir, "real.json"), home.path);
    expect(await refusal(home.writer.write(port(2)))).toBe(
      `failed: Cannot replace file "${home.path}": it is a symbolic link`,
    );
    expect(readlinkSync(home.path)).toBe(join(home.dir, "real.json"));
    expect([home.read("real.json"), await home.copies.backups(home.path)]).toEqual([TEXT, []]);
  });
});

describe("a disk that refuses", () => {
  const two = {
    "moltbot.json": `{ "gateway": { "$include": "a.json", "bind": "lan" } }`,
    "a.json": `{ "port": 1 }`,
  };
  const both: Intent = { kind: "patch", patch: { gateway: { port: 2, bind: "loopback" } } };

  /** Real files, of which writing one that is called so fails. */
  const failing = (
    name: string,
    reason = "ENOSPC: no space left on device, write",
  ): ReturnType<typeof createFiles> => {
    const files = createFiles();
    return {
      ...files,
      replace: (path, text) =>
        path.endsWith(name) ? Promise.reject(new Error(reason)) : files.replace(path, text),
    };
  };

  test("the second of two files: the first is as it was, and the older backups are all there", async () => {
    for (const name of ["moltbot.json", "a.json"]) {
      const home = homeWith(two);
      const full = homeWith({}, { disk: failing(`.clawdbot/${name}`), stateDir: home.dir });
      expect(await refusal(full.writer.write(both))).toBe(
        "failed: Cannot write configuration: ENOSPC: no space left on device, write",
      );
      expect([home.read("moltbot.json"), home.read("a.json")]).toEqual([two["moltbot.json"], two["a.json"]]);
      expect(await home.copies.backups(home.path)).toEqual([]);
      await home.writer.write(both);
      expect(home.read("a.json")).toBe(`{ "port": 2 }`);
    }
  });

  test("no room for a backup: nothing is written", async () => {
    const home = homeWith({ "moltbot.json": TEXT });
    home.put({ "config-backups": "a file in the way" });
    expect(await refusal(home.writer.write(port(2)))).toStartWith("failed: Cannot ");
    expect(home.read("moltbot.json")).toBe(TEXT);
  });
});

describe("undoing a write", () => {
  test("puts every file back, and takes away one that was not there", async () => {
    const texts = {
      "moltbot.json": `{ "gateway": { "$include": "a.json", "bind": "lan" } }`,
      "a.json": `{ "port": 1 }`,
    };
    const home = homeWith(texts);
    const written = await home.writer.write({
      kind: "patch",
      patch: { gateway: { port: 2, bind: "loopback" } },
    });
    await written.undo();
    expect([home.read("moltbot.json"), home.read("a.json")]).toEqual([
      texts["moltbot.json"],
      texts["a.json"],
    ]);
    const empty = homeWith();
    await (await empty.writer.write(port(2))).undo();
    expect(empty.read("moltbot.json")).toBeUndefined();
  });

  test("leaves what somebody has written since", async () => {
    const home = homeWith({ "moltbot.json": TEXT });
    const written = await home.writer.write(port(2));
    home.put({ "moltbot.json": TEXT.replace("1", "3") });
    await written.undo();
    expect(home.read("moltbot.json")).toBe(TEXT.replace("1", "3"));
  });
});

describe("backups", () => {
  test("ten of them; one goes back with all its files, and what it replaces is kept", async () => {
    const home = homeWith({
      "moltbot.json": `{ "gateway": { "$include": "sub/a.json" } } // 0`,
      "sub/a.json": `{ "port": 1 }`,
    });
    const { backup = "" } = await home.writer.write(port(2));
    // An include that came later is in the way of nothing.
    home.put({
      "moltbot.json": `{ "gateway": { "$include": ["sub/a.json", "b.json"] } }`,
      "b.json": `{ "bind": "lan" }`,
    });
    const restored = await home.writer.restore(backup);
    expect(home.read("moltbot.json")).toBe(`{ "gateway": { "$include": "sub/a.json" } } // 0`);
    expect(home.read("sub/a.json")).toBe(`{ "port": 1 }`);
    expect(home.read("b.json")).toBe(`{ "bind": "lan" }`);
    expect((await home.copies.backup(restored.backup ?? "", home.path))?.size).toBe(3);
    for (let value = 10; value < 25; value += 1) await home.writer.write(port(value));
    const names = await home.copies.backups(home.path);
    expect(names).toHaveLength(LIMITS.configBackupsMax);
    expect(names.toSorted().toReversed()).toEqual([...names]);
    expect(readdirSync(join(home.dir, "config-backups"))).toHaveLength(LIMITS.configBackupsMax);
    expect(await refusal(home.writer.restore(backup))).toBe(
      `invalid: Cannot restore backup "${backup}": there is no such backup`,
    );
    expect(await refusal(home.writer.restore("../../etc"))).toContain("there is no such backup");
  });

  test("of a file with the older name goes back under the newer one", async () => {
    const old = `{ "gateway": { "port": 1 } } // old`;
    const home = homeWith({ "clawdbot.json": old });
    const { backup = "" } = await home.writer.write(port(2));
    await home.writer.write(port(3));
    await home.writer.restore(backup);
    expect([home.read("moltbot.json"), home.read("clawdbot.json")]).toEqual([old, old]);
    expect(await home.store.readConfigFileSnapshot()).toMatchObject({ path: home.path });
  });

  test("goes back as a file of the newer name where only the older one is", async () => {
    const home = homeWith({ "clawdbot.json": TEXT });
    const { backup = "" } = await home.writer.write(port(2));
    rmSync(home.path);
    const edited = TEXT.replace("mine", "edited since");
    home.put({ "clawdbot.json": edited });
    await home.writer.restore(backup);
    expect([home.read("moltbot.json"), home.read("clawdbot.json")]).toEqual([TEXT, edited]);
  });

  test("one that is not valid any more is not put back", async () => {
    const home = homeWith(
      {
        "moltbot.json": `{ "models": { "providers": {} }, "gateway": { "auth": { "token": "\${TOKEN_HERE}" } } }`,
      },
      { env: { TOKEN_HERE: "geheim-12" } },
    );
    const { backup = "" } = await home.writer.write(whole(TEXT));
    const later = homeWith({}, { stateDir: home.dir });
    expect(await refusal(later.writer.restore(backup))).toContain(
      "the variable TOKEN_HERE is not set, or empty",
    );
    expect(home.read("moltbot.json")).toBe(TEXT);
  });
});

test("reading between two writes never sees one file of a write without the other", async () => {
  const texts = {
    "moltbot.json": `{ "gateway": { "$include": "a.json", "bind": "lan" } }`,
    "a.json": `{ "port": 1 }`,
  };
  const home = homeWith(texts);
  const intent: Intent = { kind: "patch", patch: { gateway: { port: 2, bind: "loopback" } } };
  const writing = home.writer.write(intent);
  const seen = await home.writer.between(async () => [home.read("moltbot.json"), home.read("a.json")]);
  await writing;
  expect(seen).toEqual([home.read("moltbot.json"), home.read("a.json")]);
  expect(seen[1]).toBe(`{ "port": 2 }`);
});
