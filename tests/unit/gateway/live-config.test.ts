import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { startGatewayServer } from "../../../src/gateway.ts";
import { loadConfiguration } from "../../../src/gateway/configuration.ts";
import { StartError } from "../../../src/gateway/errors.ts";
import { warnMissing } from "../../../src/gateway/missing-file.ts";
import { quietPlatform } from "../../support/gateway.ts";
import { tempDir } from "../../support/temp.ts";
import { memoryPlatform } from "../../support/wires.ts";

const place = (home: string, name = "moltbot.json"): string => join(home, ".clawdbot", name);

/** As much of the answers as is looked at here. */
interface Answer {
  readonly hash: string;
  readonly config: { readonly valid?: boolean } | number;
}

/** A whole gateway whose port is memory; ports in `taken` cannot be listened on. */
async function startOn(config: string, { home = tempDir(), taken = [] as readonly number[] } = {}) {
  const quiet = quietPlatform({ config, home, env: { OLLAMA_HOST: "127.0.0.1:9" } });
  const { platform, wire } = memoryPlatform(quiet.platform);
  const gateway = await startGatewayServer(undefined, {
    platform: {
      ...platform,
      serve(options) {
        if (taken.includes(options.port)) throw new Error(`port ${options.port} is taken`);
        return platform.serve(options);
      },
    },
  });
  await gateway.ready;
  const call = async (method: string, params: object = {}): Promise<Answer> => {
    const { token } = wire(gateway);
    const { text } = await wire(gateway).http({
      method: "POST",
      path: "/rpc",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ id: "1", method, params }),
    });
    const answer = JSON.parse(text);
    if (answer.error) throw new Error(answer.error.message);
    return answer.result;
  };
  return { gateway, home, log: quiet.log, call };
}

function isValid({ config }: Answer): boolean {
  return typeof config === "object" && config.valid === true;
}

/** Waits for the log to say so. */
async function said(log: readonly string[], words: string): Promise<void> {
  while (!log.join("").includes(words)) await new Promise((resolve) => setImmediate(resolve));
}

test("a restart that fails takes an unconfirmed change back, and the gateway can still be changed and closed", async () => {
  const text = `{ "gateway": { "port": 18790 } } // mine`;
  const { gateway, home, log, call } = await startOn(text, { taken: [18_791] });
  try {
    const { hash: baseHash } = await call("config.get");
    const raw = `{ "gateway": { "port": 18791 } }`;
    expect(await call("config.patch", { raw, baseHash, confirmWithinMs: 60_000 })).toMatchObject({
      restartOwed: ["gateway.port"],
    });
    await said(log, "it would fail");
    while (readFileSync(place(home), "utf8") !== text) await new Promise((resolve) => setImmediate(resolve));
    while (existsSync(place(home, "config-unconfirmed.json")))
      await new Promise((resolve) => setImmediate(resolve));
    expect(await call("config.set", { key: "gateway.log.level", value: "warn" })).toMatchObject({
      changed: ["gateway.log.level"],
      restartOwed: [],
    });
    expect((await call("status")).config).toMatchObject({ valid: true, restartOwed: [] });
  } finally {
    await gateway.close({ drainMs: 0 });
  }
}, 20_000);

test("safe mode: started on the last good files, said so until the file is mended, and not ever after", async () => {
  const good = `{ "sessions": { "keepMax": 7 } }`;
  const first = await startOn(good);
  const { home } = first;
  const hash = createHash("sha256").update(good).digest("hex");
  while (!existsSync(place(home, `config-last-good/${hash}/moltbot.json`)))
    await new Promise((resolve) => setImmediate(resolve));
  await first.gateway.close({ drainMs: 0 });

  const broken = `{ "sessions": { "keepMax": `;
  const { gateway, log, call } = await startOn(broken, { home });
  try {
    expect(log.join("")).toContain("SAFE MODE");
    expect((await call("status")).config).toMatchObject({ valid: false, safeMode: true });
    expect((await call("config.get", { key: "sessions.keepMax" })).config).toBe(7);
    expect(readFileSync(place(home), "utf8")).toBe(broken);
    const { hash: baseHash } = await call("config.get");
    await call("config.apply", { raw: `{ "sessions": { "keepMax": 8 } }`, baseHash });
    expect((await call("status")).config).toMatchObject({ valid: true, safeMode: false });
    writeFileSync(place(home), broken);
    await said(log, "configuration not used");
    await call("config.validate");
    while (isValid(await call("status"))) await new Promise((resolve) => setImmediate(resolve));
    expect((await call("status")).config).toMatchObject({ valid: false, safeMode: false });
  } finally {
    await gateway.close({ drainMs: 0 });
  }
}, 20_000);

