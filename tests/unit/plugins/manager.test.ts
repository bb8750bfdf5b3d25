import { expect, test } from "bun:test";
import { chmodSync, existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LIMITS } from "../../../src/contract/limits.ts";
import { createManagerKit } from "./manager-kit.ts";

const on = { enabled: true };

/** Whatever follows from what has happened has happened. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

const refusal = (work: Promise<unknown>) =>
  work.then(
    () => "done",
    (error: { code?: string; message: string }) => `${error.code}: ${error.message}`,
  );

test("only what somebody wants is started, with what it declares and is granted", async () => {
  const kit = createManagerKit();
  kit.plugin("a", { capabilities: { network: true, exec: true, env: ["A_TOKEN", "B_TOKEN"] } });
  kit.plugin("b");
  kit.env["A_TOKEN"] = "secret";
  kit.config.entries["a"] = {
    ...on,
    config: { loud: true },
    grants: { network: true, sessions: true, env: ["A_TOKEN", "B_TOKEN", "HOME"] },
  };
  await kit.manager.configure();
  expect(kit.starts.map(({ isolation, start }) => ({ isolation, start }))).toEqual([
    {
      isolation: "process",
      start: {
        id: "a",
        directory: kit.folder("a"),
        entry: join(kit.folder("a"), "index.ts"),
        config: { loud: true },
        grants: { network: true, env: ["A_TOKEN", "B_TOKEN"] },
        env: { A_TOKEN: "secret" },
      },
    },
  ]);
  expect(kit.starts[0]).toMatchObject({ begun: 1, stopped: 0 });
  expect(await kit.manager.list()).toMatchObject([
    { id: "a", state: "running", origin: "installed", enabledBy: "plugins.entries.a.enabled", loads: 1 },
    { id: "b", state: "disabled", loads: 0 },
  ]);
  expect(await kit.manager.info("a")).toMatchObject({
    wants: { network: true, exec: true, env: ["A_TOKEN", "B_TOKEN"] },
    grants: { network: true, env: ["A_TOKEN", "B_TOKEN"] },
    configErrors: [
      'grants.env "HOME" is of no use: its manifest does not declare it',
      "grants.sessions is of no use: its manifest does not declare it",
    ],
    digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    services: [{ name: "poll", state: "starting", restarts: 0 }],
  });
});

test("isolation: what the entry says, what the manifest asks for, what the origin stands for", async () => {
  const load = () => Promise.reject(new Error("not to be loaded"));
  const mail = { id: "mail", name: "Mail", description: "Letters", section: "channels.mail", load };
  const kit = createManagerKit({ bundled: [{ ...mail, capabilities: { network: true } }] });
  kit.plugin("a", { isolation: "own" });
  kit.plugin("b");
  kit.config.entries = { a: on, b: { ...on, isolation: "none" } };
  kit.settings["channels.mail"] = { token: "x" };
  await kit.manager.configure();
  const told = kit.starts.map(({ isolation, start }) => [start.id, [isolation, start.entry]]);
  expect(Object.fromEntries(told)).toEqual({
    a: ["own", join(kit.folder("a"), "index.ts")],
    b: ["none", join(kit.folder("b"), "index.ts")],
    mail: ["none", "bundled:mail"],
  });
  expect(kit.starts.find(({ start }) => start.id === "mail")?.start).toMatchObject({
    config: { token: "x" },
    grants: { network: true },
  });
  expect((await kit.manager.list()).find(({ id }) => id === "mail")).toMatchObject({
    enabledBy: "channels.mail is configured",
    origin: "bundled",
  });
  kit.config.entries["mail"] = { enabled: false };
  await kit.manager.configure();
  expect(kit.inForce.has("mail")).toBe(false);
});

test("another configuration: new one up, swap, begun; the old one stops after its last call", async () => {
  const kit = createManagerKit();
  kit.plugin("a");
  kit.config.entries["a"] = { ...on, config: { n: 1 } };
  await kit.manager.configure();
  const [first] = kit.starts;
  if (first) first.open = 1;
  kit.config.entries["a"] = { ...on, config: { n: 2 } };
  await kit.manager.configure();
  expect(kit.starts).toHaveLength(2);
  expect(kit.starts[1]).toMatchObject({ begun: 1, stopped: 0 });
  kit.time.advance(1_000);
  await settled();
  expect(first?.stopped).toBe(0);
  if (first) first.open = 0;
  kit.time.advance(1_000);
  await settled();
  expect(first?.stopped).toBe(1);
  expect(kit.starts.map(kit.isClosed)).toEqual([true, false]);
  await kit.manager.configure();
  expect(kit.starts).toHaveLength(2);
});

test("the background of the old one is over before that of the new one begins", async () => {
  const kit = createManagerKit();
  kit.plugin("a");
  kit.config.entries["a"] = on;
  await kit.manager.configure();
  const [first] = kit.starts;
  if (first) first.open = 1;
  await kit.manager.reload("a");
  expect(kit.background).toEqual(["a 1 begins", "a 1 ends", "a 2 begins"]);
  expect(first?.stopped).toBe(0);
});

test("switched off, it is waited for neither by its owner nor by what replaced it", async () => {
  const kit = createManagerKit();
  kit.plugin("a");
  kit.config.entries["a"] = on;
  const never = Promise.withResolvers<void>();
  kit.behaviours.set("a", () => never.promise);
  const begun = kit.nextStart();
  const configured = kit.manager.configure();
  const first = await begun;
  expect(await kit.manager.disable("a")).toMatchObject({ state: "disabled", loads: 0 });
  await configured;
  expect(kit.isClosed(first)).toBe(true);
  kit.behaviours.clear();
  expect(await kit.manager.enable("a", undefined)).toMatchObject({ state: "running", loads: 1 });
  never.resolve();
  await settled();
  expect(kit.starts.map(({ stopped }) => stopped)).toEqual([1, 0]);
  expect(kit.time.pending()).toBe(0);
});

test("a call that never ends does not keep an old version for ever", async () => {
  const kit = createManagerKit();
  kit.plugin("a");
  kit.config.entries["a"] = on;
  await kit.manager.configure();
  const [first] = kit.starts;
  if (first) first.open = 1;
  await kit.manager.reload("a");
  kit.time.advance(LIMITS.pluginDrainMs + 1_000);
  await settled();
  expect(first?.stopped).toBe(1);
});

test("a newer version that cannot start leaves the old one running, and is not tried by others' changes", async () => {
  const kit = createManagerKit();
  kit.plugin("a");
  kit.plugin("b");
  kit.config.entries["a"] = { ...on, config: { n: 1 } };
  await kit.manager.configure();
  const running = kit.inForce.get("a");
  kit.behaviours.set("a", () => Promise.reject(new Error("not today")));
  kit.config.entries["a"] = { ...on, config: { n: 2 } };
  await kit.manager.configure();
  kit.config.entries["b"] = on;
  await kit.manager.configure();
  expect(kit.starts.map(({ start }) => start.id)).toEqual(["a", "a", "b"]);
  expect(kit.inForce.get("a")).toBe(running);
  expect(await kit.manager.list()).toMatchObject([{ id: "a", state: "running", error: "not today" }, {}]);
  expect(await refusal(kit.manager.reload("a"))).toBe('unavailable: Cannot reload plugin "a": not today');
  kit.config.entries["a"] = { ...on, config: { n: 1 } };
  await kit.manager.configure();
  expect((await kit.manager.list())[0]).toMatchObject({ state: "running", loads: 1 });
  expect((await kit.manager.list())[0]?.error).toBeUndefined();
});

test("a version that wants somebody else's name is stopped, and everything is as it was", async () => {
  const kit = createManagerKit();
  kit.plugin("a");
  kit.config.entries["a"] = on;
  kit.taken.add("a");
  await kit.manager.configure();
  expect(kit.starts[0]).toMatchObject({ begun: 0, stopped: 1 });
  expect(kit.changes).toEqual(['a failed Cannot start plugin "a": somebody has its name']);
});

test("what hangs hangs alone: the others are started meanwhile", async () => {
  const kit = createManagerKit();
  kit.plugin("a");
  kit.plugin("b");
  kit.config.entries = { a: on, b: on };
  const never = Promise.withResolvers<void>();
  kit.behaviours.set("a", () => never.promise);
  const configured = kit.manager.configure();
  while (!kit.changes.includes("b running")) await settled();
  expect((await kit.manager.list()).map(({ id, state }) => `${id} ${state}`)).toEqual([
    "a starting",
    "b running",
  ]);
  // A starter that keeps no deadline of its own.
  kit.time.advance(3 * LIMITS.pluginStartMs);
  await configured;
  expect(kit.changes).toEqual(["b running", "a failed it has not started within 30 s"]);
  never.resolve();
  await settled();
  expect(kit.starts.find(({ start }) => start.id === "a")?.stopped).toBe(1);
});

test("a fault takes it out, and it is tried again: later each time, soon again after a quiet while", async () => {
  const kit = createManagerKit();
  kit.plugin("a");
  kit.config.entries["a"] = on;
  await kit.manager.configure();
  for (const pauseMs of [1_000, 2_000, 4_000]) {
    const again = kit.nextStart();
    kit.starts.at(-1)?.told.failed(new Error("broken"));
    expect(kit.inForce.has("a")).toBe(false);
    kit.time.advance(pauseMs - 1);
    await settled();
    expect(kit.inForce.has("a")).toBe(false);
    kit.time.advance(1);
    await again;
    while (!kit.inForce.has("a")) await settled();
  }
  expect(kit.changes).toEqual([
    "a running",
    ...Array.from({ length: 3 }, () => ["a failed broken", "a running"]).flat(),
  ]);
  expect(kit.starts.map(({ stopped }) => stopped)).toEqual([1, 1, 1, 0]);
  kit.time.advance(LIMITS.restartQuietMs);
  const again = kit.nextStart();
  kit.starts.at(-1)?.told.failed(new Error("broken"));
  kit.time.advance(LIMITS.restartPauseMsMin);
  await again;
});

test("a start that fails is tried again as well, and at once when its owner says so", async () => {
  const kit = createManagerKit();
  kit.plugin("a");
  kit.config.entries["a"] = on;
  kit.behaviours.set("a", () => Promise.reject(new Error("no network yet")));
  await kit.manager.configure();
  const again = kit.nextStart();
  kit.time.advance(LIMITS.restartPauseMsMin);
  await again;
  await settled();
  expect(kit.starts).toHaveLength(2);
  kit.behaviours.clear();
  expect(await kit.manager.reload("a")).toMatchObject({ state: "running" });
  expect(kit.time.pending()).toBe(0);
});

test("a version that is not in force any more can say what it wants", async () => {
  const kit = createManagerKit();
  kit.plugin("a");
  kit.config.entries["a"] = on;
  await kit.manager.configure();
  await kit.manager.reload("a");
  kit.starts[0]?.told.failed(new Error("too late"));
  expect(kit.inForce.has("a")).toBe(true);
  expect((await kit.manager.list())[0]).toMatchObject({ state: "running", loads: 2 });
});

test("a fault while it starts is the start's", async () => {
  const kit = createManagerKit();
  kit.plugin("a");
  kit.config.entries["a"] = on;
  kit.behaviours.set("a", ({ told }) => told.failed(new Error("broken before it was up")));
  await kit.manager.configure();
  expect(kit.starts[0]).toMatchObject({ begun: 0, stopped: 1 });
  expect(kit.changes).toEqual(["a failed broken before it was up"]);
});

test("a fault while it hangs is told at once", async () => {
  const kit = createManagerKit();
  kit.plugin("a");
  kit.config.entries["a"] = on;
  const never = Promise.withResolvers<void>();
  kit.behaviours.set("a", ({ told }) => {
    told.failed(new Error("nobody caught it"));
    return never.promise;
  });
  await kit.manager.configure();
  expect(kit.changes).toEqual(["a failed nobody caught it"]);
  never.resolve();
  await settled();
  expect(kit.starts[0]?.stopped).toBe(1);
});

test("settings that do not fit are told before any code is loaded, and are not tried again", async () => {
  const kit = createManagerKit();
  kit.plugin("a", {
    configSchema: { type: "object", properties: { n: { type: "integer" } }, additionalProperties: false },
  });
  kit.config.entries["a"] = { ...on, config: { n: "one", m: 1 } };
  await kit.manager.configure();
  expect(kit.starts).toEqual([]);
  expect(kit.time.pending()).toBe(0);
  const misfits = ["n: Invalid input: expected number, received string", 'Unrecognized key: "m"'];
  expect(await kit.manager.info("a")).toMatchObject({
    state: "failed",
    error: `its configuration does not fit: ${misfits.join("; ")}`,
    configErrors: misfits,
  });
});

test("code that others may write is not loaded, wherever in the folder it is", async () => {
  const kit = createManagerKit();
  const folder = kit.plugin("a");
  kit.config.entries["a"] = on;
  chmodSync(join(folder, "word.ts"), 0o666);
  await kit.manager.configure();
  expect(kit.starts).toEqual([]);
  expect(kit.changes).toEqual([`a quarantined "${folder}/word.ts" may be written to by others`]);
  chmodSync(join(folder, "word.ts"), 0o600);
  expect(await kit.manager.reload("a")).toMatchObject({ state: "running" });
});

test("a manifest that is torn, or gone, for a moment stops nothing", async () => {
  const kit = createManagerKit();
  const folder = kit.plugin("a");
  kit.config.entries["a"] = on;
  await kit.manager.configure();
  writeFileSync(join(folder, "gateway.plugin.json"), "{");
  await kit.manager.configure();
  expect(await kit.manager.list()).toMatchObject([
    { state: "running", error: "gateway.plugin.json: not JSON" },
  ]);
  expect(await refusal(kit.manager.reload("a"))).toMatch(/^conflict: Cannot reload plugin "a": gateway/);
  renameSync(folder, join(kit.state, "elsewhere"));
  await kit.manager.configure();
  expect(kit.inForce.has("a")).toBe(true);
  kit.config.entries["a"] = { enabled: false };
  await kit.manager.configure();
  expect(kit.inForce.has("a")).toBe(false);
});

test("enabling writes the wish and the grants down, and says what it lacks", async () => {
  const kit = createManagerKit();
  kit.plugin("a", { capabilities: { network: true, exec: true } });
  expect(await kit.manager.enable("a", undefined)).toMatchObject({
    state: "running",
    wants: { network: true, exec: true },
    grants: {},
  });
  expect(kit.config.entries["a"]).toEqual(on);
  expect(await kit.manager.enable("a", { network: true })).toMatchObject({ grants: { network: true } });
  expect(kit.starts.map(({ start }) => start.grants)).toEqual([{}, { network: true }]);
  expect(await kit.manager.disable("a")).toMatchObject({ state: "disabled" });
  expect(kit.config.entries["a"]).toEqual({ enabled: false, grants: { network: true } });
  expect(kit.inForce.size).toBe(0);
});

test("what may not run is not written down as wanted", async () => {
  const kit = createManagerKit();
  kit.plugin("a");
  kit.config.deny.push("a");
  expect(await refusal(kit.manager.enable("a", undefined))).toBe(
    'conflict: Cannot enable plugin "a": plugins.deny names it',
  );
  expect(await refusal(kit.manager.enable("b", undefined))).toBe(
    'not_found: Cannot enable plugin "b": there is none',
  );
  expect(kit.config.entries).toEqual({});
});

test("removing stops it and takes its folder; its entry stays, switched off", async () => {
  const kit = createManagerKit();
  kit.plugin("a");
  kit.config.entries["a"] = { ...on, grants: { exec: true } };
  await kit.manager.configure();
  expect(await kit.manager.remove("a", { data: true })).toEqual({ removed: true });
  expect(existsSync(kit.folder("a"))).toBe(false);
  expect(readdirSync(join(kit.state, "plugins"))).toEqual([]);
  expect(kit.starts[0]?.stopped).toBe(1);
  expect(kit.config.entries["a"]).toEqual({ enabled: false, grants: { exec: true } });
  expect(kit.dropped).toEqual(["a"]);
  expect(await kit.manager.list()).toEqual([]);
});

test("what a plugin does while it stops has its files, and is no data that comes after", async () => {
  const kit = createManagerKit();
  kit.plugin("a");
  kit.config.entries["a"] = on;
  await kit.manager.configure();
  const stopping = Promise.withResolvers<void>();
  kit.stopping.set("a", stopping.promise);
  const removed = kit.manager.remove("a", { data: true });
  while (kit.starts[0]?.stopped === 0) await settled();
  expect([existsSync(kit.folder("a")), kit.dropped]).toEqual([true, []]);
  stopping.resolve();
  expect(await removed).toEqual({ removed: true });
  expect([existsSync(kit.folder("a")), kit.dropped]).toEqual([false, ["a"]]);
});

test("a plugin that was about to be replaced when the gateway was killed is there again", async () => {
  const kit = createManagerKit();
  kit.plugin("../plugins/.old-1.a", { id: "a" });
  kit.config.entries["a"] = on;
  await kit.manager.configure();
  expect(kit.starts.map(({ start }) => start.directory)).toEqual([kit.folder("a")]);
});

test("a plugin of the gateway's own may have the files that its settings name, unless its owner says less", async () => {
  const load = () => Promise.reject(new Error("not to be loaded"));
  const mail = { id: "mail", name: "Mail", description: "Letters", section: "channels.mail", load };
  const filesOf = (settings: unknown) => Object.values(settings as Record<string, string>);
  const kit = createManagerKit({ bundled: [{ ...mail, filesOf, capabilities: { network: true } }] });
  kit.settings["channels.mail"] = { token: "~/mail/token" };
  await kit.manager.configure();
  const grants = { network: true, files: [join(kit.state, "mail/token")] };
  expect(kit.starts[0]?.start.grants).toEqual(grants);
  expect(await kit.manager.info("mail")).toMatchObject({ wants: grants, grants });
  kit.config.entries["mail"] = { grants: { network: true } };
  await kit.manager.configure();
  expect(kit.starts[1]?.start.grants).toEqual({ network: true });
});

test("a channel of somebody else's plugin is configured where those of our own are, for nobody else", async () => {
  const kit = createManagerKit();
  const autoEnable = [{ config: "channels.pigeon" }];
  kit.plugin("pigeon", { channels: ["pigeon"], autoEnable });
  kit.plugin("thief", { channels: ["pigeon"], autoEnable });
  kit.config.entries = { pigeon: {}, thief: {} };
  kit.settings["channels.pigeon"] = { loft: 3 };
  await kit.manager.configure();
  const told = kit.starts.map(({ start }) => [start.id, start.config]);
  expect(Object.fromEntries(told)).toEqual({ pigeon: { loft: 3 }, thief: undefined });
  kit.config.entries = { pigeon: { config: { loft: 4 } }, thief: { enabled: false } };
  await kit.manager.configure();
  expect(kit.starts.at(-1)?.start).toMatchObject({ id: "pigeon", config: { loft: 4 } });
});

test("what has only the name of its folder can be removed, and is no key of the configuration", async () => {
  const kit = createManagerKit();
  kit.plugin("a.b", { id: "../x" });
  expect((await kit.manager.list()).map(({ id, state }) => [id, state])).toEqual([["a.b", "quarantined"]]);
  expect(await refusal(kit.manager.disable("a.b"))).toMatch(/^conflict: .*only the name of its folder$/);
  expect(await kit.manager.remove("a.b", { data: false })).toEqual({ removed: true });
  expect(kit.config.entries).toEqual({});
});

test("a fixed version that is installed over a failed one is started at once", async () => {
  const kit = createManagerKit();
  const source = kit.plugin("../elsewhere/a", { id: "a" });
  kit.config.entries["a"] = on;
  kit.behaviours.set("a", () => Promise.reject(new Error("not today")));
  expect(await kit.manager.install({ source })).toMatchObject({ state: "failed", error: "not today" });
  kit.behaviours.clear();
  expect(await kit.manager.install({ source, replace: true })).toMatchObject({ state: "running" });
  expect(kit.starts).toHaveLength(2);
});

test("at the end all are taken out and stopped, and nobody waits for one that does not", async () => {
  const kit = createManagerKit();
  for (const id of ["a", "b"]) kit.plugin(id);
  kit.config.entries = { a: on, b: on };
  await kit.manager.configure();
  const [first] = kit.starts;
  if (first) first.open = 1;
  await kit.manager.reload("a");
  const stopping = kit.manager.stop();
  expect(kit.inForce.size).toBe(0);
  kit.time.advance(LIMITS.pluginStopMs + 1_000);
  await stopping;
  expect(kit.starts.map(({ stopped }) => stopped)).toEqual([1, 1, 1]);
  await kit.manager.configure();
  expect(kit.starts).toHaveLength(3);
});
