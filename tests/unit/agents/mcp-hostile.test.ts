// Servers of tools that do what no server should. Whatever they do is an answer or a line of the log.
import { afterEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { callTool, createMcpKit, isAlive, stdioServer, stopMcpKits } from "../../support/mcp-tools.ts";
import { tempDir } from "../../support/temp.ts";
import { createFakeTime } from "../../support/time.ts";

afterEach(stopMcpKits);

const good = stdioServer();

test.each([
  ["dies", "it has ended with exit code 3"],
  ["dies-greeting", "it has ended with exit code 4"],
  ["dies-listing", "it has ended with exit code 5"],
  ["odd-version", "Server's protocol version is not supported: 1999-01-01"],
  ["no-list", "it lists its tools in a way nobody can read"],
])("a server that %s is left out and said once, and the others answer", async (mode, reason) => {
  const kit = createMcpKit({ mcp: { servers: { bad: stdioServer(mode), good } } });
  const set = await kit.open();
  expect(await kit.logged("tools server cannot be started")).toEqual({
    level: "warn",
    message: "tools server cannot be started",
    fields: { server: "bad", reason, againInMs: 30_000 },
  });
  expect(set.specs.some(({ name }) => name.startsWith("bad__"))).toBe(false);
  expect((await callTool(set, "good__echo", { said: "hi" })).text).toBe("hi");
  expect(kit.tools.status()[0]).toMatchObject({ name: "bad", state: "waiting", problem: reason, tools: 0 });
});

test("a program that is not there is left out", async () => {
  const kit = createMcpKit({ mcp: { servers: { bad: { command: "no-such-program-here" }, good } } });
  const set = await kit.open();
  const { fields } = await kit.logged("tools server cannot be started");
  expect(fields["reason"]).toBe('Cannot start program "no-such-program-here": there is no such program');
  expect(set.specs.length).toBeGreaterThan(0);
});

test("a server without tools is ready and has none", async () => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer("toolless") } } });
  expect((await kit.open()).specs).toEqual([]);
  expect(kit.tools.status()).toMatchObject([{ state: "ready", tools: 0 }]);
});

test("a silent server holds the first run up for its time and no later one, then it is given up", async () => {
  const time = createFakeTime();
  const tally = join(tempDir(), "starts");
  const kit = createMcpKit({ mcp: { servers: { bad: stdioServer("silent", { tally }), good } } }, time);
  const first = kit.open();
  const second = kit.open({ sessionKey: "b" });
  let isOpen = false;
  void first.then(() => (isOpen = true));
  await kit.logged("tools server is ready");
  time.advance(9_999);
  await Promise.resolve();
  expect(isOpen).toBe(false);
  time.advance(1);
  const set = await first;
  await second;
  expect((await callTool(set, "good__echo", { said: "hi" })).text).toBe("hi");
  // While it is still being started.
  await kit.open({ sessionKey: "c" });
  time.advance(10_000);
  await kit.logged("tools server cannot be started");
  expect(kit.tools.status()[0]).toMatchObject({ problem: "it did not answer in 20 s", state: "waiting" });
  await kit.open({ sessionKey: "d" });
  expect(readFileSync(tally, "utf8").trim().split("\n")).toHaveLength(1);
});

test("what is no message is passed over", async () => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer("garbage") } } });
  const set = await kit.open();
  expect((await callTool(set, "test__echo", { said: "hi" })).text).toBe("hi");
  const said = kit.lines.filter(({ message }) => message === "tools server said");
  expect(said.map(({ fields }) => fields["text"])).toContain("not a message: Listening!");
});

test.each([
  ["lines", "while :; do echo junk; done"],
  ["empty lines", "while :; do echo; done"],
  ["long lines", `while :; do echo ${"x".repeat(50_000)}; done`],
  ["answers to nothing", `while :; do echo '{"jsonrpc":"2.0","id":999,"result":{}}'; done`],
])("a program that writes %s without end and no messages is given up at once", async (_, script) => {
  const time = createFakeTime();
  const kit = createMcpKit({ mcp: { servers: { bad: { command: "sh", args: ["-c", script] } } } }, time);
  // Before the first run has to wait for it.
  expect((await kit.open()).specs).toEqual([]);
  expect(kit.tools.status()[0]?.problem).toBe("what it writes is not the Model Context Protocol");
});

