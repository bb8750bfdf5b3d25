// Servers of tools as programs, which behave.
import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { callTool, createMcpKit, isAlive, stdioServer, stopMcpKits } from "../../support/mcp-tools.ts";
import { tempDir } from "../../support/temp.ts";
import { createFakeTime } from "../../support/time.ts";

afterEach(stopMcpKits);

test("the tools of a server are told with its name, page by page, and answer", async () => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer() } } });
  const set = await kit.open();
  expect(set.specs.map(({ name }) => name)).toContain("test__echo");
  expect(set.specs.length).toBeGreaterThan(10);
  expect(set.specs.find(({ name }) => name === "test__echo")).toEqual({
    name: "test__echo",
    description: "Does echo",
    inputSchema: { type: "object", properties: {} },
  });
  expect(await callTool(set, "test__echo", { said: "hello" })).toEqual({ text: "hello", isError: false });
  expect(await callTool(set, "test__echo", "")).toEqual({ text: "{}", isError: false });
});

test("what a server refuses, a failed tool, no tool and no arguments are answers, not throws", async () => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer() } } });
  const set = await kit.open();
  expect(await callTool(set, "test__fail")).toEqual({ text: "it did not work", isError: true });
  const none = await callTool(set, "other__tool");
  expect(none).toEqual({ text: 'Cannot call tool "other__tool": there is no such tool', isError: true });
  for (const args of ["{", "[]", "7", "null"]) {
    const answer = await callTool(set, "test__echo", args);
    expect(answer).toEqual({
      text: 'Cannot call tool "test__echo": its arguments are no JSON object',
      isError: true,
    });
  }
});

test("nothing is offered to a server, and what it asks for is refused", async () => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer() } } });
  const set = await kit.open();
  expect(await callTool(set, "test__offered")).toEqual({ text: "{}", isError: false });
  for (const method of ["sampling/createMessage", "elicitation/create", "roots/list", "nobody/knows"]) {
    const { text } = await callTool(set, "test__ask", { method });
    expect(JSON.parse(text)).toMatchObject({ code: -32601 });
  }
});

test("a program gets its own directory, what it needs of our environment, and no more", async () => {
  const cwd = tempDir();
  const kit = createMcpKit(
    {
      mcp: {
        servers: {
          here: stdioServer(),
          there: stdioServer("faithful", { cwd, env: { ITS_OWN: "1", BOTH: "server" } }),
        },
      },
    },
    { env: { ...process.env, SECRET_OF_OURS: "yes", LANG: "C.UTF-8" } },
  );
  const set = await kit.open({ env: { OF_THE_AGENT: "2", BOTH: "agent" } });
  expect((await callTool(set, "here__cwd")).text).toBe(realpathSync(kit.workspace));
  expect((await callTool(set, "there__cwd")).text).toBe(realpathSync(cwd));
  const env = JSON.parse((await callTool(set, "there__env")).text);
  expect(env).toMatchObject({ ITS_OWN: "1", OF_THE_AGENT: "2", BOTH: "server", LANG: "C.UTF-8" });
  expect(env.SECRET_OF_OURS).toBeUndefined();
});

test("a directory is relative to the workspace, and ~ is the home directory", async () => {
  const home = tempDir();
  const kit = createMcpKit(
    {
      mcp: {
        servers: { a: stdioServer("faithful", { cwd: "sub" }), b: stdioServer("faithful", { cwd: "~" }) },
      },
    },
    { env: { PATH: process.env["PATH"], HOME: home } },
  );
  mkdirSync(join(kit.workspace, "sub"));
  const set = await kit.open();
  expect((await callTool(set, "a__cwd")).text).toBe(realpathSync(join(kit.workspace, "sub")));
  expect((await callTool(set, "b__cwd")).text).toBe(realpathSync(home));
});

test("a workspace that is not there yet is made, another directory is not", async () => {
  const workspace = join(tempDir(), "deep", "clawd");
  const cwd = join(tempDir(), "missing");
  const servers = { here: stdioServer(), there: stdioServer("faithful", { cwd }) };
  const kit = createMcpKit({ mcp: { servers } });
  const set = await kit.open({ workspace });
  expect((await callTool(set, "here__cwd")).text).toBe(realpathSync(workspace));
  expect((await kit.logged("tools server cannot be started")).fields).toMatchObject({
    server: "there",
    reason: `its directory "${cwd}" is not there`,
  });
});

test("a cancelled call ends at once, and the server is told", async () => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer() } } });
  const set = await kit.open();
  const abort = new AbortController();
  const hanging = callTool(set, "test__hang", {}, { signal: abort.signal });
  // Its answer shows that the other call has come as well.
  await callTool(set, "test__echo");
  abort.abort();
  expect(await hanging).toEqual({
    text: 'Cannot call tool "hang" of "test": it was cancelled',
    isError: true,
  });
  const seen = JSON.parse((await callTool(set, "test__seen")).text);
  expect(seen).toContainEqual(
    expect.objectContaining({
      method: "notifications/cancelled",
      params: expect.objectContaining({ reason: "it was cancelled" }),
    }),
  );
  const before = await callTool(set, "test__echo", {}, { signal: AbortSignal.abort() });
  expect(before.text).toContain("it was cancelled");
});

