import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type GatewayServer, startGatewayServer } from "../../../src/gateway.ts";
import type { Platform } from "../../../src/ports.ts";
import { openDesk } from "../../support/config-desk.ts";
import { quietPlatform } from "../../support/gateway.ts";
import { createMachine } from "../cli/cli.ts";
import { memoryPlatform } from "../../support/wires.ts";

const NOTE = "config-unconfirmed.json";
const TEXT = `{ "gateway": { "port": 18790 } } // mine\n`;
const TAKEN = 18_791;

let gateway: GatewayServer | undefined;

afterEach(async () => {
  await gateway?.close({ drainMs: 0 });
  gateway = undefined;
});

/** A state directory as a killed gateway leaves it, in which a change of `before` waits. */
async function waitingHome(before: string | undefined, raw: object) {
  const desk = await openDesk(before === undefined ? {} : { "moltbot.json": before });
  const baseHash = await desk.hash();
  await desk.call("config.patch", { raw: JSON.stringify(raw), baseHash, confirmWithinMs: 60_000 });
  await desk.live.stop();
  return { ...desk, home: join(desk.stateDir, "..") };
}

/** @returns why it did not start */
async function start(home: string, change: (platform: Platform) => Partial<Platform> = () => ({})) {
  const quiet = quietPlatform({ home, env: { OLLAMA_HOST: "127.0.0.1:9" } });
  const { platform } = memoryPlatform(quiet.platform);
  const serve: Platform["serve"] = (options) =>
    options.port === TAKEN
      ? quiet.platform.serve({ ...options, hostname: "192.0.2.1" })
      : platform.serve(options);
  const whole = { ...platform, serve };
  const error: unknown = await startGatewayServer(undefined, {
    platform: { ...whole, ...change(whole) },
  }).then(
    (server) => void (gateway = server),
    (reason: unknown) => reason,
  );
  return { error, log: quiet.log.join("") };
}

const portTaken = { gateway: { port: TAKEN } };

describe("a start that fails while a change waits", () => {
  test("puts back what was there and starts on it", async () => {
    const { home, path, stateDir } = await waitingHome(TEXT, portTaken);
    const { error, log } = await start(home);
    expect(error).toBeUndefined();
    expect(readFileSync(path, "utf8")).toBe(TEXT);
    expect(existsSync(join(stateDir, NOTE))).toBe(false);
    const [backup = ""] = readdirSync(join(stateDir, "config-backups")).toSorted().toReversed();
    expect(log).toContain(`what was there before is back, and its text is in backup ${backup}`);
    expect(readFileSync(join(stateDir, "config-backups", backup, "moltbot.json"), "utf8")).toContain(
      `${TAKEN}`,
    );
  });

  test("undoes the change alone where somebody has edited since", async () => {
    const { home, path } = await waitingHome(TEXT, portTaken);
    const edited = readFileSync(path, "utf8").replace("{", `{ "sessions": { "keepMax": 3 },`);
    writeFileSync(path, edited);
    expect((await start(home)).error).toBeUndefined();
    expect(readFileSync(path, "utf8")).toBe(edited.replace(String(TAKEN), "18790"));
  });

  test("of a file that was not there leaves one that says nothing", async () => {
    const { home, path } = await waitingHome(undefined, portTaken);
    expect((await start(home)).error).toBeUndefined();
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({});
  });

  test("by what no configuration is to blame for: it goes on waiting", async () => {
    const { home, stateDir, path } = await waitingHome(TEXT, portTaken);
    const { error } = await start(home, () => ({
      openDatabase: () => {
        throw new Error("Cannot open database: the disk is full");
      },
    }));
    expect(String(error)).toContain("the disk is full");
    expect(existsSync(join(stateDir, NOTE))).toBe(true);
    expect(readFileSync(path, "utf8")).toContain(String(TAKEN));
  });

  const hindrances: [string, (stateDir: string) => void, string][] = [
    [
      "the backup is gone",
      (dir) => rmSync(join(dir, "config-backups"), { recursive: true }),
      "there is no such backup",
    ],
    [
      "the note is cut off",
      (dir) => writeFileSync(join(dir, NOTE), `{ "backup": `),
      "it is not as it was written",
    ],
    ["the note is another's", (dir) => writeFileSync(join(dir, NOTE), `[]`), "it is not as it was written"],
  ];
  test.each(hindrances)(
    "%s: says so, fails as it would have, and forgets nothing",
    async (_, hinder, why) => {
      const { home, stateDir, path } = await waitingHome(TEXT, portTaken);
      hinder(stateDir);
      const { error, log } = await start(home);
      expect(error).toMatchObject({ name: "StartError", exitCode: 1 });
      expect(String(error)).toContain("Cannot listen on ");
      expect(log).toContain("Cannot put back what was there before an unconfirmed change: ");
      expect(log).toContain(why);
      expect(existsSync(join(stateDir, NOTE))).toBe(true);
      expect(readFileSync(path, "utf8")).toContain(String(TAKEN));
    },
  );

  test("and a disk that refuses: the next start puts it back", async () => {
    const { home, path } = await waitingHome(TEXT, portTaken);
    const full = await start(home, ({ files }) => ({
      files: { ...files, replace: () => Promise.reject(new Error("ENOSPC: no space left on device")) },
    }));
    expect(String(full.error)).toContain("Cannot listen on ");
    expect(full.log).toContain("no space left on device");
    expect((await start(home)).error).toBeUndefined();
    expect(readFileSync(path, "utf8")).toBe(TEXT);
  });
});

test("without a gateway nothing is written while a change waits, but for going back to before it", async () => {
  const { home, path, stateDir } = await waitingHome(TEXT, portTaken);
  const waiting = readFileSync(path, "utf8");
  const machine = await createMachine();
  const args = ["--state-dir", join(home, ".clawdbot")];
  try {
    for (const words of [
      ["set", "sessions.keepMax", "3"],
      ["unset", "gateway.port"],
    ]) {
      const { code, err } = await machine.run(["config", ...words, ...args]);
      expect(code).toBe(1);
      expect(err).toContain("Cannot write configuration: a change waits for its confirmation");
      expect(err).not.toContain("try again");
    }
    expect(readFileSync(path, "utf8")).toBe(waiting);
    const { code, err } = await machine.run(["config", "rollback", ...args]);
    expect([code, err]).toEqual([0, expect.any(String)]);
    expect(readFileSync(path, "utf8")).toBe(TEXT);
    expect(existsSync(join(stateDir, NOTE))).toBe(false);
    expect((await machine.run(["config", "set", "sessions.keepMax", "3", ...args])).code).toBe(0);
  } finally {
    await machine.remove();
  }
});
