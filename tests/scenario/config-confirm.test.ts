/** Changes that are undone unless somebody says, from a new connection, that they can still get in. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GatewayError } from "../../src/client/mod.ts";
import { createHome, startGateway } from "../support/binary.ts";
import { backAgain, breaksOf, changedTo, hashOfText, startConfigured } from "../support/configured.ts";
import { listen, type Listener } from "../support/sdk.ts";
import { freePort, takePort } from "../support/tcp.ts";

setDefaultTimeout(60_000);

/** The least there is. */
const WITHIN_MS = 1_000;

const textOf = (port: number, origin = "https://before.example"): string => `{
  // Where it is.
  "gateway": {
    "port": ${port}, "bind": "loopback",
    "reload": { "debounceMs": 10 },
    "allowedOrigins": ["${origin}"],
  },
  "agents": { "defaults": { "model": "echo/echo" } },
}
`;

const NEWER = "https://after.example";

async function hashNow({ client }: Listener): Promise<string> {
  return (await client.call("config.get")).hash;
}

/** Asks for another text, to be confirmed. */
async function apply(person: Listener, text: string, confirmWithinMs = WITHIN_MS): Promise<void> {
  const baseHash = await hashNow(person);
  await person.client.call("config.apply", { raw: text, baseHash, confirmWithinMs });
}

const unconfirmed = (stateDir: string): boolean => existsSync(join(stateDir, "config-unconfirmed.json"));

describe("a change that is in force at once", () => {
  test("nobody confirms: it is undone, and the file is what it was, to the byte", async () => {
    await using live = await startConfigured(textOf(0));
    const { person, path, stateDir } = live;
    await apply(person, textOf(0, NEWER));
    expect(readFileSync(path, "utf8")).toBe(textOf(0, NEWER));
    const { config } = await person.client.call("status");
    expect(config).toMatchObject({ hash: hashOfText(textOf(0, NEWER)), confirmWithinMs: WITHIN_MS });
    expect(unconfirmed(stateDir)).toBe(true);

    expect((await changedTo(person, textOf(0))).payload["changed"]).toEqual(["gateway.allowedOrigins"]);
    expect(readFileSync(path, "utf8")).toBe(textOf(0));
    expect((await person.client.call("status")).config.confirmWithinMs).toBeUndefined();
    expect(unconfirmed(stateDir)).toBe(false);
    expect(breaksOf(person)).toEqual([]);
    // What was tried is not lost either.
    const { backups } = await person.client.call("config.backups");
    expect(readFileSync(join(stateDir, "config-backups", backups[0] ?? "", "moltbot.json"), "utf8")).toBe(
      textOf(0, NEWER),
    );
    const said = `an unconfirmed change was undone; its text is in backup ${backups[0]}`;
    expect((await person.client.call("status")).config.warnings).toContain(said);
    await person.client.call("config.set", { key: "sessions.keepMax", value: 3 });
    expect((await person.client.call("status")).config.warnings).not.toContain(said);
  });

  test("an older connection may not confirm, a newer one does, and it stays", async () => {
    await using live = await startConfigured(textOf(0));
    const { person, path, stateDir } = live;
    await apply(person, textOf(0, NEWER), 60_000);
    const refused = await person.client.call("config.confirm").catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "conflict" });
    expect(unconfirmed(stateDir)).toBe(true);
    const newer = await live.enter();
    expect(await newer.client.call("config.confirm")).toEqual({ confirmed: true });
    expect(await newer.client.call("config.confirm")).toEqual({ confirmed: false });
    expect((await person.client.call("status")).config.confirmWithinMs).toBeUndefined();
    expect(unconfirmed(stateDir)).toBe(false);
    expect(readFileSync(path, "utf8")).toBe(textOf(0, NEWER));
  });

  test("two in a row: what was before the first comes back", async () => {
    await using live = await startConfigured(textOf(0));
    const { person, path } = live;
    await apply(person, textOf(0, NEWER), 60_000);
    const back = changedTo(person, textOf(0));
    await apply(person, textOf(0, "https://another.example"));
    await back;
    expect(readFileSync(path, "utf8")).toBe(textOf(0));
  });

  test("what an editor saves meanwhile is not undone with it", async () => {
    await using live = await startConfigured(textOf(0));
    const { person, path } = live;
    await apply(person, textOf(0, NEWER), 2_000);
    const byHand = (text: string): string => text.replace("// Where it is.", `"sessions": { "keepMax": 3 },`);
    writeFileSync(path, byHand(textOf(0, NEWER)));
    await changedTo(person, byHand(textOf(0, NEWER)));
    await changedTo(person, byHand(textOf(0)));
    expect(readFileSync(path, "utf8")).toBe(byHand(textOf(0)));
  });

  test("where there was no file, none of its settings is left", async () => {
    await using live = await startConfigured(undefined, { env: { CLAWDBOT_GATEWAY_PORT: "0" } });
    const { person } = live;
    const origins = async (): Promise<unknown> =>
      (await person.client.call("config.get", { key: "gateway.allowedOrigins" })).config;
    await person.client.call("config.apply", { raw: textOf(0, NEWER), confirmWithinMs: WITHIN_MS });
    expect(await origins()).toEqual([NEWER]);
    await person.until(
      "second config.changed",
      ({ event }) =>
        event === "config.changed" &&
        person.told.filter((told) => told.event === "config.changed").length > 1,
    );
    expect(await origins()).toEqual([]);
  });
});

