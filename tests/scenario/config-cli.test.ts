import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, stat } from "node:fs/promises";
import { startOpenAiServer } from "../support/openai-server.ts";
import { tempDir } from "../support/temp.ts";
import { endPrograms, type Program, runProgram, startProgram } from "./program.ts";

afterEach(endPrograms);

// `gateway config` and `gateway restart` as a person uses them, with a gateway and without.

setDefaultTimeout(30_000);

const SECRET = "CANARY-token-of-this-machine";
const FILE = `// My gateway
{
  "gateway": {
    "port": 0, // any
    "auth": { "token": "${SECRET}" },
  },
  "agents": { "defaults": { "model": "echo/echo" } },
}
`;

let home: string;
let path: string;

beforeEach(async () => {
  home = tempDir();
  path = `${home}/.clawdbot/moltbot.json`;
  await mkdir(`${home}/.clawdbot`, { mode: 0o700 });
  await Bun.write(path, FILE);
});

type Given = {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly home?: string;
};

const gateway = (args: readonly string[], given: Given = {}) => runProgram(args, { home, ...given });
const config = (...args: string[]) => gateway(["config", ...args]);
const text = () => Bun.file(path).text();

async function startGateway(at = home, args: readonly string[] = []): Promise<Program & { port: string }> {
  const program = startProgram(["run", ...args], { home: at, env: { OLLAMA_HOST: "127.0.0.1:9" } });
  const [, port = ""] = await program.until(/gateway listening url=http:\/\/127\.0\.0\.1:(\d+)/);
  return { ...program, port };
}

/** What is different from one run to the next. */
function steady(out: string, at: string): string {
  return out
    .replaceAll(at, "HOME")
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z\+*/g, "BACKUP")
    .replaceAll(/\d+ s ago/g, "AGE");
}

describe("up or down, the same words", () => {
  const ROW: readonly (readonly [args: readonly string[], stdin?: string])[] = [
    [["get", "gateway.auth"]],
    [["get", "agents.defaults.model"]],
    [["get", "agents.defaults.model", "--json"]],
    [["get", "agents.defaults.systemPrompt"]],
    [["get", "gateway.prt"]],
    [["get", "--file"]],
    [["explain"]],
    [["explain", "gateway.auth.token"]],
    [["explain", "gateway.limits"]],
    [["explain", "gateway.nonsense"]],
    [["set", "gateway.limits.clientsMax", "77"]],
    [["set", "gateway.limits.clientsMax", "77"]],
    [["set", "gateway.limits.clientsMax", "many"]],
    [["set", "gateway.allowedHosts", "a.example,b.example"]],
    [["set", "gateway.metrics.public", "yes"]],
    [["set", "gateway.prt", "1"]],
    [["set", "models.providers.here", '{"baseUrl":"http://127.0.0.1:9/v1","apiKey":"CANARY-key"}']],
    [["set", "models.providers.here.apiKey", "-"], "CANARY-from-stdin\n"],
    [["unset", "gateway.metrics"]],
    [["unset", "gateway.metrics"]],
    [["diff"]],
    [["rollback", "--list"]],
    [["rollback"]],
    [["rollback", "never"]],
    [["diff", "never"]],
    [["explain", "models"]],
    [["get", "models", "--json"]],
    [["schema", "--json"]],
  ];

  test("each command prints the same and leaves the same file", async () => {
    const other = tempDir();
    await mkdir(`${other}/.clawdbot`, { mode: 0o700 });
    await Bun.write(`${other}/.clawdbot/moltbot.json`, FILE);
    await startGateway(other);
    for (const [args, stdin] of ROW) {
      const given = stdin === undefined ? {} : { stdin };
      const down = await gateway(["config", ...args], given);
      const up = await gateway(["config", ...args], { ...given, home: other });
      const effect = /^(takes effect|waits for a restart|what is in force).*\n/gm;
      const note = /^gateway not running: .*\n/m;
      expect([args, up.code, steady(up.out, other).replace(effect, ""), steady(up.err, other)]).toEqual([
        args,
        down.code,
        steady(down.out, home),
        steady(down.err.replace(note, ""), home),
      ]);
      expect(`${up.out}${up.err}${down.out}${down.err}`).not.toContain("CANARY");
      expect(await Bun.file(`${other}/.clawdbot/moltbot.json`).text()).toBe(await text());
    }
    const end = await text();
    expect(end).toStartWith("// My gateway\n");
    expect(end).toContain('"port": 0, // any');
    expect(end).toContain("CANARY-from-stdin");
  });
});

