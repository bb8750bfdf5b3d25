import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { openDesk } from "../../support/config-desk.ts";

/** Waits for what is written in the background. */
async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setImmediate(resolve));
}

const TEXT = `{
  // mine
  "gateway": { "log": { "level": "info" }, "auth": { "token": "geheim-token-1" } },
}
`;

describe("writing", () => {
  test("a key is written, in force, and told", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    const outcome = await desk.call("config.set", { key: "gateway.log.level", value: "warn" });
    expect(outcome).toMatchObject({
      ok: true,
      path: desk.path,
      changed: ["gateway.log.level"],
      restartOwed: [],
    });
    expect(outcome["hash"]).toBe(await desk.hash());
    expect(desk.read("moltbot.json")).toBe(TEXT.replace("info", "warn"));
    expect(desk.store.current().gateway.log.level).toBe("warn");
    expect(desk.events).toMatchObject([{ event: "config.changed", payload: { hash: outcome["hash"] } }]);
    expect(await desk.call("config.backups")).toEqual({ backups: [outcome["backup"]] });
  });

  test("what a feature cannot start with is taken back, the file included", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    desk.fault = "no such model";
    expect(await desk.refusal("config.set", { key: "gateway.log.level", value: "warn" })).toBe(
      "unavailable: Cannot apply configuration: no such model",
    );
    desk.fault = undefined;
    expect(desk.read("moltbot.json")).toBe(TEXT);
    expect(desk.store.current().gateway.log.level).toBe("info");
    expect(desk.live.reloader.errors()).toEqual([]);
  });

  test("where there was no file, none is left behind", async () => {
    const desk = await openDesk();
    desk.fault = "no";
    expect(await desk.refusal("config.set", { key: "gateway.log.level", value: "warn" })).toStartWith(
      "unavailable",
    );
    expect(desk.read("moltbot.json")).toBeUndefined();
    desk.fault = undefined;
    await desk.call("config.set", { key: "gateway.log.level", value: "warn" });
    expect(desk.read("moltbot.json")).toContain("warn");
  });

  test("one that fails takes no other with it", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    const first = desk.refusal("config.set", { key: "agents.defaults.model", value: "echo/one" });
    desk.fault = "no such model";
    const second = desk.call("config.set", { key: "gateway.port", value: 5 });
    expect(await first).toStartWith("unavailable");
    // A port needs no feature to start: it waits for a restart.
    expect(await second).toMatchObject({ changed: ["gateway.port"], restartOwed: ["gateway.port"] });
    expect(desk.read("moltbot.json")).toContain(`"port": 5`);
    expect(desk.read("moltbot.json")).not.toContain("echo/one");
  });

  test("when the file is gone, a key would be all that is left: refused", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    rmSync(desk.path);
    const hash = await desk.hash();
    for (const [method, params] of [
      ["config.set", { key: "gateway.port", value: 5 }],
      ["config.patch", { raw: `{ "gateway": { "port": 5 } }`, baseHash: hash }],
    ] as const) {
      expect(await desk.refusal(method, params)).toBe(
        `unavailable: Cannot write configuration: the file "${desk.path}" is gone; put it back first`,
      );
    }
    expect(desk.read("moltbot.json")).toBeUndefined();
    desk.put({ "clawdbot.json": `{}` });
    expect(await desk.refusal("config.set", { key: "gateway.port", value: 5 })).toContain("is gone");
    await desk.call("config.apply", { raw: TEXT, baseHash: await desk.hash() });
    expect(desk.read("moltbot.json")).toBe(TEXT);
  });

  const refusals: [
    string,
    Parameters<typeof openDesk>[0],
    Parameters<Awaited<ReturnType<typeof openDesk>>["refusal"]>,
    string,
  ][] = [
    [
      "neither key nor raw",
      {},
      ["config.set", {}],
      `invalid_params: Cannot write configuration: wanted either "key" and "value" or "raw"`,
    ],
    [
      "both",
      {},
      ["config.set", { key: "a", value: 1, raw: "{}" }],
      `invalid_params: Cannot write configuration: wanted either "key" and "value" or "raw"`,
    ],
    [
      "no value",
      {},
      ["config.set", { key: "gateway.port" }],
      `invalid_params: Cannot set "gateway.port": "value" is missing`,
    ],
    [
      "what is no key",
      {},
      ["config.set", { key: "a..b", value: 1 }],
      `invalid_params: Cannot use key "a..b": it is not written like gateway.port`,
    ],
    [
      "a key to a prototype",
      {},
      ["config.set", { key: "gateway.__proto__.x", value: 1 }],
      `invalid_params: Cannot use key "gateway.__proto__.x": it is not written like gateway.port`,
    ],
    [
      "a very long key",
      {},
      ["config.unset", { key: `${"x".repeat(499)}.` }],
      `invalid_params: Cannot use key "${"x".repeat(100)}…": it is not written like gateway.port`,
    ],
    [
      "a long key that is not there",
      {},
      ["config.unset", { key: "x".repeat(500) }],
      `not_found: Cannot unset "${"x".repeat(100)}…": it is not in the file`,
    ],
    [
      "all at once, without having read",
      { "moltbot.json": "{}" },
      ["config.apply", { raw: "{}" }],
      "invalid_params: Cannot write configuration: baseHash is missing; config.get has it",
    ],
    [
      "on an old reading",
      { "moltbot.json": "{}" },
      ["config.patch", { raw: "{}", baseHash: "0" }],
      "conflict: Cannot write configuration: it has changed since it was read; read it again",
    ],
    [
      "a patch that is no object",
      {},
      ["config.patch", { raw: "[1]" }],
      "invalid_params: Cannot read patch: it is no object",
    ],
    [
      "a patch that is nothing",
      {},
      ["config.validate", { patch: "" }],
      "invalid_params: Cannot read patch: the file is empty",
    ],
    [
      "a patch to a prototype",
      {},
      ["config.patch", { raw: `{ "__proto__": {} }` }],
      `invalid_params: Cannot read patch: the key "__proto__" is not allowed`,
    ],
    [
      "both ways of trying",
      {},
      ["config.validate", { raw: "{}", patch: "{}" }],
      `invalid_params: Cannot validate: both "raw" and "patch" are given`,
    ],
    [
      "text without end",
      {},
      ["config.apply", { raw: "[".repeat(100_000) }],
      "invalid_params: Cannot read the new configuration: line 1, column 65: there are more than 64 levels of nesting",
    ],
    [
      "a hidden secret that is not there",
      {},
      ["config.set", { key: "gateway.auth.token", value: "***" }],
      `invalid_params: Cannot write "gateway.auth.token": *** stands for a hidden secret, and there is none to keep`,
    ],
    [
      "no backup",
      {},
      ["config.rollback", {}],
      "not_found: Cannot roll back the configuration: there is no backup",
    ],
    [
      "another's backup",
      {},
      ["config.rollback", { backup: "../x" }],
      `invalid_params: Cannot restore backup "../x": there is no such backup`,
    ],
    [
      "an override of nothing",
      {},
      ["config.override.set", { key: "gateway.prot", value: 1 }],
      `not_found: Cannot override "gateway.prot": there is no such setting`,
    ],
    [
      "an override of a part",
      {},
      ["config.override.set", { key: "models.providers.x", value: 1 }],
      `not_found: Cannot override "models.providers.x": only all of "models.providers" can be set this way`,
    ],
    [
      "an override that hides nothing",
      {},
      ["config.override.set", { key: "gateway.auth.token", value: "***" }],
      `invalid_params: Cannot override "gateway.auth.token": *** stands for a hidden secret, and there is none to keep`,
    ],
    [
      "a wrong override",
      {},
      ["config.override.set", { key: "gateway.port", value: "x" }],
      `invalid_params: Cannot set "gateway.port": wanted a whole number from 0 to 65535, got text`,
    ],
    [
      "an override that is not set",
      {},
      ["config.override.unset", { key: "gateway.port" }],
      `not_found: Cannot unset override "gateway.port": it is not set`,
    ],
  ];
  test.each(refusals)("refused: %s", async (_, texts, [method, params], expected) => {
    const desk = await openDesk(texts);
    expect(await desk.refusal(method, params)).toBe(expected);
    expect(desk.read("moltbot.json")).toBe(texts?.["moltbot.json"]);
    expect(desk.events).toEqual([]);
    expect(desk.store.overrides.size).toBe(0);
  });

  test("a broken file can be mended as a whole, which is then in force", async () => {
    for (const start of [TEXT, undefined]) {
      const desk = await openDesk(start === undefined ? {} : { "moltbot.json": start });
      desk.put({ "moltbot.json": `{ "gateway": ` });
      expect(await desk.refusal("config.set", { key: "gateway.port", value: 1 })).toContain(
        "Cannot read configuration",
      );
      expect(await desk.call("config.get")).toMatchObject({ valid: false, raw: null });
      expect(await desk.call("config.explain", { key: "gateway.port" })).toMatchObject({ layer: "default" });
      await desk.call("config.apply", { raw: TEXT, baseHash: await desk.hash() });
      expect(desk.read("moltbot.json")).toBe(TEXT);
    }
  });
});

