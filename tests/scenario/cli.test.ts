import {
  afterEach,
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { mkdir, stat } from "node:fs/promises";
import { type OpenAiServer, startOpenAiServer } from "../support/openai-server.ts";
import { tempDir } from "../support/temp.ts";
import { endPrograms, type Program, runProgram, startProgram } from "./program.ts";

afterEach(endPrograms);

// The real program in processes of its own: what a person, a script or a supervisor gets to see of it.

// Longer than the program's patience: what it says then tells more than a timeout does.
setDefaultTimeout(30_000);

let home: string;
let models: OpenAiServer;

beforeAll(async () => {
  models = await startOpenAiServer();
  models.on("stall", { kind: "stall", after: ["One ", "two ", "three."] });
});
afterAll(() => models.stop());

beforeEach(() => {
  home = tempDir();
});

async function configure(config: unknown, path = ".clawdbot/moltbot.json"): Promise<void> {
  await mkdir(`${home}/.clawdbot`, { recursive: true });
  await Bun.write(`${home}/${path}`, typeof config === "string" ? config : JSON.stringify(config));
}

const withModel = (model: string) => ({
  models: { providers: { t: { baseUrl: models.url, api: "openai-completions" } } },
  agents: { defaults: { model } },
});

/** A gateway on a port of the system's choice, ready to be asked. */
async function startGateway(
  args: readonly string[] = [],
  terminal = false,
): Promise<Program & { port: string }> {
  const program = startProgram(["run", "--port", "0", ...args], { home, terminal });
  const [, port = ""] = await program.until(/url=http:\/\/127\.0\.0\.1:(\d+)/);
  return { ...program, port };
}

const gateway = (args: readonly string[], stdin?: string) =>
  runProgram(args, { home, ...(stdin === undefined ? {} : { stdin }) });

describe("a first start", () => {
  test("shows a person at a terminal a line that works as it is", async () => {
    const running = await startGateway([], true);
    const [, line = ""] = await running.until(/^ {2}gateway (call health .*--token [\w-]{43})\r?$/m);
    const stranger = tempDir();
    const { code, out } = await runProgram(line.split(" "), { home: stranger });
    expect([code, JSON.parse(out)]).toEqual([0, expect.objectContaining({ ok: true })]);
    running.signal("SIGINT");
    expect(await running.exited).toBe(0);

    const again = await startGateway([], true);
    await again.until(/Ctrl-C stops it/);
    expect(again.out()).not.toContain("--token");
  });

  test("keeps the token from everything that is not a terminal, and from others", async () => {
    const running = await startGateway();
    const { out } = await gateway(["token"]);
    const token = out.trim();
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(running.out()).toBe("");
    expect(running.err()).not.toContain(token);
    const modes = await Promise.all(
      ["", "/gateway.token", "/gateway.json"].map((name) => stat(`${home}/.clawdbot${name}`)),
    );
    expect(modes.map(({ mode }) => (mode & 0o777).toString(8))).toEqual(["700", "600", "600"]);
    expect(JSON.parse((await gateway(["token", "--json"])).out)).toEqual({
      token,
      source: `${home}/.clawdbot/gateway.token`,
    });
  });

  test("commands find it without being told where", async () => {
    const { port } = await startGateway();
    const health = await gateway(["call", "health", "--json"]);
    expect([health.code, JSON.parse(health.out)]).toEqual([0, expect.objectContaining({ ok: true })]);
    const status = await gateway(["status"]);
    expect(status.out).toContain(` at ws://127.0.0.1:${port}/ws, up `);
    expect(status.out).toContain(`State     ${home}/.clawdbot`);
    const json = JSON.parse((await gateway(["status", "--json"])).out);
    expect(json).toMatchObject({ stateDir: `${home}/.clawdbot`, config: { valid: true } });
  });
});

describe("chat", () => {
  test("answers a message from the command line or standard input", async () => {
    await configure({ agents: { defaults: { model: "echo/echo" } } });
    await startGateway();
    expect(await gateway(["chat", "Hello", "there"])).toEqual({
      code: 0,
      out: "You said: Hello there\n",
      err: "",
    });
    expect((await gateway(["chat", "-s", "other"], "from\na pipe\n")).out).toBe("You said: from\na pipe\n");
    const end = JSON.parse((await gateway(["chat", "--json", "Hello"])).out);
    expect(end).toMatchObject({ sessionKey: "agent:main:main", status: "ok", text: "You said: Hello" });
    const { sessions } = JSON.parse((await gateway(["call", "sessions.list", "--json"])).out);
    expect(sessions.map(({ key, messages }: { key: string; messages: number }) => [key, messages])).toEqual([
      ["agent:main:main", 4],
      ["other", 2],
    ]);
  });

  test("says in one line what is wrong with a message that is not taken", async () => {
    await startGateway();
    const said = {
      code: 1,
      out: "",
      err: /^Cannot call "chat.send": "sessionKey" has control characters .*\n$/,
    };
    for (let time = 0; time < 3; time++) {
      const { code, out, err } = await gateway(["chat", "-s", "a\nb", "Hello"]);
      expect({ code, out, err }).toEqual({ ...said, err: expect.stringMatching(said.err) });
    }
  });

  test("says what became of a word that is no message", async () => {
    await configure({ agents: { defaults: { model: "echo/echo" } } });
    await startGateway();
    expect(await gateway(["chat", "/new"])).toEqual({ code: 0, out: "", err: "It begins anew\n" });
    expect((await gateway(["chat", "/new", "echo/echo", "Hello"])).out).toBe("You said: Hello\n");
  });

  test("chooses a model for a new session only", async () => {
    await configure({ ...withModel("t/plain") });
    await startGateway();
    expect((await gateway(["chat", "-m", "echo/echo", "a"])).out).toBe("You said: a\n");
    expect((await gateway(["chat", "b"])).out).toBe("You said: b\n");
    const { code, err } = await gateway(["chat", "-m", "t/other", "c"]);
    const said =
      'Cannot create session "agent:main:main": it exists with other settings\nA session keeps the model';
    expect([code, err]).toEqual([1, expect.stringContaining(said)]);
  });

  test("shows text as it comes; a signal stops the answer and keeps what was said", async () => {
    await configure(withModel("t/stall"));
    await startGateway();
    for (const [signal, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      const chat = startProgram(["chat", "-s", signal, "count"], { home });
      await chat.until(/One two three\./);
      chat.signal(signal);
      expect(await chat.exited).toBe(code);
      expect([chat.out(), chat.err()]).toEqual(["One two three.\n", "The answer was stopped\n"]);
      const history = JSON.parse((await gateway(["call", "chat.history", `{"sessionKey":"${signal}"}`])).out);
      expect(history.messages.at(-1)).toMatchObject({
        status: "aborted",
        content: [{ type: "text", text: "One two three." }],
      });
    }
  });

  test("fails with the model's failure", async () => {
    models.on("broken", { kind: "status", status: 401, message: "no" });
    await configure(withModel("t/broken"));
    await startGateway();
    const { code, out, err } = await gateway(["chat", "Hello"]);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toStartWith('Cannot use model "t/broken": ');
  });

  test("says how an answer ended that a restart cut off", async () => {
    await configure(withModel("t/stall"));
    const first = await startGateway();
    const chat = startProgram(["chat", "count"], { home });
    await chat.until(/three\./);
    first.signal("SIGKILL");
    await first.exited;
    await startGateway(["--port", first.port]);
    expect(await chat.exited).toBe(1);
    expect([chat.out(), chat.err()]).toEqual([
      "One two three.\n",
      "The answer was cut off: the gateway was restarted\n",
    ]);
  });
});

describe("a conversation on a terminal", () => {
  test("asks, answers, begins anew, and ends with Ctrl-D", async () => {
    await configure({ agents: { defaults: { model: "echo/echo" } } });
    await startGateway();
    const chat = startProgram(["chat"], { home, terminal: true });
    await chat.until(/Session "agent:main:main" with echo\/echo[^]*> $/m);
    chat.type("Hello\n");
    await chat.until(/You said: Hello\r\n.*> /);
    chat.type("/help\n");
    await chat.until(/\/new {3}begin anew/);
    chat.type("/nonsense\n");
    await chat.until(/Cannot do "\/nonsense": there are \/new, \/retry, \/stop, \/help, \/quit/);
    chat.type("/new\n");
    await chat.until(/It begins anew/);
    chat.type("Who?\n");
    await chat.until(/You said: Who\?\r\n.*> /);
    chat.type("/stop\n");
    await chat.until(/Cannot stop the answer: none is being given/);
    chat.type("\u0004");
    expect(await chat.exited).toBe(0);
    const { sessions } = JSON.parse((await gateway(["call", "sessions.list", "--json"])).out);
    expect(sessions.map(({ key, messages }: { key: string; messages: number }) => [key, messages])).toEqual([
      ["agent:main:main", 2],
    ]);
  });

  test("a word stops an answer, another one begins anew with a model", async () => {
    await configure(withModel("t/stall"));
    await startGateway();
    const chat = startProgram(["chat"], { home, terminal: true });
    await chat.until(/> $/);
    for (const word of ["stop", "/stop"]) {
      const from = chat.out().length;
      chat.type("count\n");
      await chat.until(/One two three\./, from);
      chat.type(`${word}\n`);
      await chat.until(/The answer was stopped\r\n.*> /, from);
    }
    chat.type("/new echo/echo\n");
    await chat.until(/It begins anew/);
    chat.type("Who?\n");
    await chat.until(/You said: Who\?\r\n.*> /);
    chat.type("/reset t/stall and count\n");
    await chat.until(/and count\r\nOne two three\./);
  });

  test("Ctrl-C stops an answer, twice it leaves", async () => {
    await configure(withModel("t/stall"));
    await startGateway();
    const chat = startProgram(["chat"], { home, terminal: true });
    await chat.until(/> $/);
    chat.type("count\n");
    await chat.until(/One two three\./);
    chat.type("\u0003");
    await chat.until(/The answer was stopped\r\n.*> /);
    chat.type("\n");
    const before = chat.out().length;
    await chat.until(/> /, before);
    await notAnEcho();
    chat.type("\u0003");
    await chat.until(/Ctrl-C again leaves/);
    await notAnEcho();
    chat.type("\u0003");
    expect(await chat.exited).toBe(0);
  });

  test("without colours where they are not wanted", async () => {
    await startGateway();
    for (const [env, styled] of [
      [{}, true],
      [{ NO_COLOR: "1" }, false],
    ] as const) {
      const chat = startProgram(["chat"], { home, terminal: true, env });
      await chat.until(/> /);
      expect(chat.out().includes("\u001b[1m")).toBe(styled);
      chat.type("/quit\n");
      expect(await chat.exited).toBe(0);
    }
  });
});

describe("exit codes", () => {
  test("2: called wrongly", async () => {
    expect(await gateway(["rnu"])).toMatchObject({ code: 2, out: "" });
    expect(await gateway(["run", "--prot", "1"])).toMatchObject({ code: 2, out: "" });
  });

  test("69: no gateway", async () => {
    const { port, signal, exited } = await startGateway();
    signal("SIGTERM");
    expect(await exited).toBe(0);
    const { code, err } = await gateway(["status", "--url", `ws://127.0.0.1:${port}/ws`]);
    expect([code, err]).toEqual([69, expect.stringContaining("connection refused\nIs it running?")]);
  });

  test("75: the state directory or the port is taken, and by whom", async () => {
    const { port, pid } = await startGateway();
    const { code, err } = await gateway(["run", "--port", "0"]);
    expect([code, err]).toEqual([
      75,
      `Cannot use state directory "${home}/.clawdbot": another gateway (process ${pid}, http://127.0.0.1:${port}) has it\n`,
    ]);
    const other = await gateway(["run", "--port", port, "--state-dir", `${home}/other`]);
    expect([other.code, other.err]).toEqual([
      75,
      `Cannot listen on 127.0.0.1:${port}: another gateway is there already\n`,
    ]);
  });

  test("77: the credential is refused", async () => {
    await startGateway(["--token", "the-token-of-this-test"]);
    const { code, err } = await gateway(["status", "--token", "another-one"]);
    expect([code, err]).toEqual([77, expect.stringContaining("The credential is from --token.")]);
    expect(await gateway(["status", "--token", "the-token-of-this-test"])).toMatchObject({ code: 0 });
  });

  test("78: the configuration is invalid, with the place and the nearest key", async () => {
    await configure('{\n  "gateway": { "prt": 1 }\n}');
    const said = `${home}/.clawdbot/moltbot.json:2:16: Cannot use "gateway.prt": there is no such key, did you mean "gateway.port"\n`;
    expect(await gateway(["run"])).toEqual({ code: 78, out: "", err: said });
    expect(await gateway(["token"])).toEqual({ code: 78, out: "", err: said });
    const bind = await gateway(["run", "--config", `${home}/none.json`]);
    expect([bind.code, bind.err]).toEqual([78, expect.stringContaining("there is no such file")]);
  });

  test("1: a token nobody can read", async () => {
    expect(await gateway(["token"])).toMatchObject({ code: 1 });
    await configure({ gateway: { auth: { mode: "none" } } });
    const { code, err } = await gateway(["token"]);
    expect([code, err]).toEqual([
      1,
      'Cannot print the token: this gateway has none, gateway.auth.mode is "none"\n',
    ]);
  });
});

/** The same signal again at once counts as the first one, forwarded; nothing but time tells them apart. */
const notAnEcho = (): Promise<void> => Bun.sleep(100);

test("the end of a run: SIGTERM drains, a second one does not wait", async () => {
  await configure(withModel("t/stall"));
  const running = await startGateway();
  const chat = startProgram(["chat", "count"], { home });
  await chat.until(/three\./);
  running.signal("SIGTERM");
  await running.until(/gateway stopping/);
  await notAnEcho();
  running.signal("SIGTERM");
  expect(await running.exited).toBe(143);
});
