import { expect, test } from "bun:test";
import { join } from "node:path";
import { LIMITS } from "../../../src/contract/limits.ts";
import { RpcError } from "../../../src/contract/errors.ts";
import { PluginValues } from "../../../src/features/plugins/values.ts";
import { prepareSchema } from "../../../src/features/storage/migrate.ts";
import { Writer } from "../../../src/features/storage/writer.ts";
import { openDatabase } from "../../../src/platform/database.ts";
import { createMemoryLog } from "../../support/ports.ts";
import { tempDir } from "../../support/temp.ts";
import { createFakeTime } from "../../support/time.ts";
import { refusable } from "../features/runs/kit.ts";

function start() {
  const path = join(tempDir(), "values.db");
  const { db, refuse } = refusable(openDatabase(path));
  prepareSchema(db);
  const time = createFakeTime();
  const writer = new Writer({ ...time, db, log: createMemoryLog() });
  const log = createMemoryLog();
  const values = new PluginValues({ db, writer, log });
  /** What it answers once all that waits is on disk. */
  const done = async <T>(work: Promise<T>): Promise<T> => {
    // Refused at once, it is nobody's unhandled rejection.
    work.catch(() => {});
    await Promise.resolve();
    time.advance(LIMITS.writeGatherMsMax);
    return work;
  };
  return { path, db, refuse, time, writer, values, log, done };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof RpcError ? error.code : `no RpcError: ${String(error)}`;
}

test("what was set is on disk when that resolves, and is there for another process", async () => {
  const { path, values, time } = start();
  const store = values.of("a");
  let isDone = false;
  const set = store.set("k", { n: 1, list: [null, "x"] }).then(() => (isDone = true));
  await Promise.resolve();
  const elsewhere = openDatabase(path);
  const count = (): unknown => elsewhere.prepare("SELECT count(*) AS n FROM plugin_values").get()?.["n"];
  expect([isDone, count()]).toEqual([false, 0]);
  time.advance(LIMITS.writeGatherMsMax);
  await set;
  expect(count()).toBe(1);
  expect(await store.get("k")).toEqual({ n: 1, list: [null, "x"] });
  expect(await store.get("other")).toBeUndefined();
});

test("a plugin sees nothing of another one's", async () => {
  const { values, done } = start();
  await done(values.of("a").set("k", 1));
  await done(values.of("a'").set("k", 2));
  expect(await values.of("a").get("k")).toBe(1);
  expect(await values.of("b").get("k")).toBeUndefined();
  expect(await values.of("b").list()).toEqual([]);
  await done(values.of("b").delete("k"));
  expect(await values.of("a").get("k")).toBe(1);
});

test("all of several, or none", async () => {
  const { values, done } = start();
  const store = values.of("a");
  await done(store.setMany({ one: 1, two: 2 }));
  await done(store.setMany({ one: undefined, three: 3 }));
  expect(await store.list()).toEqual([
    { key: "three", value: 3 },
    { key: "two", value: 2 },
  ]);
  expect(await codeOf(done(store.setMany({ four: 4, five: () => 5 })))).toBe("invalid_params");
  expect(await store.get("four")).toBeUndefined();
  const many = Object.fromEntries(
    Array.from({ length: LIMITS.pluginStoreKeysMax + 1 }, (_, n) => [`${n}`, n]),
  );
  expect(await codeOf(done(store.setMany(many)))).toBe("too_large");
});

test("a key that reaches a prototype elsewhere is a key here", async () => {
  const { values, done } = start();
  const store = values.of("a");
  const many: unknown = JSON.parse('{"__proto__": {"isAdmin": true}, "constructor": 1, "toString": 2}');
  await done(store.setMany(many as Record<string, unknown>));
  expect((await store.list()).map(({ key }) => key)).toEqual(["__proto__", "constructor", "toString"]);
  const value = await store.get("__proto__");
  expect(value).toEqual({ isAdmin: true });
  expect("isAdmin" in {}).toBe(false);
  expect(await store.get("valueOf")).toBeUndefined();
});

test("values that JSON loses or cannot take are refused, and nothing is kept of them", async () => {
  const { values, done } = start();
  const store = values.of("a");
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  let deep: unknown = 1;
  for (let at = 0; at < 200_000; at++) deep = [deep];
  const hostile = {
    toJSON() {
      throw new Error("no");
    },
  };
  for (const value of [
    1n,
    cycle,
    deep,
    hostile,
    () => 1,
    Symbol("x"),
    Number.NaN,
    { in: [Infinity] },
    new Map(),
  ])
    expect(await codeOf(done(store.set("k", value)))).toBe("invalid_params");
  expect(await store.list()).toEqual([]);
  await done(store.set("k", "\ud800\0\u2028"));
  expect(await store.get("k")).toBe("\ud800\0\u2028");
});

test("bounds of keys and values", async () => {
  const { values, done } = start();
  const store = values.of("a");
  const longest = "k".repeat(LIMITS.pluginStoreKeyCharsMax);
  await done(store.set(longest, "x".repeat(LIMITS.pluginStoreValueCharsMax - 2)));
  expect(await codeOf(done(store.set(`${longest}k`, 1)))).toBe("too_large");
  expect(await codeOf(done(store.set("v", "x".repeat(300 * 1024))))).toBe("too_large");
  for (const key of ["", "a\0b", "\ud800"]) {
    expect(await codeOf(done(store.set(key, 1)))).toBe("invalid_params");
    expect(await codeOf(store.get(key))).toBe("invalid_params");
  }
  expect((await store.list()).length).toBe(1);
});

