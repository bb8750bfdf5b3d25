/** What the built gateway keeps to itself: its files, its secrets, its log, its port. */
import { describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { BINARY } from "../../scripts/build.ts";
import { createGatewayClient, GatewayError } from "../../src/client/mod.ts";
import { createHome, type Gateway, type Home, runBinary, spawn, startGateway } from "../support/binary.ts";
import { startOpenAiServer } from "../support/openai-server.ts";
import { listen } from "../support/sdk.ts";

/** More than the wait for whatever is missing, which says what that was. */
setDefaultTimeout(30_000);

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

/** Every file of the state directory that others could read or write, as `NAME MODE`. */
function open({ stateDir }: Home): string[] {
  return readdirSync(stateDir)
    .map((name) => `${name} ${modeOf(join(stateDir, name))}`)
    .filter((entry) => !entry.endsWith(" 600"));
}

/** Has one conversation, so that there is something in every file. */
async function converse(home: Home): Promise<void> {
  expect(await runBinary(home, ["chat", "Hello"])).toMatchObject({ code: 0, stderr: "" });
}

describe("files", () => {
  /** The gateway as a careless parent starts it, which first shows how careless it is. */
  const careless = ["/bin/sh", "-c", ': > control; umask 000; : > careless; exec "$0" "$@"', BINARY, "run"];

  test("are the owner's alone, whatever the parent's umask", async () => {
    const home = createHome();
    const gateway = await startGateway(home, { command: careless });
    expect(modeOf(join(home.cwd, "careless"))).toBe("666");
    await converse(home);
    expect(modeOf(home.stateDir)).toBe("700");
    const names = [
      "gateway.db",
      "gateway.db-shm",
      "gateway.db-wal",
      "gateway.json",
      "gateway.lock",
      "gateway.token",
    ];
    expect(readdirSync(home.stateDir)).toEqual(expect.arrayContaining(names));
    expect(open(home)).toEqual([]);
    expect(await gateway.stop()).toBe(0);
    expect(open(home)).toEqual([]);
  });

  test("in a directory that is to be made are so with its parents", async () => {
    const home = createHome();
    const stateDir = join(home.path, "a/b/state");
    await startGateway(home, { command: careless, args: ["--state-dir", stateDir], stateDir });
    const parents = ["a", "a/b", "a/b/state"].map((path) => modeOf(join(home.path, path)));
    expect(parents).toEqual(["700", "700", "700"]);
    expect(open({ ...home, stateDir })).toEqual([]);
    expect(existsSync(home.stateDir)).toBe(false);
  });

  test("that somebody opened to others are closed again", async () => {
    const home = createHome();
    const first = await startGateway(home);
    await converse(home);
    // So that the journals of the database stay.
    expect(await first.stop("SIGKILL")).toBe(137);
    chmodSync(home.stateDir, 0o777);
    for (const name of readdirSync(home.stateDir)) chmodSync(join(home.stateDir, name), 0o666);
    const second = await startGateway(home);
    expect(second.token()).toBe(first.token());
    expect(modeOf(home.stateDir)).toBe("700");
    expect(open(home)).toEqual([]);
  });

  const TARGETS = ["a file", "nothing"];
  const links = (...names: string[]) =>
    names.flatMap((name) => TARGETS.map((target): [string, string] => [`gateway.${name}`, target]));

  /** A link where a file of the gateway's belongs, and what it leads to. */
  function plant(home: Home, name: string, kind: string): { link: string; isUnchanged(): boolean } {
    const [link, target] = [join(home.stateDir, name), join(home.path, "target")];
    const text = "neither a token nor anything else of the gateway's\n";
    if (kind === "a file") writeFileSync(target, text, { mode: 0o644 });
    mkdirSync(home.stateDir, { mode: 0o700 });
    symlinkSync(target, link);
    return {
      link,
      isUnchanged: () =>
        kind === "a file"
          ? readFileSync(target, "utf8") === text && modeOf(target) === "644"
          : !existsSync(target),
    };
  }

  // A log without its database is moved aside as it is: see below.
  const refused = links("token", "db", "db-wal", "db-shm", "lock").filter(
    ([name, target]) => name !== "gateway.db-wal" || target !== "a file",
  );
  test.each(refused)("%s that is a link to %s is not followed, and there is no start", async (name, kind) => {
    const home = createHome();
    const { link, isUnchanged } = plant(home, name, kind);
    const { code, stdout, stderr } = await runBinary(home, ["run", "--port", "0"]);
    expect([code, stdout]).toEqual([name === "gateway.token" ? 78 : 1, ""]);
    const what = name === "gateway.token" ? "read file" : "open database";
    expect(stderr).toBe(`Cannot ${what} "${link}": it is a symbolic link\n`);
    expect(isUnchanged()).toBe(true);
  });

  test.each(links("json"))(
    "%s that is a link to %s is not followed, and the log says so",
    async (name, kind) => {
      const home = createHome();
      const { link, isUnchanged } = plant(home, name, kind);
      const gateway = spawn(home, [BINARY, "run", "--port", "0", "--log-format", "json"]);
      const refused = "state file not written: a second gateway cannot name this one";
      const error = `Error: Cannot replace file "${link}": it is a symbolic link`;
      expect(await gateway.logged(refused)).toMatchObject({ level: "error", error });
      expect(isUnchanged()).toBe(true);
      gateway.signal("SIGTERM");
      expect(await gateway.exited()).toBe(0);
      expect(isUnchanged()).toBe(true);
    },
  );

  test("a link where the database's log belongs is moved aside, and not followed", async () => {
    const home = createHome();
    const { link, isUnchanged } = plant(home, "gateway.db-wal", "a file");
    const gateway = await startGateway(home);
    const found = await gateway.logged("there is a log without its database: it was moved aside");
    const movedAside = String(found["movedAside"]);
    expect(movedAside).toStartWith(link.replace(/-wal$/, ".unreadable-"));
    expect(readlinkSync(movedAside)).toBe(join(home.path, "target"));
    expect(lstatSync(link).isFile()).toBe(true);
    expect(isUnchanged()).toBe(true);
    expect(await gateway.stop()).toBe(0);
    expect(isUnchanged()).toBe(true);
  });

  test("in a state directory that is a link are not made", async () => {
    const home = createHome();
    const target = join(home.path, "elsewhere");
    mkdirSync(target, { mode: 0o755 });
    symlinkSync(target, home.stateDir);
    const stderr = `Cannot use directory "${home.stateDir}": it is a symbolic link\n`;
    expect(await runBinary(home, ["run", "--port", "0"])).toEqual({ code: 1, stdout: "", stderr });
    expect([readdirSync(target), modeOf(target)]).toEqual([[], "755"]);
  });
});

/** Part of every secret here, at both ends: half a secret is one too. */
const MARK = "cAnArY";
/** With what JSON, addresses and headers spell otherwise. */
const CANARY = `${MARK}"\\/%é+${"x".repeat(20)}${MARK}`;
const KEY_CANARY = `${MARK}"\\/%+${"y".repeat(20)}${MARK}`;
const TAME = `${MARK}${"t".repeat(20)}${MARK}`;
const GUESS_CANARY = `guess-${MARK}${"z".repeat(20)}${MARK}`;

/** Every spelling under which one of the secrets stands in the text. */
function leaks(text: string, secrets: readonly string[]): string[] {
  return secrets.flatMap((secret) =>
    [
      secret,
      JSON.stringify(secret).slice(1, -1),
      encodeURIComponent(secret),
      encodeURI(secret),
      Buffer.from(secret).toString("base64").slice(0, -4),
      Buffer.from(secret).toString("hex"),
      MARK,
    ].filter((form) => text.includes(form)),
  );
}

describe("secrets", () => {
  const ways: [string, { args?: string[]; env?: Record<string, string>; auth?: object }][] = [
    ["the configuration", { auth: { token: CANARY } }],
    ["a reference in it", { auth: { token: "${MY_TOKEN}" }, env: { MY_TOKEN: CANARY } }],
    ["the environment", { env: { CLAWDBOT_GATEWAY_TOKEN: CANARY } }],
    ["a flag", { args: ["--token", CANARY] }],
    ["a password", { auth: { password: CANARY } }],
  ];
  const cases = ways.flatMap(([name, way]) =>
    ["json", "text"].map((format): [string, string, (typeof ways)[0][1]] => [name, format, way]),
  );

  test.each(cases)(
    "from %s are in no byte that is printed (%s)",
    async (name, format, { args = [], env, auth }) => {
      const models = await startOpenAiServer({ apiKey: "another key" });
      onTestFinished(() => models.stop());
      const home = createHome({
        gateway: { log: { level: "debug" }, ...(auth && { auth }) },
        agents: { defaults: { model: "test/m" } },
        models: { providers: { test: { baseUrl: models.url, apiKey: KEY_CANARY } } },
      });
      const gateway = await startGateway(home, { args: [...args, "--log-format", format], env: env ?? {} });
      const credential = name === "a password" ? { password: CANARY } : { token: CANARY };
      const person = await listen(gateway, credential);
      const { runId } = await person.client.call("chat.send", { sessionKey: "main", message: "Hello" });
      const { error } = await person.chat(runId, "error");
      expect(error).toMatchObject({
        code: "forbidden",
        message: expect.stringContaining("refused the API key"),
      });
      const seen = [JSON.stringify(person.told), JSON.stringify(person.client.hello)];
      for (const method of ["status", "health", "sessions.list", "system-presence"]) {
        seen.push(JSON.stringify(await person.client.request(method)));
      }
      await guess(gateway);
      expect(await gateway.stop()).toBe(0);
      expect(leaks(seen.join("\n"), [CANARY, KEY_CANARY])).toEqual([]);
      expect(leaks(gateway.printed(), [CANARY, KEY_CANARY, GUESS_CANARY])).toEqual([]);
      expect(gateway.printed()).toContain("client ready");
    },
  );

  /** Presents a wrong secret in every way there is. */
  async function guess({ url }: Gateway): Promise<void> {
    const wrong = createGatewayClient({
      url: `${url.replace("http", "ws")}/ws`,
      token: GUESS_CANARY,
      password: GUESS_CANARY,
      reconnect: false,
    });
    const refused = await wrong.connect().catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "unauthorized" });
    expect(leaks(String((refused as GatewayError).message), [GUESS_CANARY])).toEqual([]);
    const headers = { authorization: `Bearer ${GUESS_CANARY}`, "content-type": "application/json" };
    for (const path of ["/rpc", `/rpc?token=${GUESS_CANARY}`, `/${GUESS_CANARY}`]) {
      const response = await fetch(url + path, { method: "POST", headers, body: `{"id":"${GUESS_CANARY}"` });
      expect(response.status).toBeGreaterThanOrEqual(400);
    }
  }

  const providers: [
    string,
    (url: string) => { config: object; env: Record<string, string>; model: string },
  ][] = [
    [
      "the configuration",
      (baseUrl) => ({
        config: { models: { providers: { test: { baseUrl, apiKey: KEY_CANARY } } } },
        env: {},
        model: "test/m",
      }),
    ],
    [
      "the environment",
      (baseUrl) => ({
        config: {},
        env: { OPENAI_API_KEY: KEY_CANARY, OPENAI_BASE_URL: baseUrl },
        model: "openai/m",
      }),
    ],
  ];

  test.each(providers)(
    "a key from %s that the model server says aloud goes no further",
    async (_name, provider) => {
      const models = await startOpenAiServer();
      onTestFinished(() => models.stop());
      const { config, env, model } = provider(models.url);
      const home = createHome({
        gateway: { log: { level: "debug" } },
        agents: { defaults: { model } },
        ...config,
      });
      const gateway = await startGateway(home, { env });
      const person = await listen(gateway, { token: gateway.token() });
      const message = `"${KEY_CANARY}" (Authorization: Bearer ${KEY_CANARY}) is not for you`;
      const headers = { "x-should-retry": "false" };
      const event = `data: ${JSON.stringify({ error: { message, type: "x", code: "y" } })}\n\n`;
      models.queue(
        ...[400, 401, 402, 403, 404, 409, 422, 429, 500, 503].map((status) => ({
          kind: "status" as const,
          status,
          headers,
          message,
        })),
        { kind: "status", status: 403, headers, body: `<html>${message}</html>` },
        { kind: "raw", body: event },
        {
          kind: "raw",
          headers: { "content-type": `text/${KEY_CANARY}` },
          body: message,
        },
      );
      let said = "";
      for (let count = 0; count < 13; count += 1) {
        const { runId } = await person.client.call("chat.send", {
          sessionKey: "main",
          message: `Try ${count}`,
        });
        const { error } = await person.chat(runId, "error");
        said += `${error.message}\n`;
        await person.client.call("agent.wait", { runId });
      }
      const history = await person.client.call("chat.history", { sessionKey: "main" });
      expect(await gateway.stop()).toBe(0);
      expect(models.requests.map((request) => request.headers["authorization"])).toEqual(
        Array.from({ length: 13 }, () => `Bearer ${KEY_CANARY}`),
      );
      // Their words are passed on, without it.
      expect(said).toContain("***");
      expect(leaks(said + JSON.stringify([person.told, history]), [KEY_CANARY])).toEqual([]);
      expect(leaks(gateway.printed(), [KEY_CANARY])).toEqual([]);
    },
  );

  test.each([
    ["a comma forgotten after it", `{ "gateway": { "auth": { "token": "${TAME}" "mode": "token" } } }`],
    ["a quote forgotten after it", `{ "gateway": { "auth": { "token": "${TAME} } } }`],
    ["a quote forgotten before it", `{ "gateway": { "auth": { "token": ${TAME}" } } }`],
    ["it in a list", `{ "gateway": { "auth": { "token": ["${TAME}"] } } }`],
    ["it where the mode belongs", `{ "gateway": { "auth": { "mode": "${TAME}" } } }`],
    ["it where the address belongs", `{ "gateway": { "bind": "${TAME}" } }`],
    ["it too long", `{ "gateway": { "auth": { "token": "${TAME.repeat(50)}" } } }`],
    [
      "it in the model server's address",
      `{ "models": { "providers": { "x": { "baseUrl": "http://me:${TAME}@localhost/" } } } }`,
    ],
    ["it beside a wrong key", `{ "gateway": { "auth": { "token": "${TAME}", "tokne": "${TAME}" } } }`],
    ["it where an object belongs", `{ "gateway": "${TAME}" }`],
    ["a number for it", `{ "gateway": { "auth": { "token": 1234567890123456 } } }`],
  ])("a configuration with %s is refused without repeating it", async (_what, text) => {
    const home = createHome(text);
    const { code, stdout, stderr } = await runBinary(home, ["run", "--port", "0"]);
    expect([code, stdout]).toEqual([78, ""]);
    expect(stderr).toStartWith(`${home.configPath}:1:`);
    expect(leaks(stderr, [TAME, "1234567890123456"])).toEqual([]);
  });

  test.each([
    ["run", 78, {}, { CLAWDBOT_GATEWAY_TOKEN: CANARY, CLAWDBOT_GATEWAY_AUTH_TOKEN: `${CANARY}2` }],
    ["run", 78, {}, { CLAWDBOT_GATEWAY_BIND: CANARY }],
    ["run", 78, { gateway: { auth: { token: `${CANARY} ${"${MISSING}"}` } } }, {}],
    [`run --token=${MARK} --bind nowhere`, 78, {}, {}],
    [`run --token=${MARK} --nonsense`, 2, {}, {}],
  ] as [string, number, object, Record<string, string>][])(
    "%s (%#) ends with %i and none of it is printed",
    async (line, expected, config, env) => {
      const { code, stdout, stderr } = await runBinary(
        createHome(config),
        [...line.split(" "), "--port", "0"],
        env,
      );
      expect([code, stdout]).toEqual([expected, ""]);
      expect(stderr).toContain("Cannot use ");
      expect(leaks(stderr, [CANARY])).toEqual([]);
    },
  );

  test("a credential that is refused is not repeated by the command line", async () => {
    const home = createHome();
    const gateway = await startGateway(home);
    for (const [name, kind] of [
      ["--token", "token"],
      ["--password", "password"],
    ] as const) {
      const wrong = await runBinary(home, ["call", "health", name, GUESS_CANARY]);
      expect([wrong.code, wrong.stdout]).toEqual([77, ""]);
      const json = await runBinary(home, ["chat", "--json", "Hello"], {
        [`CLAWDBOT_GATEWAY_${kind.toUpperCase()}`]: GUESS_CANARY,
      });
      expect([json.code, json.stdout]).toEqual([77, ""]);
      expect(leaks(wrong.stderr + json.stderr, [GUESS_CANARY])).toEqual([]);
    }
    expect(await gateway.stop()).toBe(0);
    expect(leaks(gateway.printed(), [GUESS_CANARY, gateway.token()])).toEqual([]);
  });
});