test("a call that takes longer than its server may is an error", async () => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer("faithful", { timeoutSeconds: 1 }) } } });
  const set = await kit.open();
  expect(await callTool(set, "test__hang")).toEqual({
    text: 'Cannot call tool "hang" of "test": it did not answer in 1 s',
    isError: true,
  });
});

test("progress comes in words, as often as a person can follow", async () => {
  let nowMs = 0;
  const clock = { now: () => 0, elapsed: () => (nowMs += 40), dayStart: () => 0 };
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer() } } }, { clock });
  const set = await kit.open();
  const updates: string[] = [];
  const onUpdate = (text: string): void => void updates.push(text);
  expect(await callTool(set, "test__progress", { steps: 9 }, { onUpdate })).toEqual({
    text: "done",
    isError: false,
  });
  expect(updates).toEqual(["1 of 9", "4 of 9", "7 of 9"]);
  updates.length = 0;
  await callTool(set, "test__progress", { steps: 1, message: "m".repeat(5_000) }, { onUpdate });
  expect(updates).toEqual(["m".repeat(1_000)]);
});

test("progress that comes together with its answer is told before it", async () => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer() } } });
  const set = await kit.open();
  const updates: string[] = [];
  const answer = await callTool(set, "test__burst", {}, { onUpdate: (text) => updates.push(text) });
  expect([answer.text, updates]).toEqual(["done", ["1"]]);
});

test("what changes while it is being listed is listed again", async () => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer("growing") } } });
  const set = await kit.open();
  for (let lists = 0; lists < 4; lists += 1) await kit.logged("tools server is ready");
  expect(set.specs.map(({ name }) => name).filter((name) => name.includes("late"))).toEqual([
    "test__late-1",
    "test__late-2",
    "test__late-3",
  ]);
});

test("tools that are new join the agents that are open", async () => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer() } } });
  const set = await kit.open();
  await kit.logged("tools server is ready");
  const before = set.specs.length;
  await callTool(set, "test__grow", { name: "fresh" });
  await kit.logged("tools server is ready");
  expect(set.specs.map(({ name }) => name)).toContain("test__fresh");
  expect(set.specs).toHaveLength(before + 1);
});

test("a server's log and what it prints go to our log, without its secrets and within a bound", async () => {
  const secret = "hunter2-canary";
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer("faithful", { env: { KEY: secret } }) } } });
  const set = await kit.open();
  await callTool(set, "test__log", { data: `with ${secret}` });
  await callTool(set, "test__stderr", { line: `printed ${secret}` });
  await callTool(set, "test__log", { data: { a: 1 }, lines: 200 });
  const said = kit.lines.filter(({ message }) => message === "tools server said");
  expect(said.map(({ fields }) => fields)).toContainEqual({
    server: "test",
    from: "log",
    text: "info: with ***",
  });
  expect(said.map(({ fields }) => fields["text"])).toContain('info: {"a":1}');
  expect(said.every(({ level }) => level === "debug")).toBe(true);
  expect(said.length).toBeLessThanOrEqual(50);
  expect(JSON.stringify(kit.lines)).not.toContain(secret);
});

test("only what the agent's policy and the server's own lists allow is told and can be called", async () => {
  const servers = { test: stdioServer("faithful", { allow: ["e*", "pid"], deny: ["env"] }) };
  const kit = createMcpKit({ mcp: { servers } });
  const set = await kit.open({ tools: { deny: ["test__ex*"] } });
  expect(set.specs.map(({ name }) => name).sort()).toEqual(["test__echo", "test__pid"]);
  for (const name of ["test__env", "test__exit", "test__fail"]) {
    expect((await callTool(set, name)).text).toBe(`Cannot call tool "${name}": there is no such tool`);
  }
  const strict = await kit.open({ tools: { allow: ["*__pid"] } });
  expect(strict.specs.map(({ name }) => name)).toEqual(["test__pid"]);
  const none = await kit.open({ tools: { allow: [] } });
  expect(none.specs).toEqual([]);
});

test("agents share a server that is the same for them, and have their own in its place", async () => {
  const tally = join(tempDir(), "starts");
  const common = stdioServer("faithful", { tally });
  const own = stdioServer("faithful", { tally, env: { OWN: "1" } });
  const kit = createMcpKit({
    mcp: { servers: { test: common, off: { ...common, enabled: false } } },
    agents: { list: [{ id: "other", mcp: { servers: { test: own } } }] },
  });
  const pidOf = async (changes: Parameters<typeof kit.open>[0]): Promise<string> =>
    (await callTool(await kit.open(changes), "test__pid")).text;
  const first = await pidOf({ sessionKey: "a" });
  expect(await pidOf({ sessionKey: "b" })).toBe(first);
  expect(await pidOf({ sessionKey: "c", tools: { allow: ["test__pid"] } })).toBe(first);
  expect(await pidOf({ sessionKey: "d", agentId: "other" })).not.toBe(first);
  expect(await pidOf({ sessionKey: "e", workspace: tempDir() })).not.toBe(first);
  expect(readFileSync(tally, "utf8").trim().split("\n")).toHaveLength(3);
  expect(kit.tools.status().map(({ name, state }) => [name, state])).toEqual(
    Array(3).fill(["test", "ready"]),
  );
});

