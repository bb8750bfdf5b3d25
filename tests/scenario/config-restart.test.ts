/** What needs a restart: when it comes, what it ends, and what becomes of one that fails. */
import { describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import {
  backAgain,
  breaksOf,
  changedTo,
  type Configured,
  next,
  startConfigured,
} from "../support/configured.ts";
import { type OpenAiServer, startOpenAiServer } from "../support/openai-server.ts";
import { freePort, takePort } from "../support/tcp.ts";

setDefaultTimeout(60_000);

interface Written {
  readonly port?: number;
  readonly mode?: "off" | "hot" | "restart" | "hybrid";
  readonly frameBytesMax?: number;
  readonly timeoutSeconds?: number;
  /** Where the model `test/slow` is. */
  readonly models?: OpenAiServer;
}

function textOf({ port = 0, mode = "hybrid", frameBytesMax, timeoutSeconds, models }: Written): string {
  return JSON.stringify({
    gateway: {
      port,
      reload: { mode, debounceMs: 10 },
      ...(frameBytesMax !== undefined && { limits: { frameBytesMax } }),
    },
    agents: {
      defaults: {
        model: models ? "test/slow" : "echo/echo",
        ...(timeoutSeconds !== undefined && { timeoutSeconds }),
      },
    },
    ...(models && { models: { providers: { test: { baseUrl: models.url } } } }),
  });
}

async function startModels(): Promise<OpenAiServer> {
  const models = await startOpenAiServer();
  onTestFinished(() => models.stop());
  models.on("slow", { kind: "answer", text: ["One ", "two ", "three."], gated: true });
  return models;
}

/** A run that has said its first word; the rest waits for `release`. */
async function begin({ person }: Configured, models: OpenAiServer) {
  const { runId } = await person.client.call("chat.send", { sessionKey: "main", message: "Count" });
  const request = await models.next();
  request.release(2);
  await person.chat(runId, "delta");
  return { runId, request };
}

const OWED = "gateway.limits.frameBytesMax";

/** The value in force, and whether a newer one waits. */
async function explained({ person }: Configured, key = OWED) {
  const { value, restartOwed } = await person.client.call("config.explain", { key });
  return { value, restartOwed };
}

async function readyz({ gateway, token }: Configured): Promise<unknown> {
  const headers = { authorization: `Bearer ${token}` };
  return (await fetch(`${gateway.urls[0]}/readyz`, { headers })).json();
}

describe("a restart that is owed", () => {
  test("waits for the run that goes on; then the same port answers again", async () => {
    const models = await startModels();
    await using live = await startConfigured(textOf({ models }));
    const { person, path, gateway } = live;
    const { port } = gateway;
    const { runId, request } = await begin(live, models);

    const text = textOf({ models, frameBytesMax: 2 ** 21, timeoutSeconds: 77 });
    const changed = changedTo(person, text);
    writeFileSync(path, text);
    expect((await changed).payload).toMatchObject({
      changed: [OWED, "agents.defaults.timeoutSeconds"],
      restartOwed: [OWED],
    });
    // What can be is in force at once; the rest is remembered, wherever one may look.
    expect(await explained(live, "agents.defaults.timeoutSeconds")).toEqual({
      value: 77,
      restartOwed: false,
    });
    expect(await explained(live)).toEqual({ value: 2 ** 20, restartOwed: true });
    expect((await person.client.call("status")).config.restartOwed).toEqual([OWED]);
    expect((await person.client.call("config.get")).restartOwed).toEqual([OWED]);
    expect(await readyz(live)).toMatchObject({ restartOwed: [OWED] });
    expect(breaksOf(person)).toEqual([]);

    const gap = watchGap(`${gateway.urls[0]}/healthz`);
    const back = backAgain(person);
    request.release(100);
    const { message } = await person.chat(runId, "final");
    expect(message.content).toEqual([{ type: "text", text: "One two three." }]);
    await back;
    if (process.env["CONFIG_FULL"] !== undefined) console.log("ms without an answer:", await gap.stop());
    expect(gateway.port).toBe(port);
    expect(await explained(live)).toEqual({ value: 2 ** 21, restartOwed: false });
    expect(await readyz(live)).toMatchObject({ restartOwed: [] });
    expect((await person.client.call("status")).config).toMatchObject({ valid: true, restartOwed: [] });
    expect((await person.until("shutdown", ({ event }) => event === "shutdown")).payload).toEqual({
      reason: "gateway restarting",
      restartExpectedMs: expect.any(Number),
    });
  });

  test("`now` does not wait for the run; the run gets a moment to end", async () => {
    const models = await startModels();
    await using live = await startConfigured(textOf({ models, mode: "hot" }));
    const { person, path } = live;
    const { runId, request } = await begin(live, models);
    const text = textOf({ models, mode: "hot", frameBytesMax: 2 ** 21 });
    const changed = changedTo(person, text);
    writeFileSync(path, text);
    await changed;

    expect(await person.client.call("system.restart", {})).toEqual({ ok: true, waitsForRuns: 1 });
    expect(breaksOf(person)).toEqual([]);
    const shutdown = next(person, "shutdown", ({ event }) => event === "shutdown");
    const back = backAgain(person);
    await person.client.call("system.restart", { now: true });
    await shutdown;
    expect(person.told.some(({ payload }) => payload["state"] === "final")).toBe(false);
    request.release(100);
    await person.chat(runId, "final");
    await back;
    expect(await explained(live)).toEqual({ value: 2 ** 21, restartOwed: false });
  });

  test("is forgotten when the edit is taken back", async () => {
    const models = await startModels();
    await using live = await startConfigured(textOf({ models }));
    const { person, path } = live;
    const { runId, request } = await begin(live, models);
    for (const frameBytesMax of [2 ** 21, undefined]) {
      const text = textOf({ models, ...(frameBytesMax !== undefined && { frameBytesMax }) });
      const changed = changedTo(person, text);
      writeFileSync(path, text);
      await changed;
    }
    expect((await person.client.call("status")).config.restartOwed).toEqual([]);
    expect(await explained(live)).toEqual({ value: 2 ** 20, restartOwed: false });
    request.release(100);
    await person.chat(runId, "final");
    await person.client.call("health");
    expect(breaksOf(person)).toEqual([]);
  });

  test("that would fail is not begun, which is said; a mended file is taken", async () => {
    await using live = await startConfigured(textOf({ timeoutSeconds: 60 }));
    const { person, path, gateway } = live;
    const { port } = gateway;
    const taken = takePort();
    onTestFinished(() => taken.free());

    const text = textOf({ port: taken.port, timeoutSeconds: 61 });
    writeFileSync(path, text);
    const config = await untilInvalid(person);
    expect(config.error).toMatchObject({ file: path });
    expect(config.error?.message).toContain(String(taken.port));
    expect(gateway.port).toBe(port);
    expect(await explained(live, "gateway.port")).toMatchObject({ value: 0 });

    // What else is written is in force, and nobody is cut off again for what cannot be.
    const other = textOf({ port: taken.port, timeoutSeconds: 63 });
    const applied = changedTo(person, other);
    writeFileSync(path, other);
    expect((await applied).payload["restartOwed"]).toEqual(["gateway.port"]);
    expect(await explained(live, "agents.defaults.timeoutSeconds")).toMatchObject({ value: 63 });
    expect((await person.client.call("status")).config).toMatchObject({ valid: false, error: config.error });
    expect(live.log.filter((line) => line.includes("gateway restarting"))).toEqual([]);

    const mended = textOf({ timeoutSeconds: 62 });
    const changed = changedTo(person, mended);
    writeFileSync(path, mended);
    await changed;
    expect((await person.client.call("status")).config).toMatchObject({ valid: true, restartOwed: [] });
    expect(await explained(live, "agents.defaults.timeoutSeconds")).toMatchObject({ value: 62 });
    expect(gateway.port).toBe(port);
  });

  test("to another port: clients are told, and it is there that it answers", async () => {
    const [before, after] = [freePort(), freePort()];
    await using live = await startConfigured(textOf({ port: before }));
    const { person, path, gateway } = live;
    expect(gateway.port).toBe(before);
    const shutdown = next(person, "shutdown", ({ event }) => event === "shutdown");
    writeFileSync(path, textOf({ port: after }));
    await shutdown;
    // It answers a moment before the gateway says so.
    while (gateway.port !== after) await untilAnswers(after);
    const moved = await live.enter();
    expect((await moved.client.call("status")).config).toMatchObject({ valid: true, restartOwed: [] });
    await person.client.close();
  });
});

describe("modes", () => {
  const BEFORE = { timeoutSeconds: 60, frameBytesMax: 2 ** 20 } as const;
  const AFTER = { timeoutSeconds: 61, frameBytesMax: 2 ** 21 } as const;
  const LIVE = "agents.defaults.timeoutSeconds";

  test.each([
    { mode: "off", owed: [OWED, LIVE], isLiveNow: false, restarts: false },
    { mode: "hot", owed: [OWED], isLiveNow: true, restarts: false },
    { mode: "restart", owed: [OWED, LIVE], isLiveNow: false, restarts: true },
    { mode: "hybrid", owed: [OWED], isLiveNow: true, restarts: true },
  ] as const)("$mode", async ({ mode, owed, isLiveNow, restarts }) => {
    await using live = await startConfigured(textOf({ mode, ...BEFORE }));
    const { person, path } = live;
    const text = textOf({ mode, ...AFTER });
    const changed = changedTo(person, text);
    const back = backAgain(person);
    writeFileSync(path, text);
    expect((await changed).payload).toMatchObject({ changed: [OWED, LIVE], restartOwed: owed });
    if (!restarts) {
      expect(await explained(live, LIVE)).toEqual({ value: isLiveNow ? 61 : 60, restartOwed: !isLiveNow });
      expect(await explained(live)).toEqual({ value: 2 ** 20, restartOwed: true });
      expect(breaksOf(person)).toEqual([]);
      await person.client.call("system.restart", {});
    }
    await back;
    expect(await explained(live, LIVE)).toEqual({ value: 61, restartOwed: false });
    expect(await explained(live)).toEqual({ value: 2 ** 21, restartOwed: false });
  });

  test("the mode itself changes at once, also out of off", async () => {
    await using live = await startConfigured(textOf({ mode: "off", ...BEFORE }));
    const { person, path } = live;
    const text = textOf({ mode: "hot", timeoutSeconds: 61, frameBytesMax: 2 ** 20 });
    const changed = changedTo(person, text);
    writeFileSync(path, text);
    expect((await changed).payload["restartOwed"]).toEqual([]);
    expect(await explained(live, "gateway.reload.mode")).toEqual({ value: "hot", restartOwed: false });
    expect(await explained(live, LIVE)).toEqual({ value: 61, restartOwed: false });
  });
});

/** Asks until the gateway says that its file cannot be used: it answers a moment before it knows. */
async function untilInvalid({ client }: Configured["person"]) {
  for (;;) {
    const { config } = await client.call("status");
    if (!config.valid) return config;
  }
}

/** Asks without a pause. @returns how to end it: the longest time between two answers, ms */
function watchGap(url: string): { stop(): Promise<number> } {
  let isAsking = true;
  let longestMs = 0;
  const asked = (async () => {
    let lastMs = performance.now();
    while (isAsking) {
      const isAnswered = await fetch(url).then(
        ({ ok }) => ok,
        () => false,
      );
      if (!isAnswered) continue;
      longestMs = Math.max(longestMs, performance.now() - lastMs);
      lastMs = performance.now();
    }
  })();
  return {
    async stop() {
      isAsking = false;
      await asked;
      return Math.round(longestMs);
    },
  };
}

async function untilAnswers(port: number): Promise<void> {
  for (;;) {
    const isAnswered = await fetch(`http://127.0.0.1:${port}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isAnswered) return;
  }
}