describe("a change that waits for its confirmation", () => {
  const CONFIRM = { confirmWithinMs: 5_000 };
  const patch = (desk: Awaited<ReturnType<typeof openDesk>>, raw: object, more: object = CONFIRM) =>
    desk
      .hash()
      .then((baseHash) => desk.call("config.patch", { raw: JSON.stringify(raw), baseHash, ...more }));

  async function passed(desk: Awaited<ReturnType<typeof openDesk>>, ms: number): Promise<void> {
    desk.time.advance(ms);
    // Whatever is going on goes before a call that is made now.
    await desk.call("config.override.set", { key: "gateway.log.level", value: "info" });
    await desk.call("config.override.unset", { key: "gateway.log.level" });
  }

  test("is taken back when nobody comes, file included", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    await patch(desk, { gateway: { log: { level: "warn" } } });
    await passed(desk, 4_999);
    expect(desk.read("moltbot.json")).toContain("warn");
    await passed(desk, 1);
    expect(desk.read("moltbot.json")).toBe(TEXT);
    expect(desk.store.current().gateway.log.level).toBe("info");
    expect(desk.read("config-unconfirmed.json")).toBeUndefined();
  });

  test("stays when somebody comes who connected since", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    desk.time.advance(100);
    await patch(desk, { gateway: { log: { level: "warn" } } });
    expect(desk.read("config-unconfirmed.json")).toContain("5000");
    const early = await desk.call("config.confirm", {}, 50).catch((error: unknown) => String(error));
    expect(early).toContain(
      "Cannot confirm configuration: this connection is older than the change; connect anew, then confirm",
    );
    expect(await desk.call("config.confirm", {}, 150)).toEqual({ confirmed: true });
    expect(await desk.call("config.confirm", {}, 150)).toEqual({ confirmed: false });
    await passed(desk, 10_000);
    expect(desk.read("moltbot.json")).toContain("warn");
    expect(desk.read("config-unconfirmed.json")).toBeUndefined();
  });

  test("that changes nothing has nothing to be taken back", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    await patch(desk, { gateway: { log: { level: "info" } } });
    expect(desk.live.confirmation.waiting).toBeUndefined();
    await passed(desk, 10_000);
    expect(desk.read("moltbot.json")).toBe(TEXT);
  });

  test("where there was no file leaves one that says nothing", async () => {
    const desk = await openDesk();
    await patch(desk, { gateway: { log: { level: "warn" } } });
    await passed(desk, 5_000);
    expect(JSON.parse(desk.read("moltbot.json") ?? "")).toEqual({});
  });

  test("and cannot be applied does not wait, and takes nothing later with it", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    desk.fault = "no";
    const baseHash = await desk.hash();
    expect(
      await desk.refusal("config.patch", {
        raw: `{ "gateway": { "log": { "level": "warn" } } }`,
        baseHash,
        ...CONFIRM,
      }),
    ).toStartWith("unavailable");
    desk.fault = undefined;
    expect(desk.live.confirmation.waiting).toBeUndefined();
    await patch(desk, { gateway: { log: { level: "error" } } }, {});
    await passed(desk, 10_000);
    expect(desk.read("moltbot.json")).toBe(TEXT.replace("info", "error"));
  });

  test("and a second one go back to before the first", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    await patch(desk, { gateway: { log: { level: "warn" } } });
    await passed(desk, 4_000);
    await patch(desk, { gateway: { log: { level: "error" } } });
    await passed(desk, 4_000);
    expect(desk.read("moltbot.json")).toContain("error");
    await passed(desk, 1_000);
    expect(desk.read("moltbot.json")).toBe(TEXT);
  });

  test("goes back however many more to be confirmed came behind it", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    for (let keepMax = 1; keepMax <= 12; keepMax += 1) await patch(desk, { sessions: { keepMax } });
    await passed(desk, 5_000);
    expect(desk.read("moltbot.json")).toBe(TEXT);
  });

  test("lets nobody write what would be undone with it; overrides are no files", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    const older = (await desk.call("config.set", { key: "gateway.log.level", value: "error" }))["backup"];
    await patch(desk, { gateway: { log: { level: "warn" } } });
    const waiting = desk.read("moltbot.json");
    await passed(desk, 1_500);
    const baseHash = await desk.hash();
    for (const [method, params] of [
      ["config.set", { key: "sessions.keepMax", value: 3 }],
      ["config.set", { raw: TEXT, baseHash }],
      ["config.unset", { key: "gateway.log.level" }],
      ["config.patch", { raw: `{ "sessions": { "keepMax": 3 } }`, baseHash }],
      ["config.apply", { raw: TEXT, baseHash, drop: ["sessions"] }],
      ["config.rollback", { backup: older }],
    ] as const) {
      expect(await desk.refusal(method, params)).toBe(
        "conflict: Cannot write configuration: a change waits for its confirmation; " +
          "call config.confirm from a new connection, or wait 4 s until it is undone",
      );
    }
    expect(desk.read("moltbot.json")).toBe(waiting);
    await desk.call("config.confirm", {}, 5_000);
    await desk.call("config.set", { key: "sessions.keepMax", value: 3 });
  });

  test("does not know how long while it waits for a restart", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    await patch(desk, { gateway: { port: 5 } });
    expect(await desk.refusal("config.unset", { key: "gateway.port" })).toEndWith(
      ", or wait until it is undone",
    );
  });

  test("is undone by a rollback to before it, and waits no more", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    await patch(desk, { gateway: { log: { level: "warn" } } });
    desk.fault = "no";
    expect(await desk.refusal("config.rollback")).toStartWith("unavailable: ");
    expect(desk.live.confirmation.waiting).toBeDefined();
    desk.fault = undefined;
    await desk.call("config.rollback");
    expect(desk.read("moltbot.json")).toBe(TEXT);
    expect(readdirSync(desk.stateDir).filter((name) => name.includes("unconfirmed"))).toEqual([]);
    expect(await desk.call("config.confirm", {}, 9_000)).toEqual({ confirmed: false });
    await desk.call("config.set", { key: "sessions.keepMax", value: 3 });
    await passed(desk, 10_000);
    expect(desk.read("moltbot.json")).toContain("keepMax");
  });

  test("is undone alone: what was edited by hand meanwhile stays", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    await patch(desk, { gateway: { log: { level: "warn" } }, agents: { list: [{ id: "kitchen" }] } });
    const changed = desk.read("moltbot.json") ?? "";
    const edited = changed.replace("// mine", `// mine\n  "sessions": { "keepMax": 3 }, // by hand`);
    desk.put({ "moltbot.json": edited });
    await passed(desk, 5_000);
    expect(desk.read("moltbot.json")).toBe(
      TEXT.replace("// mine", `// mine\n  "sessions": { "keepMax": 3 }, // by hand`),
    );
    expect(desk.log.join("")).toContain(
      "configuration edited since the unconfirmed change: only that is undone",
    );
    expect(desk.store.current()).toMatchObject({
      sessions: { keepMax: 3 },
      gateway: { log: { level: "info" } },
    });
    const { backups } = await desk.call("config.backups");
    expect(desk.live.undone()).toBe((backups as string[])[0] ?? "");
    expect(desk.read(`config-backups/${desk.live.undone()}/moltbot.json`)).toBe(edited);
    // Told until there is something newer.
    await desk.live.reloader.reload();
    expect(desk.live.undone()).toBeDefined();
    await desk.call("config.set", { key: "sessions.keepMax", value: 4 });
    expect(desk.live.undone()).toBeUndefined();
  });

  test("goes back whole where an edit by hand leaves no other way, which is kept and said", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    await patch(desk, { gateway: { log: { level: "warn" } } });
    desk.put({ "moltbot.json": `{ "gateway": ` });
    await passed(desk, 5_000);
    expect(desk.read("moltbot.json")).toBe(TEXT);
    expect(desk.log.join("")).toContain("configuration put back whole");
    expect(desk.read(`config-backups/${desk.live.undone()}/moltbot.json`)).toBe(`{ "gateway": `);
  });

  test("is no base for another one to be confirmed once somebody has edited by hand", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    await patch(desk, { gateway: { log: { level: "warn" } } });
    desk.put({ "moltbot.json": `${desk.read("moltbot.json")}// by hand` });
    const refused = await patch(desk, { sessions: { keepMax: 3 } }).catch(String);
    expect(refused).toContain("the files were edited since; call config.confirm first");
    expect(await desk.call("config.confirm", {}, 9_000)).toEqual({ confirmed: true });
  });

  test("is undone when the disk lets us, however often that is tried", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    await patch(desk, { gateway: { log: { level: "warn" } } });
    const note = desk.read("config-unconfirmed.json");
    // What is a link is not written over.
    renameSync(desk.path, `${desk.path}.real`);
    symlinkSync(`${desk.path}.real`, desk.path);
    await passed(desk, 5_000);
    for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
      expect(desk.log.filter((line) => line.includes("configuration not put back"))).toHaveLength(1);
      expect(desk.log.join("")).toContain(`${seconds * 1_000}`);
      expect(desk.read("config-unconfirmed.json")).toBe(note);
      expect(desk.live.undone()).toBeUndefined();
      expect(await desk.refusal("config.unset", { key: "gateway.log" })).toStartWith("conflict: ");
      desk.log.length = 0;
      await passed(desk, seconds * 1_000 - 1);
      expect(desk.log.join("")).not.toContain("not put back");
      await passed(desk, 1);
    }
    rmSync(desk.path);
    renameSync(`${desk.path}.real`, desk.path);
    await passed(desk, 60_000);
    expect(desk.read("moltbot.json")).toBe(TEXT);
    expect(desk.read("config-unconfirmed.json")).toBeUndefined();
    expect(desk.time.pending()).toBe(0);
  });

  test("can be confirmed while undoing it fails", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    await patch(desk, { gateway: { log: { level: "warn" } } });
    renameSync(desk.path, `${desk.path}.real`);
    symlinkSync(`${desk.path}.real`, desk.path);
    desk.time.advance(5_000);
    const late = await desk.call("config.confirm", {}, 9_000).catch(String);
    expect(late).toContain("Cannot confirm configuration: it is being undone");
    await passed(desk, 0);
    expect(await desk.call("config.confirm", {}, 9_000)).toEqual({ confirmed: true });
    expect(desk.time.pending()).toBe(0);
  });

  test("that waits for a restart waits with its time", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    await patch(desk, { gateway: { port: 5 } });
    await passed(desk, 10_000);
    expect(desk.read("moltbot.json")).toContain(`"port": 5`);
    desk.live.confirmation.inForce();
    await passed(desk, 5_000);
    expect(desk.read("moltbot.json")).toBe(TEXT);
  });

  test("is on disk until it is undone: a crash in between undoes it at the next start", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    await patch(desk, { gateway: { log: { level: "warn" } } });
    const note = desk.read("config-unconfirmed.json") ?? "";
    desk.time.advance(5_000);
    // Not a turn of the loop has passed.
    expect(desk.read("config-unconfirmed.json")).toBe(note);
    await passed(desk, 0);
    expect(desk.read("config-unconfirmed.json")).toBeUndefined();
  });

  test("whose note cannot be kept is not made", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    mkdirSync(`${desk.stateDir}/config-unconfirmed.json`);
    const baseHash = await desk.hash();
    expect(
      await desk.refusal("config.patch", { raw: `{ "gateway": { "port": 5 } }`, baseHash, ...CONFIRM }),
    ).toStartWith("unavailable: Cannot apply configuration: Cannot replace file ");
    expect(desk.read("moltbot.json")).toBe(TEXT);
    expect(desk.live.confirmation.waiting).toBeUndefined();
  });
});

