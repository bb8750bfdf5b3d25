import { describe, expect, test } from "bun:test";
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ReloadPlan } from "../../../src/config/plan.ts";
import {
  type ConfigReloader,
  type Reloaded,
  startGatewayConfigReloader,
} from "../../../src/config/reloader.ts";
import type { Config } from "../../../src/config/schema.ts";
import { createMemoryLog, type MemoryLog } from "../../support/ports.ts";
import { type Home, homeWith } from "./home.ts";

interface Followed {
  readonly home: Home;
  readonly reloader: ConfigReloader;
  readonly log: MemoryLog;
  readonly changed: Reloaded[];
  readonly rejected: { readonly hash: string; readonly messages: readonly string[] }[];
  readonly applied: ReloadPlan[];
  readonly watched: (readonly string[])[];
  readonly secrets: string[];
  restarts: number;
  /** What the next start of a feature fails with. */
  fault: string | undefined;
  /** As a restart does it. */
  restart(problem?: string): void;
  save(text: string): ReturnType<ConfigReloader["reload"]>;
}

async function follow(text: string | undefined, name = "moltbot.json"): Promise<Followed> {
  const home = homeWith(text === undefined ? {} : { [name]: text });
  const { store } = home;
  const initialConfig = await store.load();
  if (!initialConfig.valid) throw new Error(JSON.stringify(initialConfig.errors));
  const log = createMemoryLog();
  const followed: Omit<Followed, "reloader"> = {
    home,
    log,
    changed: [],
    rejected: [],
    applied: [],
    watched: [],
    secrets: [],
    restarts: 0,
    fault: undefined,
    restart(problem) {
      if (problem === undefined) store.use(reloader.latest().config);
      reloader.restarted(problem);
    },
    save(next) {
      home.put({ "moltbot.json": next });
      return reloader.reload();
    },
  };
  const reloader = startGatewayConfigReloader({
    initialConfig,
    paths: store.paths,
    current: () => store.current(),
    settings: () => store.settings(),
    readSnapshot: () => store.readConfigFileSnapshot(),
    onHotReload(plan: ReloadPlan, config: Config) {
      if (result.fault !== undefined) throw new Error(result.fault);
      followed.applied.push(plan);
      store.use(config);
    },
    onRestart: () => void (result.restarts += 1),
    watchPath: (paths) => void followed.watched.push(paths),
    onReloaded: (reloaded) => void followed.changed.push(reloaded),
    onRejected: (hash, errors) =>
      void followed.rejected.push({ hash, messages: errors.map(({ message }) => message) }),
    onSecrets(found) {
      // Before anything is said about the configuration they are in.
      expect(log.lines.filter(({ message }) => message === "configuration reloaded")).toHaveLength(
        followed.changed.length,
      );
      followed.secrets.push(...found);
    },
    log,
  });
  const result: Followed = Object.assign(followed, { reloader });
  return result;
}

const gateway = (keys: object): string => JSON.stringify({ gateway: keys });

