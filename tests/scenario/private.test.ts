/** What the built gateway keeps to itself: its files, its secrets, its log, its port. */
import { describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { BINARY } from "../../scripts/build.ts";
import { createGatewayClient, GatewayError } from "../../src/client/mod.ts";
import {
  createHome,
  type Gateway,
  type Home,
  type Program,
  runBinary,
  spawn,
  startGateway,
} from "../support/binary.ts";
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

  test.each(links("token", "db", "db-wal", "db-shm", "lock"))(
    "%s that is a link to %s is not followed, and there is no start",
    async (name, kind) => {
      const home = createHome();
      const { link, isUnchanged } = plant(home, name, kind);
      const { code, stdout, stderr } = await runBinary(home, ["run", "--port", "0"]);
      expect([code, stdout]).toEqual([name === "gateway.token" ? 78 : 1, ""]);
      const what = name === "gateway.token" ? "read file" : "open database";
      expect(stderr).toBe(`Cannot ${what} "${link}": it is a symbolic link\n`);
      expect(isUnchanged()).toBe(true);
    },
  );

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

/** A secret whose letters would show up in any of the usual spellings. */
const CANARY = `cAnArY"\\/%é+${"x".repeat(20)}`;
const KEY_CANARY = `sk-cAnArY"\\/%+${"y".repeat(20)}`;
const GUESS_CANARY = `guess-cAnArY${"z".repeat(20)}`;

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
      "cAnArY",
    ].filter((form) => text.includes(form)),
  );
}

const printed = (program: Pick<Program, "stdout" | "stderr">): string => program.stdout() + program.stderr();

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
      expect(leaks(printed(gateway), [CANARY, KEY_CANARY, GUESS_CANARY])).toEqual([]);
      expect(printed(gateway)).toContain("client ready");
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
});
