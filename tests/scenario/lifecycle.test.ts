/** How the built gateway starts, refuses to start, and ends. */
import { describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { BINARY } from "../../scripts/build.ts";
import { GatewayError } from "../../src/client/mod.ts";
import { CLOSE } from "../../src/contract/errors.ts";
import {
  createHome,
  type Gateway,
  type Home,
  runBinary,
  spawn,
  startGateway,
  startOnTerminal,
} from "../support/binary.ts";
import { type OpenAiServer, startOpenAiServer } from "../support/openai-server.ts";
import { openDeaf, rawRequest } from "../support/raw.ts";
import { listen, type Listener } from "../support/sdk.ts";
import { socketWire } from "../support/wires.ts";

const FAULTY = [
  process.execPath,
  "run",
  "--no-install",
  join(import.meta.dir, "../support/faulty.ts"),
  "run",
];

/** More than the wait for whatever is missing, which says what that was; a stop alone may take 5 s. */
setDefaultTimeout(30_000);

interface Slow {
  readonly home: Home;
  readonly gateway: Gateway;
  readonly models: OpenAiServer;
  readonly person: Listener;
}

/** A gateway, in place of the binary if one is named, whose model says a word for each `release`. */
async function startSlow(command?: readonly string[]): Promise<Slow> {
  const models = await startOpenAiServer();
  onTestFinished(() => models.stop());
  models.on("slow", { kind: "answer", text: ["One ", "two ", "three."], gated: true });
  const home = createHome({
    agents: { defaults: { model: "test/slow" } },
    models: { providers: { test: { baseUrl: models.url } } },
  });
  const gateway = await startGateway(home, command && { command });
  return { home, gateway, models, person: await enter(gateway) };
}

/** A client that stays away once it is sent away. */
function enter(gateway: Gateway): Promise<Listener> {
  return listen(gateway, { token: gateway.token(), reconnect: false });
}

/** A run that has said its first word; the rest waits for `release`. */
async function begin({ person, models }: Slow, sessionKey: string) {
  const { runId } = await person.client.call("chat.send", { sessionKey, message: "Count" });
  const request = await models.next();
  request.release(2);
  await person.chat(runId, "delta");
  return { runId, request };
}

const shutdown = (person: Listener) => person.until("shutdown", ({ event }) => event === "shutdown");

/** The events that end a client's time here, in order, and the code its socket was closed with. */
async function farewell(person: Listener): Promise<{ events: string[]; closeCode: number | undefined }> {
  const closed = await person.until(
    "close",
    ({ event, payload }) => event === "state" && payload["name"] === "closed",
  );
  const from = person.told.findIndex(({ event }) => event === "shutdown");
  const events = person.told
    .slice(from)
    .filter(({ event, payload }) => event !== "chat" || payload["state"] !== "delta")
    .map(({ event, payload }) => [event, payload["state"], payload["name"]].filter(Boolean).join(" "));
  const { error } = closed.payload;
  return { events, closeCode: error instanceof GatewayError ? error.closeCode : undefined };
}

describe("stop", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s: clients are told, then closed, and the code is 0",
    async (signal) => {
      const gateway = await startGateway(createHome());
      const person = await enter(gateway);
      const stranger = await socketWire(gateway.url, "").open({ headers: {} });
      expect(await stranger.next()).toMatchObject({ frame: expect.stringContaining("connect.challenge") });
      expect(await gateway.stop(signal)).toBe(0);
      expect((await shutdown(person)).payload).toEqual({
        reason: `stopped by ${signal}`,
        restartExpectedMs: 0,
      });
      expect(await farewell(person)).toEqual({
        events: ["shutdown", "state closed"],
        closeCode: CLOSE.shutdown,
      });
      // One that has not said who it is hears no event.
      expect(await stranger.next()).toEqual({ closed: CLOSE.shutdown });
      expect(gateway.log.map(({ level, msg }) => [level, msg]).slice(-2)).toEqual([
        ["info", "gateway stopping"],
        ["info", "gateway stopped"],
      ]);
      expect(gateway.stdout()).toBe("");
    },
  );

  test("a run that ends in time is whole; meanwhile nothing new comes in", async () => {
    const slow = await startSlow();
    const { home, gateway, person } = slow;
    const { runId, request } = await begin(slow, "main");
    const queued = await person.client.call("chat.send", { sessionKey: "main", message: "And again" });
    const waiting = person.client.call("agent.wait", { runId });
    // Taken in order: when this one is answered, the one before is being worked on.
    await person.client.call("health");

    gateway.signal("SIGTERM");
    await shutdown(person);
    const { reason } = await person.chat(queued.runId, "aborted");
    expect(reason).toBe("shutdown");
    for (const attempt of [
      person.client.call("health"),
      person.client.call("chat.send", { sessionKey: "late", message: "Let me in" }),
    ])
      expect(await attempt.catch((error: unknown) => error)).toMatchObject({
        code: "unavailable",
        from: "gateway",
      });
    const newcomer = rawRequest(gateway.port, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(await newcomer.catch((error: unknown) => error)).toMatchObject({ code: "ECONNREFUSED" });

    request.release(100);
    const { message } = await person.chat(runId, "final");
    expect(await waiting).toMatchObject({ runId, status: "ok" });
    expect(await gateway.exited()).toBe(0);
    expect((await request.ended).how).toBe("answered");
    expect(message.content).toEqual([{ type: "text", text: "One two three." }]);
    const { events, closeCode } = await farewell(person);
    expect(closeCode).toBe(CLOSE.shutdown);
    expect(events.filter((event) => /^(shutdown|chat|state)/.test(event))).toEqual([
      "shutdown",
      "chat aborted",
      "chat final",
      "state closed",
    ]);
    expect(existsSync(join(home.stateDir, "gateway.json"))).toBe(false);
    const again = await enter(await startGateway(home));
    const { messages } = await again.client.call("chat.history", { sessionKey: "main" });
    expect(messages.map(({ role, status }) => [role, status])).toEqual([
      ["user", undefined],
      ["user", undefined],
      ["assistant", "interrupted"],
      ["assistant", undefined],
    ]);
    expect(messages.at(-1)).toEqual(message);
  });

  test("a run that does not end in time is cut, and what it said is kept", async () => {
    const slow = await startSlow();
    const { home, gateway, person } = slow;
    const { runId, request } = await begin(slow, "main");
    const waiting = person.client.call("agent.wait", { runId });
    await person.client.call("health");
    gateway.signal("SIGTERM");
    const { reason, message } = await person.chat(runId, "aborted");
    expect([reason, message?.status]).toEqual(["shutdown", "interrupted"]);
    expect(message?.content).toEqual([{ type: "text", text: "One " }]);
    expect(await waiting).toMatchObject({ status: "interrupted" });
    expect((await request.ended).how).toBe("aborted");
    expect(await gateway.exited()).toBe(0);
    expect((await farewell(person)).closeCode).toBe(CLOSE.shutdown);
    const again = await enter(await startGateway(home));
    const { messages } = await again.client.call("chat.history", { sessionKey: "main" });
    expect(messages.at(-1)).toEqual(message as NonNullable<typeof message>);
    expect(await again.client.call("agent.wait", { runId })).toMatchObject({ status: "interrupted" });
  });

  test("a request over HTTP that is being worked on gets its answer", async () => {
    const slow = await startSlow();
    const { gateway, person } = slow;
    const { runId, request } = await begin(slow, "main");
    await person.client.close();
    const headers = { authorization: `Bearer ${gateway.token()}`, "content-type": "application/json" };
    const body = JSON.stringify({ id: 1, method: "agent.wait", params: { runId } });
    const waiting = fetch(`${gateway.url}/rpc`, { method: "POST", headers, body });
    const isTaken = async (): Promise<boolean> =>
      /^gateway_requests_active 1$/m.test(await (await fetch(`${gateway.url}/metrics`, { headers })).text());
    while (!(await isTaken()));
    gateway.signal("SIGTERM");
    await gateway.logged("gateway stopping");
    request.release(100);
    expect(await (await waiting).json()).toMatchObject({ id: 1, result: { status: "ok" } });
    expect(await gateway.exited()).toBe(0);
  });

  test("a second signal does not wait", async () => {
    const slow = await startSlow();
    const { home, gateway, person } = slow;
    await begin(slow, "main");
    gateway.signal("SIGTERM");
    await shutdown(person);
    expect(await gateway.stop("SIGINT")).toBe(130);
    expect(gateway.log.map(({ msg }) => msg)).not.toContain("gateway stopped");
    const again = await enter(await startGateway(home));
    const { messages } = await again.client.call("chat.history", { sessionKey: "main" });
    expect(messages.map(({ role, status }) => [role, status])).toEqual([
      ["user", undefined],
      ["assistant", "interrupted"],
    ]);
  });

  test("a client that does not read does not hold it up", async () => {
    const gateway = await startGateway(createHome({ gateway: { log: { level: "debug" } } }));
    const person = await enter(gateway);
    const deaf = await openDeaf(gateway.port, gateway.token());
    const gone = (): unknown[] =>
      gateway.log.filter(({ msg }) => msg === "client gone").map(({ code }) => code);
    // The echo's answers, until they are more than the system and the gateway keep for it.
    const message = "x".repeat(390_000);
    for (let count = 0; count < 100 && gone().length === 0; count += 1) {
      const sent = await person.client.call("chat.send", { sessionKey: `session ${count}`, message });
      await person.chat(sent.runId, "final");
    }
    expect(gone()).toEqual([CLOSE.slow]);
    expect(await gateway.stop()).toBe(0);
    expect((await farewell(person)).closeCode).toBe(CLOSE.shutdown);
    expect(gone()).toEqual([CLOSE.slow, CLOSE.shutdown]);
    deaf.socket.destroy();
  });

  test.each(["throw", "rejection"])(
    "an uncaught error (%s) is logged once, runs may end, the code is 1",
    async (kind) => {
      const slow = await startSlow(FAULTY);
      const { gateway, person } = slow;
      const { runId, request } = await begin(slow, "main");
      gateway.type(`${kind}\n`);
      expect((await shutdown(person)).payload["reason"]).toBe("stopped by an internal error");
      // What comes after it is mostly its consequence.
      gateway.type("throw\nrejection\n");
      await gateway.shown(/^(?:\w+ done\n){3}$/);
      request.release(100);
      expect((await person.chat(runId, "final")).message.content).toEqual([
        { type: "text", text: "One two three." },
      ]);
      expect(await gateway.exited()).toBe(1);
      expect((await farewell(person)).closeCode).toBe(CLOSE.shutdown);
      const errors = gateway.log.filter(({ level }) => level === "error");
      expect(errors.map(({ msg }) => msg)).toEqual(["uncaught error, stopping"]);
      expect(errors[0]?.["error"]).toStartWith(`Error: fault: ${kind}`);
      expect(gateway.log.at(-1)?.msg).toBe("gateway stopped");
      expect(gateway.stderr().split("\n").filter(Boolean).length).toBe(gateway.log.length);
    },
  );
});