describe("an edit", () => {
  test("that is valid is in force, and told with what it changed", async () => {
    const followed = await follow(gateway({ log: { level: "info" } }));
    const outcome = await followed.save(gateway({ log: { level: "warn" } }));
    expect(outcome).toMatchObject({ ok: true, changed: ["gateway.log.level"], restartOwed: [] });
    expect(followed.home.store.current().gateway.log.level).toBe("warn");
    expect(followed.changed).toEqual([
      { changed: ["gateway.log.level"], hash: followed.reloader.latest().hash, restartOwed: [] },
    ]);
    expect(followed.watched.at(-1)).toContain(followed.home.path);
  });

  test("of comments and the order of keys changes nothing but the hash, and is told as that", async () => {
    const followed = await follow(`{ "gateway": { "port": 1, "bind": "lan" } }`);
    const before = followed.home.store.current();
    await followed.save(`// why\n{ "gateway": { "bind": "lan", "port": 1 } }`);
    expect(followed.changed.map(({ changed }) => changed)).toEqual([[]]);
    expect(followed.changed[0]?.hash).toBe(followed.reloader.latest().hash);
    expect([followed.applied, followed.restarts]).toEqual([[], 0]);
    expect(followed.home.store.current()).toBe(before);
    await followed.reloader.reload();
    expect(followed.changed).toHaveLength(1);
  });

  test("that is wrong changes nothing and is told once, however often it is read", async () => {
    const followed = await follow(gateway({ port: 1 }));
    const before = followed.home.store.current();
    await followed.save(gateway({ port: "x" }));
    for (let count = 0; count < 3; count += 1) await followed.reloader.reload();
    const message = `Cannot use "gateway.port": wanted a whole number from 0 to 65535, got text`;
    expect(followed.rejected.map(({ messages }) => messages)).toEqual([[message]]);
    expect(followed.log.lines.filter(({ level }) => level === "error")).toHaveLength(1);
    expect(followed.reloader.errors()).toMatchObject([{ file: followed.home.path, line: 1, message }]);
    expect(followed.home.store.current()).toBe(before);
    await followed.save(`{ "gateway": `);
    expect(followed.rejected).toHaveLength(2);
    // As it was: that is news after all that.
    await followed.save(gateway({ port: 1 }));
    expect(followed.changed).toMatchObject([{ changed: [] }]);
    expect(followed.reloader.errors()).toEqual([]);
    expect(followed.applied).toEqual([]);
  });

  test("that a feature cannot start with leaves everything as it was", async () => {
    const followed = await follow(gateway({ log: { level: "info" } }));
    followed.fault = "no such model";
    const outcome = await followed.save(gateway({ log: { level: "warn" } }));
    const message = "Cannot apply configuration: no such model";
    expect(outcome).toMatchObject({ ok: false, errors: [{ message }] });
    expect(followed.home.store.current().gateway.log.level).toBe("info");
    expect(followed.reloader.latest().config.gateway.log.level).toBe("info");
    expect(followed.home.read("moltbot.json")).toContain("warn");
    followed.fault = undefined;
    await followed.reloader.reload();
    expect(followed.home.store.current().gateway.log.level).toBe("warn");
  });

  test("with secrets: the log knows them before it says a word", async () => {
    const followed = await follow("{}");
    await followed.save(gateway({ auth: { token: "geheim-12345" }, log: { level: "warn" } }));
    expect(followed.secrets).toContain("geheim-12345");
    expect(JSON.stringify([followed.log.lines, followed.changed])).not.toContain("geheim");
  });

  test("by several at once: the last one counts, one after the other", async () => {
    const followed = await follow("{}");
    const levels = ["warn", "error", "debug"];
    await Promise.all(levels.map((level) => followed.save(gateway({ log: { level } }))));
    expect(followed.home.store.current().gateway.log.level).toBe("debug");
  });
});

describe("a file that is gone", () => {
  test("is more often an editor at work than the wish for the defaults", async () => {
    const text = gateway({ log: { level: "warn" } });
    const followed = await follow(text);
    rmSync(followed.home.path);
    await followed.reloader.reload();
    expect(followed.rejected.map(({ messages }) => messages)).toEqual([
      ["Cannot read configuration: the file is gone"],
    ]);
    expect(followed.home.store.current().gateway.log.level).toBe("warn");
    await followed.save(text);
    expect(followed.reloader.errors()).toEqual([]);
    expect(followed.changed).toMatchObject([{ changed: [] }]);
  });

  test("is not replaced by the old one that it was made of", async () => {
    const followed = await follow(gateway({ log: { level: "warn" } }));
    followed.home.put({ "clawdbot.json": gateway({ log: { level: "debug" } }) });
    renameSync(followed.home.path, join(followed.home.dir, "elsewhere"));
    await followed.reloader.reload();
    expect(followed.reloader.errors()).toMatchObject([{ file: followed.home.path }]);
    expect(followed.home.store.current().gateway.log.level).toBe("warn");
  });

  test("is replaced by one of a stronger name", async () => {
    const followed = await follow(gateway({ log: { level: "warn" } }), "clawdbot.json");
    await followed.save(gateway({ log: { level: "debug" } }));
    expect(followed.reloader.latest().path).toBe(followed.home.path);
    expect(followed.home.store.current().gateway.log.level).toBe("debug");
  });

  test("that was never there is nothing to miss", async () => {
    const followed = await follow(undefined);
    expect(await followed.reloader.reload()).toMatchObject({ ok: true, changed: [] });
    expect(followed.changed).toEqual([]);
  });
});