test("a server that begins to write without end what is no message is ended", async () => {
  const begin = join(tempDir(), "begin");
  const script = `(until test -e ${begin}; do sleep 0.01; done; while :; do echo junk; done) & exec "$0" "$@"`;
  const { command, args } = stdioServer();
  const kit = createMcpKit({
    mcp: { servers: { test: { command: "sh", args: ["-c", script, command, ...args] } } },
  });
  const set = await kit.open();
  expect((await callTool(set, "test__echo", { said: "hi" })).text).toBe("hi");
  const { pid = 0 } = kit.tools.status()[0] ?? {};
  const hanging = callTool(set, "test__hang");
  await Bun.write(begin, "");
  expect((await hanging).text).toBe(
    'Cannot call tool "hang" of "test": what it writes is not the Model Context Protocol',
  );
  await kit.tools.stop();
  expect(isAlive(pid)).toBe(false);
});

test("a server that logs among its messages is none of these", async () => {
  const junk = "x".repeat(1_000);
  const script = `(for i in $(seq 900); do echo ${junk}; done); exec "$0" "$@"`;
  const { command, args } = stdioServer();
  const kit = createMcpKit({
    mcp: { servers: { test: { command: "sh", args: ["-c", script, command, ...args] } } },
  });
  expect((await callTool(await kit.open(), "test__echo", { said: "hi" })).text).toBe("hi");
});

test("a line without an end ends the server, not us", async () => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer("endless") } } });
  const set = await kit.open();
  const { pid = 0 } = kit.tools.status()[0] ?? {};
  expect((await callTool(set, "test__echo")).text).toBe(
    'Cannot call tool "echo" of "test": it sent a message of more than 16777216 bytes',
  );
  await kit.tools.stop();
  expect(isAlive(pid)).toBe(false);
});

test("a list without an end is cut, and an agent gets as many tools as models take", async () => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer("endless-list") } } });
  const set = await kit.open();
  expect(set.specs).toHaveLength(128);
  expect(kit.tools.status()).toMatchObject([{ tools: 1_000 }]);
  expect(await kit.logged("more tools than an agent can have")).toMatchObject({
    fields: { agent: "main", most: 128, left: 872 },
  });
});

test("bad tools are left out one by one, and every name is one that models take", async () => {
  const kit = createMcpKit({ mcp: { servers: { "my server": stdioServer("bad-tools") } } });
  const set = await kit.open();
  const names = set.specs.map(({ name }) => name);
  expect(names).toEqual([
    "my_server__good",
    expect.stringMatching(/^my_server__a_b_[0-9a-f]{8}$/),
    expect.stringMatching(/^my_server__a_b_[0-9a-f]{8}$/),
    expect.stringMatching(/^my_server__a_b_[0-9a-f]{8}$/),
    "my_server___[2Jevil_name_".replace("[", "_"),
    expect.stringMatching(/^my_server__n{44}_[0-9a-f]{8}$/),
  ]);
  expect(names.every((name) => /^[a-zA-Z0-9_-]{1,64}$/.test(name))).toBe(true);
  expect(new Set(names).size).toBe(names.length);
  expect(set.specs[0]?.description).toHaveLength(4_000);
  expect(set.specs[0]?.inputSchema).toEqual({ type: "object", properties: { a: {} } });
  expect((await kit.logged("tools left out")).fields).toMatchObject({ server: "my server", count: 11 });
});

test.each([
  ["exit", 'Cannot call tool "exit" of "test": it has ended with exit code 7'],
  ["kill", 'Cannot call tool "kill" of "test": it has ended with signal SIGKILL'],
])("a server that ends in the middle of a call (%s) is an error of that call", async (tool, text) => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer() } } });
  const set = await kit.open();
  const hanging = callTool(set, "test__hang");
  expect(await callTool(set, `test__${tool}`)).toEqual({ text, isError: true });
  expect(await hanging).toEqual({ text: text.replace(tool, "hang"), isError: true });
});