describe("overrides", () => {
  test("are over everything, in memory, and gone when they are taken back", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT }, { CLAWDBOT_GATEWAY_LOG_LEVEL: "error" });
    const outcome = await desk.call("config.override.set", {
      key: "CLAWDBOT_GATEWAY_LOG_LEVEL",
      value: "debug",
    });
    expect(outcome).toMatchObject({ changed: ["gateway.log.level"] });
    expect(desk.store.current().gateway.log.level).toBe("debug");
    expect(await desk.call("config.explain", { key: "gateway.log.level" })).toMatchObject({
      value: "debug",
      layer: "override",
      hidden: [{ layer: "env", value: "error" }, { layer: "file", value: "info" }, { layer: "default" }],
    });
    expect(desk.read("moltbot.json")).toBe(TEXT);
    await desk.call("config.override.unset", { key: "gateway.log.level" });
    expect(desk.store.current().gateway.log.level).toBe("error");
    expect(await desk.call("config.override.list")).toEqual({ overrides: [] });
  });

  test("hold secrets that nobody is shown, and that a form may send back", async () => {
    const desk = await openDesk();
    await desk.call("config.override.set", { key: "gateway.auth.token", value: "geheim-token-9" });
    expect(await desk.call("config.override.list")).toEqual({
      overrides: [{ key: "gateway.auth.token", value: "***" }],
    });
    await desk.call("config.override.set", { key: "gateway.auth.token", value: "***" });
    expect(desk.store.overrides.get("gateway.auth.token")).toBe("geheim-token-9");
  });

  test("that wait for a restart say so", async () => {
    const desk = await openDesk();
    expect(await desk.call("config.override.set", { key: "gateway.port", value: 5 })).toMatchObject({
      restartOwed: ["gateway.port"],
    });
    expect(await desk.call("config.explain", { key: "gateway.port" })).toMatchObject({
      layer: "override",
      restartOwed: true,
    });
    expect(desk.restarts).toBe(1);
  });

  test("do not make a file the last good one that is not", async () => {
    const desk = await openDesk({ "moltbot.json": TEXT });
    await desk.call("config.override.set", { key: "gateway.log.level", value: "debug" });
    desk.put({ "moltbot.json": TEXT.replace(`"info"`, `"loud"`) });
    expect(await desk.live.reloader.reload()).toMatchObject({ ok: true });
    // Its hash is that of the file the gateway has started on.
    const hash = new Bun.CryptoHasher("sha256").update(TEXT).digest("hex");
    const file = `config-last-good/${hash}/moltbot.json`;
    await until(() => desk.read(file) !== undefined);
    expect([desk.read(file), readdirSync(`${desk.stateDir}/config-last-good`)]).toEqual([TEXT, [hash]]);
  });
});