describe("what waits for a restart", () => {
  test("is owed until the restart, over any number of edits", async () => {
    const followed = await follow(gateway({ port: 1 }));
    await followed.save(gateway({ port: 2 }));
    expect(followed.reloader.restartOwed()).toEqual(["gateway.port"]);
    await followed.save(gateway({ port: 2, log: { level: "warn" } }));
    expect(followed.reloader.restartOwed()).toEqual(["gateway.port"]);
    expect(followed.home.store.current().gateway).toMatchObject({ port: 1, log: { level: "warn" } });
    expect(followed.restarts).toBe(2);
    followed.restart();
    expect(followed.reloader.restartOwed()).toEqual([]);
    expect(followed.home.store.current().gateway.port).toBe(2);
  });

  test("and is taken back is not owed any more", async () => {
    const followed = await follow(gateway({ port: 1 }));
    await followed.save(gateway({ port: 2 }));
    await followed.save(gateway({ port: 2, log: { level: "warn" } }));
    await followed.save(gateway({ port: 1, log: { level: "warn" } }));
    expect(followed.reloader.restartOwed()).toEqual([]);
    expect(followed.changed.map(({ restartOwed }) => restartOwed)).toEqual([
      ["gateway.port"],
      ["gateway.port"],
      [],
    ]);
  });

  test("stays owed where the mode forbids restarts, but a new mode counts at once", async () => {
    const followed = await follow(gateway({ port: 1, reload: { mode: "off" } }));
    await followed.save(
      gateway({ port: 2, reload: { mode: "off", debounceMs: 50 }, log: { level: "warn" } }),
    );
    expect(followed.reloader.restartOwed()).toEqual(["gateway.port", "gateway.log.level"]);
    expect(followed.home.store.current().gateway.reload.debounceMs).toBe(50);
    await followed.save(gateway({ port: 2, reload: { mode: "hot" }, log: { level: "warn" } }));
    expect(followed.reloader.restartOwed()).toEqual(["gateway.port"]);
    expect(followed.restarts).toBe(0);
  });

  test("is what it is after the restart, whatever was read while that went on", async () => {
    const followed = await follow(gateway({ port: 1 }));
    const { store } = followed.home;
    const before = store.current();
    await followed.save(gateway({ port: 2 }));
    // It begins on the new one, the file is read again, and it fails.
    store.use(followed.reloader.latest().config);
    await followed.reloader.reload();
    expect(followed.reloader.restartOwed()).toEqual([]);
    store.use(before);
    followed.reloader.restarted("port 2 is in use");
    expect(followed.reloader.restartOwed()).toEqual(["gateway.port"]);
    await followed.reloader.reload();
    expect([followed.restarts, followed.reloader.errors().length]).toEqual([1, 1]);
    // It begins on another one, the file is edited meanwhile, and it comes through.
    await followed.save(gateway({ port: 3 }));
    store.use(followed.reloader.latest().config);
    await followed.save(gateway({ port: 4 }));
    followed.reloader.restarted();
    expect(followed.reloader.restartOwed()).toEqual(["gateway.port"]);
    expect(followed.restarts).toBe(3);
  });

  test("is not tried again where it failed, until it is something else", async () => {
    const followed = await follow(gateway({ port: 1 }));
    await followed.save(gateway({ port: 2 }));
    followed.restart("port 2 is in use");
    const message = "Cannot apply configuration: port 2 is in use";
    expect(followed.reloader.errors()).toMatchObject([{ message }]);
    for (const text of [gateway({ port: 2 }), `${gateway({ port: 2 })} // still`]) {
      expect(await followed.save(text)).toMatchObject({ ok: true, restartOwed: ["gateway.port"] });
    }
    expect(followed.restarts).toBe(1);
    expect(followed.reloader.errors()).toMatchObject([{ message }]);
    await followed.save(gateway({ port: 3 }));
    expect(followed.restarts).toBe(2);
    expect(followed.reloader.errors()).toEqual([]);
    followed.restart();
    expect(followed.reloader.restartOwed()).toEqual([]);
  });
});

test("a warning is told when it is new, not with every reload", async () => {
  const followed = await follow(gateway({ port: 1, tailscale: {} }));
  const told = (): string[] =>
    followed.log.lines.filter(({ level }) => level === "warn").map(({ message }) => message);
  await followed.save(gateway({ port: 2, tailscale: {} }));
  expect([followed.changed.length, told()]).toEqual([1, []]);
  await followed.save(`\n${gateway({ port: 2, tailscale: {}, remote: {} })}`);
  expect(told()).toEqual([expect.stringMatching(/Not used here: .*gateway\.remote/)]);
  await followed.save(gateway({ port: 3, tailscale: {}, remote: {} }));
  expect([followed.changed.length, told().length]).toEqual([3, 1]);
});

test("a reading that fails for good is an error like another", async () => {
  const followed = await follow("{}");
  const broken = { ...followed.home.store, readConfigFileSnapshot: () => Promise.reject(new Error("no")) };
  const initialConfig = followed.reloader.latest();
  const rejected: string[] = [];
  const reloader = startGatewayConfigReloader({
    initialConfig,
    paths: followed.home.store.paths,
    current: () => followed.home.store.current(),
    settings: () => followed.home.store.settings(),
    readSnapshot: () => broken.readConfigFileSnapshot(),
    onHotReload: () => {},
    onRestart: () => {},
    watchPath: () => {},
    onReloaded: () => {},
    onRejected: (_, errors) => void rejected.push(...errors.map(({ message }) => message)),
    onSecrets: () => {},
    log: followed.log,
  });
  expect(await reloader.reload()).toMatchObject({ ok: false });
  expect(rejected).toEqual(["Cannot apply configuration: no"]);
});
