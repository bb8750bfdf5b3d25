/** What lets the command line in on the gateway's own machine, whatever its configuration says by now. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, readFile, stat } from "node:fs/promises";
import { tempDir } from "../support/temp.ts";
import { endPrograms, type Program, runProgram, startProgram } from "./program.ts";

afterEach(endPrograms);

setDefaultTimeout(60_000);

const OLD = "the-token-that-is-in-force-0123456789";
const NEW = "the-token-that-is-written-by-now-0123";

let home: string;
const path = (): string => `${home}/.clawdbot/moltbot.json`;

beforeEach(async () => {
  home = tempDir();
  await mkdir(`${home}/.clawdbot`, { mode: 0o700 });
});

const write = (auth: object): Promise<number> =>
  Bun.write(
    path(),
    JSON.stringify({
      gateway: { port: 0, auth, reload: { mode: "hot", debounceMs: 10 } },
      agents: { defaults: { model: "echo/echo" } },
    }),
  );

async function start(args: readonly string[] = [], env: Record<string, string> = {}) {
  const program = startProgram(["run", ...args], { home, env: { OLLAMA_HOST: "127.0.0.1:9", ...env } });
  const [, url = ""] = await program.until(/gateway listening url=(http:\/\/127\.0\.0\.1:\d+)/);
  return { ...program, url };
}

const gateway = (...args: string[]) => runProgram(args, { home });

async function localToken(): Promise<string> {
  const { localToken: token } = JSON.parse(await readFile(`${home}/.clawdbot/gateway.json`, "utf8"));
  return String(token);
}

/** How the gateway answers a bearer. */
async function answerOf(url: string, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  return (await fetch(`${url}/schema`, { headers })).status;
}

describe("a credential that is written and not in force yet", () => {
  test.each([
    ["token", NEW],
    ["password", "a-password-of-some-length"],
    ["mode", "none"],
  ])("%s: every command still gets in, and what it restarts asks for the new one", async (key, value) => {
    await write({ token: OLD });
    const running = await start();
    if (key !== "token") await gateway("config", "unset", "gateway.auth.token");
    expect(await gateway("config", "set", `gateway.auth.${key}`, value)).toMatchObject({ code: 0 });
    const before = await localToken();
    // More of them than wrong tries that are allowed.
    for (let n = 0; n < 12; n++) expect(await gateway("call", "health")).toMatchObject({ code: 0 });
    expect(await answerOf(running.url, OLD)).toBe(200);
    expect(await gateway("status")).toMatchObject({ code: 0, err: "" });
    expect(await gateway("restart")).toMatchObject({ code: 0 });
    expect(await localToken()).toBe(before);
    expect(await gateway("status")).toMatchObject({ code: 0 });
    expect(await answerOf(running.url, before)).toBe(200);
    expect(await answerOf(running.url, OLD)).toBe(key === "mode" ? 200 : 401);
    if (key !== "mode") expect(await answerOf(running.url, value)).toBe(200);
    expect(await gateway("config", "rollback")).toMatchObject({ code: 0 });
    expect(running.out() + running.err()).not.toContain(before);
  });
});

test("a service's variables and options need not be known to the terminal", async () => {
  await write({ password: "${GW_PASS}" });
  const service = await start([], { GW_PASS: "known to the service alone" });
  expect(await gateway("status")).toMatchObject({ code: 0, err: "" });
  expect(await gateway("restart", "--now")).toMatchObject({ code: 0 });
  service.signal("SIGTERM");
  expect(await service.exited).toBe(0);
  await write({});
  await start(["--token", OLD]);
  expect(await gateway("status")).toMatchObject({ code: 0, err: "" });
  expect(await gateway("restart")).toMatchObject({ code: 0 });
});

test("the local token ends with the process, is the owner's alone and in no answer", async () => {
  await write({ token: OLD });
  const first = await start();
  const token = await localToken();
  expect(token).toMatch(/^[\w-]{43}$/);
  expect((await stat(`${home}/.clawdbot/gateway.json`)).mode & 0o777).toBe(0o600);
  const answers = [
    await gateway("status", "--json"),
    await gateway("config", "get", "--json"),
    await gateway("config", "explain", "--json"),
    await gateway("call", "system-presence"),
    await gateway("token"),
  ];
  expect(JSON.stringify(answers)).not.toContain(token);
  first.signal("SIGKILL");
  await first.exited;
  const second = await start();
  expect(await localToken()).not.toBe(token);
  expect(await answerOf(second.url, token)).toBe(401);
  expect(second.out() + second.err() + first.out() + first.err()).not.toContain(token);
});

describe("a conversation", () => {
  async function converse(): Promise<Program> {
    const chat = startProgram(["chat"], { home, terminal: true });
    await chat.until(/help shows/);
    return chat;
  }

  async function goesOn(chat: Program): Promise<void> {
    chat.type("Still there?\n");
    await chat.until(/You said: Still there\?/);
    chat.type("/quit\n");
    expect(await chat.exited).toBe(0);
  }

  test("goes on when the token changes", async () => {
    await write({ token: OLD });
    await start();
    const chat = await converse();
    expect(await gateway("config", "set", "gateway.auth.token", NEW, "--now")).toMatchObject({ code: 0 });
    await chat.until(/Connected again/);
    await goesOn(chat);
  });

  test("goes on with the next process, which has another local token and another configured one", async () => {
    const port = Bun.serve({ port: 0, fetch: () => new Response() });
    const free = String(port.port);
    await port.stop(true);
    await write({ token: OLD });
    const first = await start(["--port", free]);
    const chat = await converse();
    first.signal("SIGTERM");
    await first.exited;
    await write({ token: NEW });
    await start(["--port", free]);
    await chat.until(/Connected again/);
    await goesOn(chat);
  });
});