describe("the log", () => {
  const NAMES: [string, string][] = [
    ["an end of line", "me\n2026-01-01T00:00:00Z error forged"],
    ["ends of line of all kinds", "a\r\nb\rc\vd\fe\u0085f\u2028g\u2029h"],
    ["an entry in JSON", '"}\n{"ts":"2026-01-01T00:00:00.000Z","level":"error","msg":"forged"}'],
    ["an entry as text", "me\n00:00:00Z error forged a=b"],
    ["terminal sequences", "\u001b[2J\u001b]0;title\u0007\u009b31m\u001bP"],
    ["reordered text", "\u202eevil\u202c \u2066x\u2069 \u200f\u061c"],
    ["hidden text", "a\u200bb\u2060c\ufeffd\u00ade"],
    ["every control character", Array.from({ length: 33 }, (_, code) => String.fromCharCode(code)).join("")],
    ["half a character", "a\ud800b"],
    ["quotes and signs", `" client=admin level=error \\" x=\\`],
  ];
  // What a reader of the log must never meet as it is; the end of a line only at the end of an entry.
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  const HOSTILE = /[\0-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/u;

  test.each(["json", "text"])(
    "has one entry for each event, whatever clients call themselves (%s)",
    async (format) => {
      const gateway = await startGateway(createHome({ gateway: { log: { level: "debug" } } }), {
        args: ["--log-format", format],
      });
      for (const [, name] of NAMES) {
        const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/ws`);
        const answered = Promise.withResolvers<string>();
        const gone = new Promise<void>((resolve) => socket.addEventListener("close", () => resolve()));
        socket.addEventListener("message", ({ data }) => {
          if (String(data).startsWith('{"id":1,')) answered.resolve(String(data));
        });
        await new Promise<void>((resolve) => socket.addEventListener("open", () => resolve()));
        const client = {
          id: name,
          displayName: name,
          version: name,
          platform: name,
          mode: name,
          instanceId: name,
        };
        const params = { auth: { token: gateway.token() }, client };
        socket.send(JSON.stringify({ id: 1, method: "connect", params }));
        expect(await answered.promise).toContain('"hello-ok"');
        socket.send(JSON.stringify({ id: name, method: name, params: { [name]: name } }));
        socket.close(4000, name.toWellFormed().slice(0, 40));
        await gone;
      }
      expect(await gateway.stop()).toBe(0);
      const text = gateway.printed();
      expect(text).not.toMatch(HOSTILE);
      expect(text.split("\n").length - 1).toBe(gateway.log.length);
      const ready = gateway.log.filter(({ msg }) => msg === "client ready");
      expect(ready.map(({ client }) => client)).toEqual(NAMES.map(([, name]) => name));
      const gone = gateway.log.filter(({ msg }) => msg === "client gone");
      expect(gone.length).toBe(NAMES.length);
      expect(gateway.log.filter(({ level, msg }) => level === "error" || msg.includes("forged"))).toEqual([]);
    },
  );
});

describe("the port", () => {
  const LAN = ["lan", "0.0.0.0", "::", "192.0.2.1", "::ffff:0.0.0.0"];

  test.each(LAN)("of %s is not opened to clients without a credential", async (bind) => {
    const config = { gateway: { bind, auth: { mode: "none" } } };
    const { code, stdout, stderr } = await runBinary(createHome(config), ["run", "--port", "0"]);
    expect([code, stdout]).toEqual([78, ""]);
    expect(stderr).toMatch(
      /moltbot\.json:\d+:\d+: Cannot listen on \S+ without authentication: set gateway\.auth\.mode to "token"/,
    );
  });

  test.each([
    ["a flag", ["--bind", "lan"], {}],
    ["the environment", [], { CLAWDBOT_GATEWAY_BIND: "lan" }],
  ] as [string, string[], Record<string, string>][])(
    "of the network by %s is not either",
    async (_by, args, env) => {
      const home = createHome({ gateway: { auth: { mode: "none" } } });
      expect(await runBinary(home, ["run", "--port", "0", ...args], env)).toMatchObject({
        code: 78,
        stderr: expect.stringContaining("without authentication"),
      });
    },
  );

  test("of this machine alone is, when somebody says so", async () => {
    const home = createHome({ gateway: { auth: { mode: "none" } } });
    const gateway = await startGateway(home);
    const { client } = await listen(gateway, {});
    expect(await client.call("health")).toMatchObject({ ok: true });
    expect(existsSync(join(home.stateDir, "gateway.token"))).toBe(false);
  });

  const WEAK = ["", "   ", "undefined", "null", " NULL ", "none", "changeme", "short", "x".repeat(15)];
  const weak = WEAK.flatMap((secret) =>
    (["token", "password"] as const).map((kind): [string, "token" | "password"] => [secret, kind]),
  );

  test.each(weak)("is not opened to the network with %j as the %s", async (secret, kind) => {
    const config = { gateway: { bind: "lan", auth: { mode: kind, [kind]: secret } } };
    const home = createHome(config);
    const { code, stdout, stderr } = await runBinary(home, ["run", "--port", "0"]);
    expect([code, stdout]).toEqual([78, ""]);
    expect(stderr).toMatch(
      /moltbot\.json:\d+:\d+: Cannot (start|listen beyond loopback): gateway\.auth\.(token|password) is /,
    );
  });

  test.each(["", "undefined", "x".repeat(15)])("is not opened with %j in the token file", async (text) => {
    const home = createHome({ gateway: { bind: "lan" } });
    const path = join(home.stateDir, "gateway.token");
    writeFileSync(path, `${text}\n`);
    const { code, stderr } = await runBinary(home, ["run", "--port", "0"]);
    const advice = "it holds no token; remove it and a new one is made";
    expect([code, stderr]).toEqual([78, `Cannot use token file "${path}": ${advice}\n`]);
  });

  test("of this machine alone is with a short one", async () => {
    const home = createHome({ gateway: { auth: { token: "short" } } });
    const { client } = await listen(await startGateway(home), { token: "short" });
    expect(await client.call("health")).toMatchObject({ ok: true });
  });
});