test("of forty secrets in every place none is in an answer, an event, an error or the log", async () => {
  let count = 0;
  const canary = (): string => `CANARY${String(++count).padStart(2, "0")}x${"q".repeat(8)}`;
  const env = {
    ENV_SECRET: canary(),
    CLAWDBOT_GATEWAY_PASSWORD: canary(),
    KEY_FROM_ENV: canary(),
    URL_SECRET: canary(),
  };
  const desk = await openDesk(
    {
      "moltbot.json": `{
  // once ${"the"} token
  "gateway": { "$include": "gw.json", "log": { "level": "debug" } },
  "models": { "providers": {
    "a": { "baseUrl": "http://127.0.0.1:1/v1", "apiKey": "${canary()}" },
    "b": { "baseUrl": "http://127.0.0.1:1/v1?key=\${URL_SECRET}", "apiKey": { "$env": "KEY_FROM_ENV" } },
    "c": { "baseUrl": "http://127.0.0.1:1/v1", "apiKey": { "$file": "secret.txt" } }
  } },
  "env": { "vars": { "MINE": "${canary()}" }, "DIRECT": "${canary()}" },
  "channels": { "telegram": { "botToken": "${canary()}" }, "slack": { "env": { "X": "${canary()}" } } }
}`,
      "gw.json": `{ "auth": { "mode": "password", "token": "${canary()}" } }`,
      "secret.txt": `${canary()}\n`,
    },
    env,
  );
  const said: unknown[] = [];
  const say = async (method: Parameters<typeof desk.call>[0], params: object = {}): Promise<void> => {
    said.push(await desk.refusal(method, params));
  };
  const secrets = (): string => canary();
  const hash = await desk.hash();
  for (const key of [
    "",
    "gateway",
    "gateway.auth",
    "gateway.auth.token",
    "models.providers",
    "env",
    "env.DIRECT",
  ]) {
    await say("config.get", key === "" ? {} : { key });
    if (key !== "") await say("config.explain", { key });
  }
  await say("config.explain", { key: "models.providers.b.apiKey" });
  await say("config.explain", { key: "models.providers.b.baseUrl" });
  await say("config.override.set", { key: "gateway.auth.token", value: secrets() });
  await say("config.override.set", {
    key: "models.providers",
    value: { a: { baseUrl: secrets(), apiKey: secrets() } },
  });
  await say("config.override.set", {
    key: "models.providers",
    value: { a: { baseUrl: "http://127.0.0.1:1", apiKey: secrets() } },
  });
  await say("config.override.set", { key: "gateway.port", value: secrets() });
  await say("config.override.list");
  await say("config.explain", { key: "gateway.auth.token" });
  await say("config.explain", { key: "models.providers" });
  await say("config.override.unset", { key: "models.providers" });
  for (const value of [secrets(), { token: secrets() }, [secrets()], { nope: secrets() }, 5]) {
    for (const key of ["gateway.auth.token", "gateway.auth", "gateway.port", "models.providers.a.apiKey"]) {
      await say("config.set", { key, value });
      const raw = JSON.stringify({
        gateway: { auth: value },
        models: { providers: { a: { apiKey: value } } },
      });
      await say("config.patch", { raw, baseHash: await desk.hash() });
      await say("config.validate", { patch: raw });
      await say("config.apply", { raw, baseHash: await desk.hash() });
      await say("config.validate", { raw });
    }
  }
  await say("config.apply", { raw: `{ "gateway": { "auth": { "token": "${secrets()}" `, baseHash: hash });
  await say("config.backups");
  await say("config.rollback");
  desk.put({ "gw.json": `{ "auth": { "token": "${secrets()}`, "secret.txt": "" });
  await desk.live.reloader.reload();
  desk.put({ "gw.json": `{ "auth": { "token": { "x": "${secrets()}" }, "mode": "password" } }` });
  await desk.live.reloader.reload();
  await say("config.get");
  await say("config.validate");
  expect(count).toBeGreaterThan(20);
  const everything = [...said, desk.log.join(""), JSON.stringify(desk.events)].join("\n");
  expect(said.some((text) => String(text).includes("***"))).toBe(true);
  expect(everything.match(/CANARY\d\d/g) ?? []).toEqual([]);
});