describe("one of a kind", () => {
  test("a port that another gateway has: 75", async () => {
    const { port, exited, signal } = await startGateway(createHome());
    const home = createHome();
    const second = await runBinary(home, ["run", "--port", String(port)]);
    const stderr = `Cannot listen on 127.0.0.1:${port}: another gateway is there already\n`;
    expect(second).toEqual({ code: 75, stdout: "", stderr });
    signal("SIGTERM");
    await exited();
    // It has left nothing behind that would keep it from starting now.
    expect((await startGateway(home, { args: ["--port", String(port)] })).port).toBe(port);
  });

  test("a port that another program has: 75", async () => {
    const server = createServer((socket) => socket.end("220 mail.example ESMTP\r\n"));
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const stderr = `Cannot listen on 127.0.0.1:${port}: another program has the port\n`;
    expect(await runBinary(createHome(), ["run", "--port", String(port)])).toEqual({
      code: 75,
      stdout: "",
      stderr,
    });
  });

  test("a state directory that another gateway has: 75, with its process and address", async () => {
    const home = createHome();
    const first = await startGateway(home);
    const second = await runBinary(home, ["run", "--port", "0"]);
    const who = `another gateway (process ${first.pid}, ${first.url}) has it`;
    const stderr = `Cannot use state directory "${home.stateDir}": ${who}\n`;
    expect(second).toEqual({ code: 75, stdout: "", stderr });
    const { client } = await enter(first);
    expect(await client.call("health")).toMatchObject({ ok: true });
  });

  test("of ten that start at once on an empty home exactly one serves", async () => {
    const home = createHome();
    const command = [BINARY, "run", "--port", "0", "--log-format", "json"];
    const all = Array.from({ length: 10 }, () => spawn(home, command));
    const outcomes = await Promise.all(
      all.map((one) =>
        Promise.race([one.logged("gateway listening").catch(() => one.exited()), one.exited()]),
      ),
    );
    const serving = outcomes.filter((outcome) => typeof outcome === "object");
    expect({ serving, said: all.map((one) => one.stderr()) }).toMatchObject({ serving: [{}] });
    expect(outcomes.filter((outcome) => typeof outcome === "number")).toEqual(
      Array.from({ length: 9 }, () => 75),
    );
    for (const one of all) {
      if (one.log.length > 0) continue;
      expect(one.stderr()).toMatch(
        /^Cannot use state directory ".*": another gateway( \(process \d+, http:.*\))? has it\n$/,
      );
    }
    expect((await fetch(`${String(serving[0]?.["url"])}/healthz`)).status).toBe(200);
  });

  test("one that was killed is no obstacle", async () => {
    const home = createHome();
    const first = await startGateway(home);
    expect(await first.stop("SIGKILL")).toBe(137);
    expect(existsSync(join(home.stateDir, "gateway.json"))).toBe(true);
    const second = await startGateway(home, { args: ["--port", String(first.port)] });
    expect(second.token()).toBe(first.token());
    expect(await runBinary(home, ["call", "health", "--json"])).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("a configuration that cannot be used: 78, and where", () => {
  test.each([
    ['{ "gateway": { "port": 1 }, }}', '1:30: Cannot read configuration: something follows the last "}"'],
    [
      '{\n  // mine\n  "gateway": { "prot": 1 }\n}',
      '3:16: Cannot use "gateway.prot": there is no such key, did you mean',
    ],
    [
      '{\n  "gateway": {\n    "bind": "everywhere"\n  }\n}',
      '3:13: Cannot use "gateway.bind": wanted "loopback", "lan", "tailnet" or an IP address',
    ],
  ])("%j", async (text, message) => {
    const home = createHome(text);
    const { code, stdout, stderr } = await runBinary(home, ["run", "--port", "0"]);
    expect([code, stdout]).toEqual([78, ""]);
    expect(stderr).toStartWith(`${home.configPath}:${message}`);
    expect(stderr.trimEnd()).not.toContain("\n");
    expect(existsSync(join(home.stateDir, "gateway.token"))).toBe(false);
  });
});

describe("the token", () => {
  const shows = /Ctrl-C stops it/;

  test("is shown once on a terminal, in a command that works as it stands", async () => {
    const home = createHome();
    const first = startOnTerminal(home, ["run", "--port", "0"]);
    await first.shown(shows);
    const [, typed = ""] = await first.shown(/^ +gateway (call health .*--token \S+)\r$/m);
    const token = typed.split(" ").at(-1) ?? "";
    expect(token).toMatch(/^[\w-]{43}$/);
    // From a home whose files are no help.
    expect(await runBinary(createHome(), typed.split(" "))).toMatchObject({ code: 0, stderr: "" });
    first.type("\x03");
    expect(await first.exited()).toBe(0);
    expect(first.printed().split(token).length - 1).toBe(1);

    const second = startOnTerminal(home, ["run", "--port", "0"]);
    await second.shown(shows);
    second.type("\x03");
    expect(await second.exited()).toBe(0);
    expect(second.printed()).not.toContain(token);
    expect(await runBinary(home, ["token"])).toEqual({ code: 0, stdout: `${token}\n`, stderr: "" });
  });

  test.each(["json", "text"])("is shown nowhere when there is no terminal (%s)", async (format) => {
    const home = createHome({ gateway: { log: { level: "debug" } } });
    for (const start of ["first", "second"]) {
      const gateway = await startGateway(home, { args: ["--log-format", format] });
      const person = await enter(gateway);
      const { runId } = await person.client.call("chat.send", { sessionKey: start, message: "Hello" });
      await person.chat(runId, "final");
      expect(await gateway.stop()).toBe(0);
      expect(gateway.stdout()).toBe("");
      expect(gateway.stderr()).toContain("client ready");
      expect(gateway.printed()).not.toContain(gateway.token());
    }
  });
});
