import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { formatIssue } from "../../../src/config/issues.ts";
import { resolvePaths } from "../../../src/config/paths.ts";
import {
  type ConfigStoreOptions,
  createConfigStore,
  isGone,
  type LoadedSnapshot,
} from "../../../src/config/store.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { machine } from "./support.ts";

let root: string;
let home: string;
let count = 0;
beforeAll(async () => void (root = await mkdtemp(join(tmpdir(), "config-store-"))));
afterAll(() => rm(root, { recursive: true }));
beforeEach(() => void (home = join(root, String(count++))));

async function put(path: string, text: string): Promise<string> {
  const file = join(home, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  return file;
}

const open = (options: Partial<ConfigStoreOptions> = {}) =>
  createConfigStore({ ...machine, env: {}, home, ...options });

function errorsOf(snapshot: LoadedSnapshot): string[] {
  return snapshot.valid ? [] : snapshot.errors.map(formatIssue);
}

describe("loading", () => {
  test("no file where none is needed: the defaults, and the place for one", async () => {
    const store = open();
    const snapshot = await store.load();
    expect(snapshot).toMatchObject({
      valid: true,
      exists: false,
      path: `${home}/.clawdbot/moltbot.json`,
      hash: createHash("sha256").update("").digest("hex"),
      warnings: [],
    });
    expect(store.current().gateway.port).toBe(18789);
  });

  test("a file: its path, hash, text and values", async () => {
    const text = '{ "gateway": { "port": 4 } } // mine\n';
    const path = await put(".clawdbot/moltbot.json", text);
    const store = open();
    const snapshot = await store.load();
    expect(snapshot).toMatchObject({
      valid: true,
      exists: true,
      path,
      hash: createHash("sha256").update(text).digest("hex"),
    });
    const whole = await store.readConfigFileSnapshot();
    expect(whole.source?.texts.get(path)).toBe(text);
    if (snapshot.valid) store.use(snapshot.config);
    expect(store.current().gateway.port).toBe(4);
  });

  test("a bad edit changes nothing", async () => {
    await put(".clawdbot/moltbot.json", '{ "gateway": { "port": 4 } }');
    const store = open();
    await store.load();
    const before = store.current();
    for (const [text, error] of [
      ['{ "gateway": { "port": 5 ', '1:26: Cannot read configuration: a "}" is missing at the end'],
      ["", "1:1: Cannot read configuration: the file is empty"],
      [
        '{ "gateway": { "prot": 5 } }',
        '1:16: Cannot use "gateway.prot": there is no such key, did you mean "gateway.port"',
      ],
    ] as const) {
      const path = await put(".clawdbot/moltbot.json", text);
      const snapshot = await store.load();
      expect(errorsOf(snapshot)).toEqual([`${path}:${error}`]);
      expect(snapshot).toMatchObject({ exists: true, hash: createHash("sha256").update(text).digest("hex") });
      expect(store.current()).toBe(before);
    }
    await put(".clawdbot/moltbot.json", '{ "gateway": { "port": 6 } }');
    await store.load();
    expect(store.current().gateway.port).toBe(6);
  });

  test("reading alone puts nothing in force", async () => {
    const store = open();
    expect((await store.readConfigFileSnapshot()).valid).toBe(true);
    expect(() => store.current()).toThrow("Cannot read the configuration: none has been loaded");
  });

  test("a file that was named has to be there", async () => {
    for (const options of [
      { configPath: "~/mine.json" },
      { env: { CLAWDBOT_CONFIG_PATH: `${home}/mine.json` } },
    ]) {
      const snapshot = await open(options).load();
      expect(errorsOf(snapshot)).toEqual([
        `${home}/mine.json: Cannot read configuration: there is no such file`,
      ]);
    }
    await put("mine.json", '{ "gateway": { "port": 9 } }');
    const store = open({ configPath: "~/mine.json" });
    await store.load();
    expect(store.current().gateway.port).toBe(9);
  });

  test("a file that cannot be read is an error, not an empty configuration", async () => {
    const path = join(home, ".clawdbot/moltbot.json");
    await mkdir(path, { recursive: true });
    expect(errorsOf(await open().load())[0]).toStartWith(`${path}: Cannot read configuration: `);
  });

  test("a file that is too large", async () => {
    const path = await put(".clawdbot/moltbot.json", `{}${" ".repeat(LIMITS.configBytesMax)}`);
    const refusal = `${path}: Cannot read configuration: it is larger than ${LIMITS.configBytesMax} bytes`;
    expect(errorsOf(await open().load())).toEqual([refusal]);
    await put(".clawdbot/moltbot.json", `{}${" ".repeat(LIMITS.configBytesMax - 2)}`);
    expect(errorsOf(await open().load())).toEqual([]);
  });

  test("the first of the usual places wins", async () => {
    const places = [
      ".clawdbot/clawdbot.json",
      ".clawdbot/moltbot.json",
      ".moltbot/clawdbot.json",
      ".moltbot/moltbot.json",
    ];
    for (const place of places) {
      const path = await put(place, "{}");
      expect((await open().load()).path).toBe(path);
    }
  });

  test("a named state directory hides the files of the home directory", async () => {
    await put(".moltbot/moltbot.json", '{ "gateway": { "port": 1 } }');
    const snapshot = await open({ stateDir: `${home}/state` }).load();
    expect(snapshot).toMatchObject({ valid: true, exists: false, path: `${home}/state/moltbot.json` });
  });
});

describe("the variables of .env", () => {
  const TOKEN = "CLAWDBOT_GATEWAY_TOKEN=from-the-file-123\n";

  test("set what the process does not", async () => {
    await put(".clawdbot/.env", `${TOKEN}CLAWDBOT_GATEWAY_PORT=7\n`);
    const store = open({ env: { CLAWDBOT_GATEWAY_PORT: "8", CLAWDBOT_GATEWAY_TOKEN: "" } });
    expect(await store.load()).toMatchObject({
      valid: true,
      config: { gateway: { port: 8, auth: { token: "from-the-file-123" } } },
    });
  });

  test("and the files of secrets are read without the byte order mark that an editor left", async () => {
    await put(".clawdbot/.env", "\uFEFFCLAWDBOT_GATEWAY_PORT=7\n");
    await put(".clawdbot/token.txt", "\uFEFFgeheim-from-a-file\n");
    await put(
      ".clawdbot/moltbot.json",
      `\uFEFF{ "gateway": { "auth": { "token": { "$file": "token.txt" } } } }`,
    );
    expect(await open().load()).toMatchObject({
      valid: true,
      config: { gateway: { port: 7, auth: { token: "geheim-from-a-file" } } },
    });
  });

  test("are not silently none when they cannot be read", async () => {
    const path = await put(".clawdbot/.env", TOKEN);
    const store = open();
    await store.load();
    await writeFile(path, new Uint8Array([0xff, 0xfe]));
    for (const snapshot of [
      await store.load(),
      await store.readConfigFileSnapshot(),
      await open().load(),
      await open().readConfigFileSnapshot(),
    ]) {
      expect(errorsOf(snapshot)).toEqual([`${path}: Cannot read variables: it is not UTF-8 text`]);
    }
    expect(store.environment()["CLAWDBOT_GATEWAY_TOKEN"]).toBe("from-the-file-123");
    await writeFile(path, TOKEN);
    expect((await store.readConfigFileSnapshot()).valid).toBe(true);
  });
});

describe("what is watched", () => {
  test("every place a file may come to; where one is, that, its includes and the files of its secrets", async () => {
    const at = (name: string): string => `${home}/.clawdbot/${name}`;
    const { configCandidates } = resolvePaths({ env: {}, home });
    expect((await open().load()).watched).toEqual([...configCandidates, at(".env")]);
    await put(
      ".clawdbot/moltbot.json",
      `{ "gateway": { "$include": "a.json" }, "agents": { "$include": "b.json" } }`,
    );
    await put(".clawdbot/a.json", `{ "auth": { "token": { "$file": "token.txt" } } }`);
    const { watched } = await open().readConfigFileSnapshot();
    expect([...new Set(watched)]).toEqual([
      at("moltbot.json"),
      at(".env"),
      at("a.json"),
      at("b.json"),
      at("token.txt"),
    ]);
  });
});

describe("the hash", () => {
  test("is of the file and all it includes, whatever of it can be used", async () => {
    const main = `{ "gateway": { "$include": ["a.json", "b.json"] } }`;
    await put(".clawdbot/moltbot.json", main);
    const hashes = new Set<string>();
    for (const [a, b] of [
      [`{ "port": 1 }`, `{}`],
      [`{ "port": 1 }`, `{} `],
      [`{}`, `{ "port": 1 }`],
      [`{ "port": 1 }`, `{`],
    ] as const) {
      await put(".clawdbot/a.json", a);
      await put(".clawdbot/b.json", b);
      hashes.add((await open().readConfigFileSnapshot()).hash);
    }
    expect(hashes.size).toBe(4);
  });

  test("of texts that are about to be written is that of the files once they are", async () => {
    const path = await put(".clawdbot/moltbot.json", `{ "gateway": { "$include": "a.json" } }`);
    const include = await put(".clawdbot/a.json", `{ "port": 1 }`);
    const texts = new Map([[include, `{ "port": 2 }`]]);
    const store = open();
    const before = await store.readConfigFileSnapshot();
    const planned = await store.readConfigFileSnapshot(texts);
    expect(planned).toMatchObject({ path, valid: true, config: { gateway: { port: 2 } } });
    expect(await store.readConfigFileSnapshot()).toMatchObject({ hash: before.hash });
    await writeFile(include, `{ "port": 2 }`);
    expect((await store.readConfigFileSnapshot()).hash).toBe(planned.hash);
  });
});

describe("a file that was there", () => {
  const { configCandidates } = resolvePaths({ env: {}, home: "/h" });
  const [first, , third = "", last = ""] = configCandidates;
  const there = (path: string) => ({ path, exists: true });
  test.each([
    ["the same", there(third), there(third), false],
    ["a stronger one", there(third), there(first), false],
    ["a weaker one", there(third), there(last), true],
    ["none", there(third), { path: third, exists: false }, true],
    ["none, as before", { path: third, exists: false }, { path: third, exists: false }, false],
    ["the first one ever", { path: third, exists: false }, there(last), false],
  ])("%s", (_, earlier, now, expected) => {
    expect(isGone({ configCandidates }, earlier, now)).toBe(expected);
  });
});

describe("paths", () => {
  const cases: [string, Parameters<typeof resolvePaths>[0], [string, string, boolean]][] = [
    ["usual", { env: {}, home: "/h" }, ["/h/.clawdbot", "/h/.clawdbot/moltbot.json", false]],
    [
      "state directory by variable",
      { env: { CLAWDBOT_STATE_DIR: "/s/" }, home: "/h" },
      ["/s", "/s/moltbot.json", false],
    ],
    [
      "the newer name wins",
      { env: { CLAWDBOT_STATE_DIR: "/s", MOLTBOT_STATE_DIR: "/m" }, home: "/h" },
      ["/m", "/m/moltbot.json", false],
    ],
    [
      "a flag wins",
      { env: { MOLTBOT_STATE_DIR: "/m" }, home: "/h", stateDir: "~/f" },
      ["/h/f", "/h/f/moltbot.json", false],
    ],
    [
      "file by variable",
      { env: { CLAWDBOT_CONFIG_PATH: "~/c.json" }, home: "/h" },
      ["/h/.clawdbot", "/h/c.json", true],
    ],
    [
      "file by the newer name",
      { env: { CLAWDBOT_CONFIG_PATH: "/c", MOLTBOT_CONFIG_PATH: "/m" }, home: "/h" },
      ["/h/.clawdbot", "/m", true],
    ],
    [
      "file by flag",
      { env: { MOLTBOT_CONFIG_PATH: "/m" }, home: "/h", configPath: "/f" },
      ["/h/.clawdbot", "/f", true],
    ],
    [
      "empty variables are none",
      { env: { CLAWDBOT_CONFIG_PATH: " ", CLAWDBOT_STATE_DIR: "" }, home: "/h" },
      ["/h/.clawdbot", "/h/.clawdbot/moltbot.json", false],
    ],
  ];
  test.each(cases)("%s", (_, input, [stateDir, file, isNamed]) => {
    const paths = resolvePaths(input);
    expect([paths.stateDir, paths.configDefault, paths.configNamed]).toEqual([stateDir, file, isNamed]);
  });
});