test("the last session that lets go ends the program; stop ends all, and nothing starts after it", async () => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer() } } });
  const [a, b] = [await kit.open({ sessionKey: "a" }), await kit.open({ sessionKey: "b" })];
  const pid = Number((await callTool(a, "test__pid")).text);
  await kit.tools.close("a");
  expect(isAlive(pid)).toBe(true);
  await kit.tools.close("b");
  expect(isAlive(pid)).toBe(false);
  expect(kit.tools.status()).toMatchObject([{ name: "test", state: "idle", sessions: 0 }]);
  // A run that still has it starts it again.
  const again = Number((await callTool(b, "test__pid")).text);
  expect(isAlive(again)).toBe(true);
  const hanging = callTool(b, "test__hang");
  await kit.tools.stop();
  expect(isAlive(again)).toBe(false);
  expect(await hanging).toEqual({
    text: 'Cannot call tool "hang" of "test": it was stopped',
    isError: true,
  });
  expect(await callTool(b, "test__pid")).toEqual({
    text: 'Cannot call tool "pid" of "test": the gateway stops',
    isError: true,
  });
  expect((await kit.open()).specs).toEqual([]);
});

test("a server that is gone from the configuration ends when its calls have ended; others stay", async () => {
  const keeps = stdioServer();
  const kit = createMcpKit({ mcp: { servers: { keeps, goes: stdioServer(), changes: stdioServer() } } });
  const set = await kit.open();
  const pids = await Promise.all(
    ["keeps", "goes", "changes"].map(async (name) => Number((await callTool(set, `${name}__pid`)).text)),
  );
  const changes = stdioServer("faithful", { env: { NEW: "1" } });
  kit.configure({ mcp: { servers: { keeps: { ...keeps, timeoutSeconds: 9, deny: ["env"] }, changes } } });
  const next = await kit.open();
  expect(Number((await callTool(next, "keeps__pid")).text)).toBe(pids[0] ?? 0);
  expect(Number((await callTool(next, "changes__pid")).text)).not.toBe(pids[2]);
  expect(next.specs.some(({ name }) => name.startsWith("goes__"))).toBe(false);
  expect(next.specs.some(({ name }) => name === "keeps__env")).toBe(false);
  await kit.tools.stop();
  expect(pids.filter(isAlive)).toEqual([]);
  expect((await callTool(set, "goes__pid")).text).toBe(
    'Cannot call tool "pid" of "goes": it was taken out of the configuration',
  );
});

test("a call that is open when its server leaves the configuration may end, and then the program does", async () => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer() } } });
  const set = await kit.open();
  const pid = Number((await callTool(set, "test__pid")).text);
  const file = join(kit.workspace, "go");
  const open = callTool(set, "test__until", { file });
  kit.configure({});
  expect((await kit.open()).specs).toEqual([]);
  expect(isAlive(pid)).toBe(true);
  await Bun.write(file, "");
  expect(await open).toEqual({ text: "it is there", isError: false });
  await kit.tools.stop();
  expect(isAlive(pid)).toBe(false);
});

test("a call that does not end is cut when its server has left the configuration for 5 seconds", async () => {
  const time = createFakeTime();
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer() } } }, time);
  const set = await kit.open();
  const hanging = callTool(set, "test__hang");
  await callTool(set, "test__pid");
  kit.configure({});
  time.advance(4_999);
  expect((await callTool(set, "test__echo", { said: "still there" })).text).toBe("still there");
  time.advance(1);
  expect((await hanging).text).toBe('Cannot call tool "hang" of "test": it was stopped');
});

test("a server that is still being started ends with its last session, and with us", async () => {
  const tally = join(tempDir(), "starts");
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer("silent", { tally }) } } });
  const started = new Promise<void>((resolve) => {
    const look = (): void => void (existsSync(tally) ? resolve() : setTimeout(look, 5));
    look();
  });
  const open = kit.open({ sessionKey: "a" });
  await started;
  await kit.tools.close("a");
  expect((await open).specs).toEqual([]);
  expect(kit.tools.status()).toMatchObject([{ state: "idle" }]);
  const again = kit.open({ sessionKey: "b" });
  await kit.tools.stop();
  expect((await again).specs).toEqual([]);
  const pids = readFileSync(tally, "utf8").trim().split("\n").map(Number);
  expect(pids.filter(isAlive)).toEqual([]);
  expect(kit.lines.filter(({ level }) => level === "warn")).toEqual([]);
});

test("a server that has left the configuration ends though nobody asks for it again", async () => {
  const time = createFakeTime();
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer() } } }, time);
  await kit.open();
  kit.configure({}, "quietly");
  time.advance(1_999);
  expect(kit.tools.status()).toMatchObject([{ state: "ready" }]);
  time.advance(1);
  expect(kit.tools.status()).toEqual([]);
});