describe("a change that needs a restart", () => {
  test("confirmed at the new port: it stays there", async () => {
    const [before, after] = [freePort(), freePort()];
    await using live = await startConfigured(textOf(before));
    const { person, gateway, path, token, stateDir } = live;
    await apply(person, textOf(after), 60_000);
    expect(await confirmAt(after, token)).toEqual({ confirmed: true });
    expect(gateway.port).toBe(after);
    expect(readFileSync(path, "utf8")).toBe(textOf(after));
    expect(unconfirmed(stateDir)).toBe(false);
    await person.client.close();
  });

  test("nobody finds the new port: it is back at the old one, with the clients of before", async () => {
    const [before, after] = [freePort(), freePort()];
    await using live = await startConfigured(textOf(before));
    const { person, gateway, path, stateDir } = live;
    const back = backAgain(person);
    await apply(person, textOf(after));
    await back;
    // It answers a moment before the gateway says so.
    while (gateway.port !== before) await person.client.call("health");
    expect(readFileSync(path, "utf8")).toBe(textOf(before));
    expect((await person.client.call("status")).config).toMatchObject({ valid: true, restartOwed: [] });
    // The note goes last, so that a crash meanwhile is made up for.
    while (unconfirmed(stateDir)) await person.client.call("health");
  });

  test("the new port is somebody else's: back at once, file included, and nobody is cut off", async () => {
    const taken = takePort();
    const before = freePort();
    await using live = await startConfigured(textOf(before));
    const { person, gateway, path } = live;
    await apply(person, textOf(taken.port), 60_000);
    await untilStatus(person, hashOfText(textOf(before)));
    taken.free();
    expect(gateway.port).toBe(before);
    expect(readFileSync(path, "utf8")).toBe(textOf(before));
    expect((await person.client.call("status")).config).toMatchObject({ valid: true, restartOwed: [] });
  });
});

test("kill -9 while it waits: the next start goes on waiting, and undoes it", async () => {
  const home = createHome(textOf(0));
  const first = await startGateway(home);
  const before = await listen(first, { token: first.token(), reconnect: false });
  await apply(before, textOf(0, NEWER), 1_500);
  first.signal("SIGKILL");
  await first.exited();
  expect(readFileSync(home.configPath, "utf8")).toBe(textOf(0, NEWER));
  expect(unconfirmed(home.stateDir)).toBe(true);

  const second = await startGateway(home);
  await second.logged("configuration waits for its confirmation");
  const after = await listen(second, { token: second.token() });
  await changedTo(after, textOf(0));
  expect(readFileSync(home.configPath, "utf8")).toBe(textOf(0));
  expect((await after.client.call("status")).config).toMatchObject({
    hash: hashOfText(textOf(0)),
    valid: true,
  });
  expect(unconfirmed(home.stateDir)).toBe(false);
});

test("kill -9 while it waits: whoever gets in after the next start may confirm", async () => {
  const home = createHome(textOf(0));
  const first = await startGateway(home);
  const before = await listen(first, { token: first.token(), reconnect: false });
  await apply(before, textOf(0, NEWER), 60_000);
  first.signal("SIGKILL");
  await first.exited();
  const second = await startGateway(home);
  await second.logged("configuration waits for its confirmation");
  const after = await listen(second, { token: second.token() });
  expect(await after.client.call("config.confirm")).toEqual({ confirmed: true });
  expect(readFileSync(home.configPath, "utf8")).toBe(textOf(0, NEWER));
  expect(unconfirmed(home.stateDir)).toBe(false);
});

/** Confirms from a new connection; one that comes before the restart is over is told to come again. */
async function confirmAt(port: number, token: string): Promise<unknown> {
  for (;;) {
    const reconnect = { initialMs: 20, maxMs: 50, first: true };
    const { client } = await listen({ url: `http://127.0.0.1:${port}` }, { token, reconnect });
    const outcome: unknown = await client.call("config.confirm").catch((error: unknown) => error);
    await client.close();
    if (!(outcome instanceof GatewayError && outcome.code === "conflict")) return outcome;
  }
}

/** Asks until the gateway says this of its configuration: what follows a restart is not told to all. */
async function untilStatus({ client }: Listener, hash: string): Promise<void> {
  for (;;) {
    const { config } = await client.call("status");
    if (config.valid && config.hash === hash) return;
  }
}