test("after a crash its tools are errors until it is back, each time after a longer wait", async () => {
  const time = createFakeTime();
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer() } } }, time);
  const set = await kit.open();
  await kit.logged("tools server is ready");
  for (const seconds of [1, 2, 4]) {
    const { pid } = kit.tools.status()[0] ?? {};
    await callTool(set, "test__exit");
    expect(set.specs.length).toBeGreaterThan(0);
    expect((await callTool(set, "test__echo")).text).toBe(
      'Cannot call tool "echo" of "test": it has ended with exit code 7; ' +
        `it is started again in ${seconds} s`,
    );
    time.advance(seconds * 1_000 - 1);
    expect(kit.tools.status()[0]?.state).toBe("waiting");
    time.advance(1);
    // A call that comes while it starts waits for it.
    expect((await callTool(set, "test__echo", { said: "back" })).text).toBe("back");
    expect(kit.tools.status()[0]?.pid).not.toBe(pid);
  }
  // It has lived for a while: an end counts as the first again.
  time.advance(60_000);
  await callTool(set, "test__exit");
  expect((await callTool(set, "test__echo")).text).toEndWith("it is started again in 1 s");
  const gone = kit.lines.filter(({ message }) => message === "tools server is gone");
  expect(gone.map(({ level }) => level)).toEqual(["warn", "debug", "debug", "warn"]);
});

test("a server that cannot be started is tried again later and later, its tools joining when it can", async () => {
  const time = createFakeTime();
  const tally = join(tempDir(), "starts");
  // Fails until the file is there.
  const script = `test -e ${tally} || exit 9; exec "$0" "$@"`;
  const { command, args } = stdioServer();
  const servers = { test: { command: "sh", args: ["-c", script, command, ...args] } };
  const kit = createMcpKit({ mcp: { servers } }, time);
  const set = await kit.open();
  for (const againInMs of [30_000, 60_000, 120_000]) {
    const { fields } = await kit.logged("tools server cannot be started");
    expect(fields).toEqual({ server: "test", reason: "it has ended with exit code 9", againInMs });
    if (againInMs === 120_000) await Bun.write(tally, "");
    time.advance(againInMs);
  }
  await kit.logged("tools server is ready");
  expect(set.specs.length).toBeGreaterThan(0);
  expect((await callTool(set, "test__echo", { said: "late" })).text).toBe("late");
});

test("a server nobody uses is ended, and started again by the next who does", async () => {
  const time = createFakeTime();
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer() } } }, time);
  const set = await kit.open();
  const first = Number((await callTool(set, "test__pid")).text);
  const hanging = callTool(set, "test__hang", {}, {});
  time.advance(100_000);
  await callTool(set, "test__pid");
  time.advance(599_999);
  // The open call has run out of its time; the server has been used until then.
  expect((await hanging).text).toContain("it did not answer in 120 s");
  expect(kit.tools.status()[0]?.state).toBe("ready");
  time.advance(599_999);
  expect(kit.tools.status()[0]?.state).toBe("ready");
  time.advance(1);
  expect(kit.tools.status()).toMatchObject([{ state: "idle", sessions: 0 }]);
  const again = await callTool(set, "test__pid");
  expect(isAlive(first)).toBe(false);
  expect(Number(again.text)).not.toBe(first);
});

test("a program that ignores the end of its input and SIGTERM is ended all the same", async () => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer("stubborn") } } });
  const set = await kit.open();
  const pid = Number((await callTool(set, "test__pid")).text);
  await kit.tools.stop();
  expect(isAlive(pid)).toBe(false);
}, 15_000);

test("what a server prints of the secrets it was given is in no line of ours", async () => {
  const env = { TEST_KEY: "hunter2-canary" };
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer("tells-secret", { env }) } } });
  await kit.open();
  await kit.logged("tools server cannot be started");
  const said = await kit.logged("tools server said");
  expect(said.fields).toEqual({ server: "test", from: "stderr", text: "my key is ***" });
  expect(JSON.stringify([kit.lines, kit.tools.status()])).not.toContain("hunter2");
});

test("a server that does not read any more is ended before what waits for it fills our memory", async () => {
  const kit = createMcpKit({ mcp: { servers: { test: stdioServer() } } });
  const set = await kit.open();
  const { pid = 0 } = kit.tools.status()[0] ?? {};
  await callTool(set, "test__deaf");
  const said = "x".repeat(1024 * 1024);
  const answers = await Promise.all(Array.from({ length: 10 }, () => callTool(set, "test__echo", { said })));
  const refusal = 'Cannot call tool "echo" of "test": it does not read what it is sent';
  expect(answers.filter(({ text, isError }) => !isError || !text.startsWith(refusal))).toEqual([]);
  await kit.tools.stop();
  expect(isAlive(pid)).toBe(false);
}, 15_000);