test("nothing to fall back to: no start, and not a byte is changed", async () => {
  const home = tempDir();
  const broken = `{ "gateway": { "port": "x" } }`;
  const start = startOn(broken, { home });
  expect(start).rejects.toBeInstanceOf(StartError);
  await start.catch((error: unknown) => {
    expect(error).toMatchObject({ exitCode: 78 });
    expect(String(error)).toContain(`moltbot.json:1:24: Cannot use "gateway.port"`);
  });
  expect(readFileSync(place(home), "utf8")).toBe(broken);
  expect(readdirSync(join(home, ".clawdbot"))).toEqual(["moltbot.json"]);
});

test("old files are converted once: the older name stays as it is, JSON5 is kept beside", async () => {
  const home = tempDir();
  const { gateway } = await startOn(`{ sessions: { keepMax: 7 /* seven */ } }`, { home });
  await gateway.close({ drainMs: 0 });
  // What keeps the text is there once.
  expect(existsSync(place(home, "moltbot.json.before-migration"))).toBe(false);
  expect(readFileSync(place(home, "moltbot.json.json5"), "utf8")).toBe(
    `{ sessions: { keepMax: 7 /* seven */ } }`,
  );
  expect(readFileSync(place(home), "utf8")).toContain(`"keepMax": 7 /* seven */`);

  const older = tempDir();
  await (await startOn(`{}`, { home: older })).gateway.close({ drainMs: 0 });
  rmSync(place(older));
  const old = `{ "gateway": { "$include": "gw.json5" } } // old`;
  writeFileSync(place(older, "clawdbot.json"), old);
  writeFileSync(place(older, "gw.json5"), `{ log: { level: 'info' } }`);
  const quiet = quietPlatform({ home: older, env: { OLLAMA_HOST: "127.0.0.1:9" } });
  const again = await startGatewayServer(undefined, { platform: memoryPlatform(quiet.platform).platform });
  await again.close({ drainMs: 0 });
  expect(readFileSync(place(older, "clawdbot.json"), "utf8")).toBe(old);
  expect(readFileSync(place(older), "utf8")).toBe(old);
  expect(readFileSync(place(older, "gw.json5.json5"), "utf8")).toBe(`{ log: { level: 'info' } }`);
  const log = quiet.log.join("");
  expect(log).toContain(`path=${place(older, "gw.json5")} kept=${place(older, "gw.json5.json5")}`);
  expect(log).toContain(`from=${place(older, "clawdbot.json")} to=${place(older)}`);
}, 20_000);

test("a JSON5 file that may not be written leaves no copy beside it", async () => {
  const home = tempDir();
  mkdirSync(place(home, ""), { mode: 0o700 });
  writeFileSync(join(home, "real.json5"), `{ sessions: { keepMax: 7 } }`);
  symlinkSync(join(home, "real.json5"), place(home));
  const quiet = quietPlatform({ home, env: { OLLAMA_HOST: "127.0.0.1:9" } });
  const gateway = await startGatewayServer(undefined, { platform: memoryPlatform(quiet.platform).platform });
  await gateway.close({ drainMs: 0 });
  expect(quiet.log.join("")).toContain("configuration not converted, it is read as it is");
  expect(quiet.log.join("")).toContain("old configuration understood");
  expect(readdirSync(place(home, "")).filter((name) => name.endsWith(".json5"))).toEqual([]);
}, 20_000);

test("a start without a file says so where there was one", async () => {
  const home = tempDir();
  const start = async (): Promise<string> => {
    const { platform, log } = quietPlatform({ home, env: { OLLAMA_HOST: "127.0.0.1:9" } });
    const loaded = await loadConfiguration(undefined, platform, {});
    await warnMissing(platform, loaded);
    return log.join("");
  };
  expect(await start()).toBe("");
  mkdirSync(place(home, "config-last-good/abc"), { recursive: true, mode: 0o700 });
  expect(await start()).toContain("no configuration file, defaults apply");
  writeFileSync(place(home), "{}");
  expect(await start()).toBe("");
});
