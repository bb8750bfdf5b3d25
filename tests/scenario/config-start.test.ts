/** Starts with a configuration that cannot be used, and files that are not what they seem. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { BINARY } from "../../scripts/build.ts";
import { createHome, type Home, runBinary, startGateway } from "../support/binary.ts";
import { breaksOf, changedTo, hashOfText, startConfigured } from "../support/configured.ts";
import { listen } from "../support/sdk.ts";

setDefaultTimeout(60_000);

const textOf = (keepMax: unknown, more = ""): string => `{
  "gateway": { "port": 0, "reload": { "debounceMs": 10 } },
  "agents": { "defaults": { "model": "echo/echo" } },
  "sessions": { "keepMax": ${JSON.stringify(keepMax)} },${more}
}
`;

const BROKEN = textOf(5).replace(/\}\n$/, "]\n");

describe("a start on a file that cannot be used", () => {
  test.each([
    ["broken", BROKEN, /moltbot\.json:5:1: /],
    ["a value of the wrong type", textOf("many"), /moltbot\.json:4:28: .*sessions\.keepMax/],
    ["empty", "", /moltbot\.json:1:1: .*the file is empty/],
    ["a key of prototypes", textOf(5, '\n  "__proto__": {},'), /moltbot\.json:5:3: .*__proto__/],
  ])("%s, and no copy of an older one: 78, with the place", async (_name, text, place) => {
    const home = createHome(text);
    const { code, stdout, stderr } = await runBinary(home, ["run", "--port", "0"]);
    expect([code, stdout]).toEqual([78, ""]);
    expect(stderr).toMatch(place);
    expect(readFileSync(home.configPath, "utf8")).toBe(text);
  });

  test("with a copy of the last one that could be used: safe mode, said loudly; the mended file is taken", async () => {
    const home = createHome(textOf(5));
    const first = await startGateway(home);
    const before = await listen(first, { token: first.token(), reconnect: false });
    expect((await before.client.call("status")).config).toMatchObject({ valid: true, safeMode: false });
    expect(await first.stop()).toBe(0);

    writeFileSync(home.configPath, BROKEN);
    const second = await startGateway(home);
    const errors = second.log.filter(({ level }) => level === "error");
    expect(errors[0]?.["reason"]).toMatch(/moltbot\.json:5:1: /);
    expect(errors[1]?.msg).toMatch(/^SAFE MODE/);
    const person = await listen(second, { token: second.token() });
    const { config } = await person.client.call("status");
    expect(config).toMatchObject({ valid: false, safeMode: true, hash: hashOfText(textOf(5)) });
    expect(config.error).toMatchObject({ file: home.configPath, line: 5, column: 1 });
    expect((await person.client.call("config.get")).config).toMatchObject({ sessions: { keepMax: 5 } });
    expect(readFileSync(home.configPath, "utf8")).toBe(BROKEN);

    const changed = changedTo(person, textOf(6));
    writeFileSync(home.configPath, textOf(6));
    await changed;
    expect((await person.client.call("status")).config).toMatchObject({ valid: true, safeMode: false });
    expect((await person.client.call("config.get")).config).toMatchObject({ sessions: { keepMax: 6 } });
    expect(breaksOf(person)).toEqual([]);
  });

  test("the copy is of what was in force last, not of what was written last", async () => {
    const home = createHome(textOf(5));
    const first = await startGateway(home);
    const before = await listen(first, { token: first.token(), reconnect: false });
    const changed = changedTo(before, textOf(6));
    writeFileSync(home.configPath, textOf(6));
    await changed;
    const rejected = before.until("config.rejected", ({ event }) => event === "config.rejected");
    writeFileSync(home.configPath, BROKEN);
    await rejected;
    expect(await first.stop()).toBe(0);
    const second = await startGateway(home);
    const person = await listen(second, { token: second.token() });
    expect((await person.client.call("config.get")).config).toMatchObject({ sessions: { keepMax: 6 } });
  });
});

describe("a configuration that is a link", () => {
  function createLinked(): { home: Home; target: string } {
    const home = createHome();
    const target = join(mkdtempSync(join(home.path, "elsewhere-")), "real.json");
    writeFileSync(target, textOf(5));
    mkdirSync(home.stateDir, { mode: 0o700 });
    symlinkSync(target, home.configPath);
    return { home, target };
  }

  test("is read and followed to where it leads", async () => {
    const { home, target } = createLinked();
    await using live = await startConfigured(undefined, { home: home.path });
    const { person } = live;
    const explain = () => person.client.call("config.explain", { key: "sessions.keepMax" });
    expect(await explain()).toMatchObject({ value: 5, source: { file: home.configPath, line: 4 } });
    const changed = changedTo(person, textOf(6));
    writeFileSync(target, textOf(6));
    await changed;
    expect(await explain()).toMatchObject({ value: 6 });
    // And when it leads elsewhere.
    const other = `${target}.other`;
    writeFileSync(other, textOf(7));
    const swapped = changedTo(person, textOf(7));
    rmSync(home.configPath);
    symlinkSync(other, home.configPath);
    await swapped;
    expect(await explain()).toMatchObject({ value: 7 });
    expect(breaksOf(person)).toEqual([]);
  });

  test("is not written: what it leads to is as it was", async () => {
    const { home, target } = createLinked();
    await using live = await startConfigured(undefined, { home: home.path });
    const { person } = live;
    const { hash: baseHash } = await person.client.call("config.get");
    for (const [method, params] of [
      ["config.set", { key: "sessions.keepMax", value: 9 }],
      ["config.unset", { key: "sessions.keepMax" }],
      ["config.patch", { raw: '{"sessions":{"keepMax":9}}', baseHash }],
      ["config.apply", { raw: textOf(9), baseHash, confirmWithinMs: 1_000 }],
    ] as const) {
      const error = await person.client.call(method, params as never).catch((reason: unknown) => reason);
      expect([method, error]).toEqual([method, expect.objectContaining({ code: "unavailable" })]);
      expect(String(error)).toContain(`"${home.configPath}": it is a symbolic link`);
    }
    expect(readFileSync(target, "utf8")).toBe(textOf(5));
    expect(lstatSync(home.configPath).isSymbolicLink()).toBe(true);
    expect(readdirSync(join(target, ".."))).toEqual(["real.json"]);
    expect((await person.client.call("config.get")).config).toMatchObject({ sessions: { keepMax: 5 } });
    expect((await person.client.call("status")).config).toMatchObject({ valid: true });
    expect((await person.client.call("status")).config.confirmWithinMs).toBeUndefined();
  });
});

describe("links at the names that are written beside the configuration", () => {
  test.each(["config-backups", "config-last-good", "config-unconfirmed.json", "config.lock"])(
    "%s: what it leads to is as it was",
    async (name) => {
      const home = createHome(textOf(5));
      const elsewhere = mkdtempSync(join(home.path, "elsewhere-"));
      const isFile = name.includes(".");
      const target = join(elsewhere, "target");
      if (isFile) writeFileSync(target, "theirs");
      else mkdirSync(target);
      symlinkSync(target, join(home.stateDir, name));
      await using live = await startConfigured(undefined, { home: home.path });
      const { client } = live.person;
      const { hash: baseHash } = await client.call("config.get");
      const patch = { raw: '{"sessions":{"keepMax":6}}', baseHash, confirmWithinMs: 60_000 };
      const outcome = await client.call("config.patch", patch).catch((error: unknown) => error);
      // The copy of the last good one is made beside the work, and its failure is only logged.
      if (name === "config-last-good") expect(outcome).toMatchObject({ ok: true });
      else expect(outcome).toMatchObject({ code: "unavailable", message: expect.stringContaining(name) });
      if (name !== "config-last-good") expect(readFileSync(home.configPath, "utf8")).toBe(textOf(5));
      expect(isFile ? readFileSync(target, "utf8") : readdirSync(target)).toEqual(isFile ? "theirs" : []);
      expect(readdirSync(elsewhere)).toEqual(["target"]);
    },
  );
});

test("a directory that may not be written: read and followed, and a write says why not", async () => {
  const home = createHome();
  const directory = join(home.path, "etc");
  const config = join(directory, "gateway.json");
  mkdirSync(directory);
  writeFileSync(config, textOf(5), { mode: 0o644 });
  const command = asNobody(home);
  chmodSync(directory, 0o555);
  const gateway = await startGateway(home, { command, env: { CLAWDBOT_CONFIG_PATH: config } });
  const person = await listen(gateway, { token: gateway.token() });
  const set = person.client.call("config.set", { key: "sessions.keepMax", value: 9 });
  const error = await set.catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: "unavailable" });
  expect(String(error)).toEndWith(`Cannot replace file "${config}": permission denied`);
  expect(readFileSync(config, "utf8")).toBe(textOf(5));
  expect(readdirSync(directory)).toEqual(["gateway.json"]);
  expect((await person.client.call("config.get")).config).toMatchObject({ sessions: { keepMax: 5 } });
});

/** How to start it so that permissions count: for the superuser they do not. */
function asNobody(home: Home): readonly string[] {
  if (process.getuid?.() !== 0) return [BINARY, "run"];
  const nobody = 65_534;
  for (const path of [home.path, home.cwd]) chownSync(path, nobody, nobody);
  return ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups", BINARY, "run"];
}