describe("without a gateway", () => {
  test("a write says so, and what it has changed", async () => {
    const { code, out, err } = await config("set", "gateway.port", "19000");
    expect([code, err]).toEqual([0, `gateway not running: written to the file ${path}\n`]);
    expect(steady(out, home)).toBe("gateway.port  0 → 19000\nto undo: gateway config rollback BACKUP\n");
    expect(await text()).toBe(FILE.replace("0, // any", "19000, // any"));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test("a write that changes nothing does not say that it has written", async () => {
    const { code, out, err } = await config("set", "gateway.port", "0");
    expect([code, out]).toEqual([0, "nothing has changed\n"]);
    expect(err).toBe(`gateway not running: the file ${path} stays as it is\n`);
  });

  test("a write by an old name is refused, and says the one of today", async () => {
    const { code, err } = await config("set", "gateway.token", "CANARY-another");
    expect([code, err]).toEqual([expect.any(Number), expect.stringContaining('"gateway.auth.token"')]);
    expect(code).not.toBe(0);
    expect(err).toStartWith('Cannot set "gateway.token": it is an old name, ');
    expect(await text()).toBe(FILE);
  });

  test("a first write makes the file", async () => {
    const empty = tempDir();
    const { code, out } = await gateway(["config", "set", "gateway.port", "19000"], { home: empty });
    expect([code, out]).toEqual([0, expect.stringContaining("gateway.port  not set → 19000\n")]);
    expect(JSON.parse(await Bun.file(`${empty}/.clawdbot/moltbot.json`).text())).toEqual({
      gateway: { port: 19000 },
    });
  });

  test("a variable that only the service has is no reason to refuse anything", async () => {
    await Bun.write(path, FILE.replace(SECRET, "${GATEWAY_SECRET}"));
    const { code, err } = await config("set", "gateway.port", "19000");
    expect([code, err]).toEqual([0, expect.stringContaining("GATEWAY_SECRET")]);
    expect(await text()).toContain('"token": "${GATEWAY_SECRET}"');
    expect((await config("get", "gateway.port")).out).toBe("19000\n");
    const validated = await config("validate");
    expect([validated.code, validated.out]).toEqual([0, `${path} is valid\n`]);
    expect(validated.err).toStartWith(`warning: ${path}:5:`);
    const refused = await config("set", "gateway.port", "many");
    expect([refused.code, refused.err]).toEqual([
      78,
      'Cannot use "gateway.port": wanted a whole number from 0 to 65535, got text\n',
    ]);
  });

  test("a mistake in the file is told by its place, with 78", async () => {
    await Bun.write(path, FILE.replace('"port"', '"prt"'));
    const place = `${path}:4:5: Cannot use "gateway.prt": there is no such key, did you mean "gateway.port"\n`;
    for (const args of [["get"], ["explain"], ["validate"], ["set", "gateway.bind", "lan"]]) {
      expect([args, await config(...args)]).toEqual([args, { code: 78, out: "", err: place }]);
    }
    expect((await config("unset", "gateway.prt")).code).toBe(0);
    expect((await config("validate")).code).toBe(0);
  });

  test("validates any file", async () => {
    const file = `${home}/other.json`;
    await Bun.write(file, '{\n  "gateway": { "port": -1 }\n}');
    const { code, out, err } = await config("validate", file);
    const message = 'Cannot use "gateway.port": wanted a whole number from 0 to 65535, got -1';
    expect([code, out, err]).toEqual([78, "", `${file}:2:24: ${message}\n`]);
    const json = await config("validate", file, "--json");
    expect(json.code).toBe(78);
    expect(JSON.parse(json.out)).toMatchObject({ valid: false, errors: [{ line: 2, column: 24, message }] });
    expect((await config("validate", `${home}/none.json`)).code).toBe(78);
  });

  test("tells a difference of settings from one of comments", async () => {
    expect(await config("diff")).toMatchObject({ code: 1 });
    await config("set", "gateway.port", "19000");
    expect((await config("diff")).out).toContain("gateway.port  0 → 19000\n");
    await Bun.write(path, FILE.replace("My", "Our"));
    expect((await config("diff")).out).toEndWith("\nonly comments or formatting differ\n");
    await Bun.write(path, FILE);
    expect((await config("diff")).out).toEndWith("\nno difference\n");
    expect(await config("diff", "--in-force")).toMatchObject({ code: 69 });
  });
});

describe("with a gateway", () => {
  test("says what is in force at once and what waits, and --now does not wait", async () => {
    await startGateway();
    await config("set", "gateway.reload.mode", "hot");
    const live = await config("set", "gateway.limits.clientsMax", "77");
    expect([live.err, steady(live.out, home)]).toEqual([
      "",
      "gateway.limits.clientsMax  not set → 77\ntakes effect at once\nto undo: gateway config rollback BACKUP\n",
    ]);
    const waits = await config("set", "gateway.limits.frameBytesMax", "2000000");
    expect(waits.out).toContain("\nwaits for a restart (gateway restart --now)\n");
    expect((await config("get", "gateway.limits.frameBytesMax")).out).toBe("1048576\n");
    expect((await config("diff", "--in-force")).out).toContain(
      "gateway.limits.frameBytesMax  1048576 → 2000000\n",
    );
    expect((await config("validate")).out).toContain("waits for a restart: gateway.limits.frameBytesMax\n");
    expect((await config("explain", "gateway.limits")).out).toContain(", waits for a restart\n");
    expect((await gateway(["status"])).out).toContain("--now): gateway.limits.frameBytesMax\n");
    const now = await config("set", "gateway.limits.frameBytesMax", "3000000", "--now");
    expect([now.code, now.out]).toEqual([
      0,
      expect.stringMatching(/\nrestarted in \d+\.\d s, answers at ws:/),
    ]);
    expect((await config("get", "gateway.limits.frameBytesMax")).out).toBe("3000000\n");
    expect((await config("diff", "--in-force")).out).toEndWith("\nno difference\n");
  });

  test("a restart ends when the gateway answers again, where it listens then", async () => {
    const probe = Bun.serve({ port: 0, fetch: () => new Response() });
    const free = String(probe.port);
    await probe.stop(true);
    await startGateway();
    await config("set", "gateway.reload.mode", "hot");
    await config("set", "gateway.port", free);
    const { code, out } = await gateway(["restart"]);
    expect([code, out]).toEqual([0, expect.stringContaining(`answers at ws://127.0.0.1:${free}/ws\n`)]);
    const json = JSON.parse((await gateway(["restart", "--now", "--json"])).out);
    expect(json).toEqual({ url: `ws://127.0.0.1:${free}/ws`, tookMs: expect.any(Number) });
  });

  test("a restart waits for runs, and --now does not", async () => {
    const models = await startOpenAiServer();
    models.on("stall", { kind: "stall", after: ["One "] });
    await Bun.write(
      path,
      JSON.stringify({
        gateway: { port: 0 },
        agents: { defaults: { model: "t/stall" } },
        models: { providers: { t: { baseUrl: models.url } } },
      }),
    );
    await startGateway();
    const chat = startProgram(["chat", "count"], { home });
    await chat.until(/One/);
    const patient = startProgram(["restart"], { home });
    await patient.until(/^Waits for 1 run to end; gateway restart --now does not$/m);
    expect(await gateway(["restart", "--timeout-ms", "50"])).toMatchObject({ code: 1, out: "" });
    const now = await gateway(["restart", "--now"]);
    expect([now.code, now.err]).toEqual([0, ""]);
    expect([await patient.exited, await chat.exited]).toEqual([0, 1]);
    expect(patient.out()).toMatch(/^restarted in \d+\.\d s, answers at ws:/);
    await models.stop();
  });

  test("a broken edit is loud in status, harmless, and undone with rollback", async () => {
    const running = await startGateway();
    await config("set", "gateway.limits.clientsMax", "77");
    await Bun.write(path, '{\n  "gateway": {\n');
    await running.until(/configuration not used/);
    const status = await gateway(["status"]);
    expect(status.out).toStartWith(
      `CONFIGURATION INVALID: the last good configuration goes on\n${path}:3:1: `,
    );
    const { code, out, err } = await config("get", "gateway.limits.clientsMax");
    expect([code, out, err]).toEqual([0, "77\n", expect.stringContaining(`${path}:3:1: `)]);
    const explained = await config("explain", "gateway.limits.clientsMax");
    expect([explained.code, explained.err]).toEqual([0, err]);
    expect(err).toContain("this is the last good configuration");
    expect(await config("validate")).toMatchObject({ code: 78 });
    expect(await config("rollback")).toMatchObject({ code: 0 });
    expect(await text()).toBe(FILE);
    expect((await gateway(["status"])).out).toStartWith("gateway ");
  });

  test("a file that another gateway does not run on is worked on directly", async () => {
    await startGateway();
    const other = `${home}/other.json`;
    await Bun.write(other, "{}\n");
    const { code, err } = await config("set", "gateway.port", "19000", "--config", other);
    expect([code, err]).toEqual([0, `gateway not running: written to the file ${other}\n`]);
    expect(JSON.parse(await Bun.file(other).text())).toEqual({ gateway: { port: 19000 } });
    expect(await text()).toBe(FILE);
  });

  test("a refused credential is an error, and so is an address where nothing is", async () => {
    const { port } = await startGateway();
    const refused = await config("set", "gateway.port", "1", "--token", "another-token-than-that");
    expect(refused.code).toBe(77);
    const url = `ws://127.0.0.1:${port}/ws`;
    expect((await config("get", "gateway.mode", "--url", url)).out).toBe("local\n");
    expect((await config("get", "gateway.mode", "--url", "ws://127.0.0.1:1/ws")).code).toBe(69);
    expect(await text()).toBe(FILE);
  });
});

describe("edit", () => {
  /** An editor that replaces what it is given by these texts, one at each call. */
  async function editor(...texts: readonly string[]): Promise<{ EDITOR: string; TMPDIR: string }> {
    const directory = tempDir();
    for (const [index, one] of texts.entries()) await Bun.write(`${directory}/${index + 1}`, one);
    const script = `#!/bin/sh
n=$(($(cat "${directory}/count" 2>/dev/null || echo 0) + 1))
echo $n > "${directory}/count"
cp "$1" "${directory}/given.$n"
stat -c %a "$1" "$(dirname "$1")" > "${directory}/modes"
[ -e "${directory}/$n" ] && cat "${directory}/$n" > "$1"
exit 0
`;
    await Bun.write(`${directory}/editor`, script);
    await chmod(`${directory}/editor`, 0o755);
    await mkdir(`${directory}/tmp`);
    return { EDITOR: `${directory}/editor`, TMPDIR: `${directory}/tmp` };
  }
  const HIDDEN = FILE.replace(SECRET, "***");
  const place = (env: { EDITOR: string }, name: string) =>
    Bun.file(`${env.EDITOR.slice(0, -6)}${name}`).text();

  for (const isUp of [true, false]) {
    const when = isUp ? "up" : "down";

    test(`${when}: writes what the editor left, the secret as it was`, async () => {
      if (isUp) await startGateway();
      const edited = HIDDEN.replace("My gateway", "Our gateway").replace(
        '{\n  "gateway',
        '{\n  "sessions": { "keepMax": 50 },\n  "gateway',
      );
      const env = await editor(edited);
      const { code, out } = await gateway(["config", "edit"], { env });
      expect([code, out]).toEqual([0, expect.stringContaining("sessions.keepMax  not set → 50\n")]);
      expect(await place(env, "given.1")).toBe(HIDDEN);
      expect(await place(env, "modes")).toBe("600\n700\n");
      expect(await text()).toBe(edited.replace("***", SECRET));
      expect(await readdir(env.TMPDIR)).toEqual([]);
    });

    test(`${when}: what the editor leaves out goes, and nothing happens where nothing changed`, async () => {
      if (isUp) await startGateway();
      const same = await editor();
      expect(await gateway(["config", "edit"], { env: same })).toEqual({
        code: 0,
        out: "nothing has changed\n",
        err: "",
      });
      expect(await readdir(same.TMPDIR)).toEqual([]);
      const edited = HIDDEN.replace(/  "agents".*\n/, "");
      const env = await editor(edited);
      const { code, out } = await gateway(["config", "edit"], { env });
      expect([code, out]).toEqual([
        0,
        expect.stringContaining('agents.defaults.model  "echo/echo" → not set\n'),
      ]);
      expect(await text()).toBe(edited.replace("***", SECRET));
    });

    test(`${when}: a mistake is told by its place in the copy, which stays`, async () => {
      if (isUp) await startGateway();
      for (const [mistake, said] of [
        [
          HIDDEN.replace('"port": 0', '"port": "many"'),
          /:4:13: Cannot use "gateway\.port": wanted a whole number/,
        ],
        [HIDDEN.replace('"port": 0,', '"port": 0;'), /:4:14: Cannot read configuration: /],
      ] as const) {
        const env = await editor(mistake);
        const { code, out, err } = await gateway(["config", "edit"], { env });
        expect([code, out, err]).toEqual([78, "", expect.stringMatching(said)]);
        const [, kept = ""] = /^What you have written is kept in (.*)$/m.exec(err) ?? [];
        expect(err).toStartWith(`${kept}:4:1`);
        expect(await Bun.file(kept).text()).toBe(mistake);
        expect(await text()).toBe(FILE);
      }
    });
  }

  test("asks on a terminal whether to edit again", async () => {
    const good = HIDDEN.replace('"port": 0', '"port": 19000');
    const env = await editor(HIDDEN.replace('"port": 0', '"port": "many"'), good);
    const program = startProgram(["config", "edit"], { home, env, terminal: true });
    await program.until(/Cannot use "gateway\.port"[^]*Edit again\? \[Y\/n\] $/);
    program.type("\n");
    await program.until(/gateway\.port {2}0 → 19000/);
    expect(await program.exited).toBe(0);
    expect(await place(env, "given.2")).toContain('"port": "many"');

    const again = await editor(HIDDEN.replace('"port": 0', '"port": "none"'));
    const refused = startProgram(["config", "edit"], { home, env: again, terminal: true });
    await refused.until(/Edit again\? \[Y\/n\] $/);
    // Neither yes nor no is no answer.
    refused.type("what\n");
    await refused.until(/what\r\nEdit again\? \[Y\/n\] $/);
    refused.type("n\n");
    await refused.until(/Nothing has been written\r\nWhat you have written is kept in /);
    expect(await refused.exited).toBe(78);
  });

  test("an editor that took the file away is told as that", async () => {
    const { code, out, err } = await gateway(["config", "edit"], { env: { EDITOR: "rm" } });
    expect([code, out]).toEqual([1, ""]);
    expect(err).toBe("Cannot edit configuration: the file is gone\nNothing has been written\n");
    expect(await text()).toBe(FILE);
  });

  test("mends a file that cannot be read", async () => {
    await Bun.write(path, FILE.replace("{\n", "{{\n"));
    const env = await editor(FILE);
    const { code } = await gateway(["config", "edit"], { env });
    expect([code, await text()]).toEqual([0, FILE]);
  });

  test("a file that somebody else wrote meanwhile is not written over", async () => {
    const env = await editor(HIDDEN.replace('"port": 0', '"port": 1'));
    await Bun.write(
      env.EDITOR,
      `${await Bun.file(env.EDITOR)
        .text()
        .then((script) => script.replace("exit 0", ""))}echo '{}' > "${path}"\n`,
    );
    const { code, err } = await gateway(["config", "edit"], { env });
    expect(code).toBe(1);
    expect(err).toMatch(/has changed since it was read[^]*try again\nWhat you have written is kept in /);
    expect(await text()).toBe("{}\n");
  });

  test("says that there is no editor", async () => {
    const none = await gateway(["config", "edit"], { env: { EDITOR: "no-such-editor" } });
    expect([none.code, none.err]).toEqual([
      1,
      expect.stringContaining('Cannot run "no-such-editor": there is no such program'),
    ]);
    const silent = await gateway(["config", "edit"]);
    expect([silent.code, silent.err]).toEqual([1, expect.stringContaining("there is no terminal")]);
    expect(existsSync(path)).toBe(true);
  });
});