test("all that one plugin keeps is bounded, also over restarts, and can be made less again", async () => {
  const { values, done, db, writer } = start();
  const value = "x".repeat(LIMITS.pluginStoreValueCharsMax - 2);
  const store = values.of("a");
  const fitting = LIMITS.pluginStoreCharsMax / LIMITS.pluginStoreValueCharsMax - 1;
  for (let at = 0; at < fitting; at++) await done(store.set(`${at}`, value));
  expect(await codeOf(done(store.set("more", value)))).toBe("too_large");
  const again = new PluginValues({ db, writer, log: createMemoryLog() });
  expect(await codeOf(done(again.of("a").set("more", value)))).toBe("too_large");
  // The same once more is no more, another plugin has its own, and what is deleted counts no longer.
  await done(store.set("0", value));
  await done(values.of("b").set("more", value));
  await done(store.setMany({ "0": undefined, more: value }));
  expect(await codeOf(done(store.set("0", value)))).toBe("too_large");
  const whole = Object.fromEntries(Array.from({ length: 70 }, (_, at) => [`${at}`, value]));
  // Not even given to the disk.
  expect(await codeOf(store.setMany(whole))).toBe("too_large");
  await done(values.drop("a"));
  expect(await store.list()).toEqual([]);
  await done(store.set("0", value));
  expect((await values.of("b").list()).length).toBe(1);
});

test("what the disk refuses is not counted, and one that is full can be made less", async () => {
  const { values, done, db, refuse } = start();
  const store = values.of("a");
  const value = "x".repeat(LIMITS.pluginStoreValueCharsMax - 2);
  await done(store.set("k", "old"));
  refuse("full");
  for (let at = 0; at < 70; at++) expect(await codeOf(done(store.set(`${at}`, value)))).toBe("unavailable");
  refuse(undefined);
  await done(store.set("k", value));
  expect(await store.list()).toEqual([{ key: "k", value }]);
  // As a version with a larger bound may have left it.
  const put = db.prepare("INSERT INTO plugin_values (plugin, key, value) VALUES ('b', ?, ?)");
  for (let at = 0; at < 70; at++) put.run(`${at}`, JSON.stringify(value));
  expect(await codeOf(done(values.of("b").set("more", 1)))).toBe("too_large");
  await done(values.of("b").delete("0"));
  expect((await values.of("b").list()).length).toBe(69);
});

test("one that is damaged costs nobody the others", async () => {
  const { values, done, db, log } = start();
  const store = values.of("a");
  await done(store.setMany({ one: 1, two: 2, three: 3 }));
  db.prepare("UPDATE plugin_values SET value = '{\"cut' WHERE key = 'two'").run();
  for (let times = 0; times < 2; times++)
    expect(await store.list()).toEqual([
      { key: "one", value: 1 },
      { key: "three", value: 3 },
      { key: "two", value: undefined },
    ]);
  expect(log.lines).toMatchObject([
    { level: "error", message: "stored value left out", fields: { plugin: "a", key: "two" } },
  ]);
  expect(await codeOf(store.get("two"))).toBe("unavailable");
  await done(store.delete("two"));
  expect((await store.list()).length).toBe(2);
});

test("keys in order, by how they begin, in pages", async () => {
  const { values, done } = start();
  const store = values.of("a");
  const keys = ["a", "a%", "a_b", "aXb", "a\u{10ffff}z", "b", "퟿x", "\ue000", "\u{1f600}", "é"];
  await done(store.setMany(Object.fromEntries(keys.map((key) => [key, key]))));
  const listed = async (options: Parameters<typeof store.list>[0]): Promise<string[]> =>
    (await store.list(options)).map(({ key }) => key);
  expect(await listed({ prefix: "a" })).toEqual(["a", "a%", "aXb", "a_b", "a\u{10ffff}z"]);
  expect(await listed({ prefix: "a%" })).toEqual(["a%"]);
  expect(await listed({ prefix: "a_" })).toEqual(["a_b"]);
  expect(await listed({ prefix: "a\u{10ffff}" })).toEqual(["a\u{10ffff}z"]);
  expect(await listed({ prefix: "\u{10ffff}" })).toEqual([]);
  expect(await listed({ prefix: "퟿" })).toEqual(["퟿x"]);
  const paged: string[] = [];
  for (let page = await listed({ limit: 3 }); page.length > 0;) {
    paged.push(...page);
    const after = paged.at(-1);
    page = after === undefined ? [] : await listed({ limit: 3, after });
  }
  expect(paged).toEqual(await listed({}));
  expect(paged.length).toBe(keys.length);
  expect(await listed({ prefix: "a", after: "a%", limit: 2 })).toEqual(["aXb", "a_b"]);
  for (const limit of [0, -1, 1.5, Number.NaN])
    expect(await codeOf(store.list({ limit }))).toBe("invalid_params");
  expect((await listed({ limit: 1_000_000 })).length).toBe(keys.length);
});
