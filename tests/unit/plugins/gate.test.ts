import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { effect, event, method } from "../../../src/contract/define.ts";
import { RpcError } from "../../../src/contract/errors.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { contract } from "../../../src/feature.ts";
import { PluginValues } from "../../../src/features/plugins/values.ts";
import { createRunsFeature } from "../../../src/features/runs/feature.ts";
import { createSessionsFeature } from "../../../src/features/sessions/feature.ts";
import type { Capabilities } from "../../../src/plugins/api.ts";
import { createGates } from "../../../src/plugins/gate/gate.ts";
import { createDispatcher } from "../../../src/rpc/dispatch.ts";
import { Hub } from "../../../src/rpc/hub.ts";
import { createTable } from "../../../src/rpc/table.ts";
import { createCountingCrypto, createMemoryLog } from "../../support/ports.ts";
import { setupRuns } from "../features/runs/kit.ts";

const petsContract = contract({
  name: "pets",
  methods: {
    "pets.who": method({
      scope: "write",
      summary: "Who asks",
      params: () => z.strictObject({ wait: z.boolean().default(false) }),
      result: () => z.looseObject({}),
    }),
    "pets.secret": method({
      scope: "admin",
      summary: "Not for plugins",
      params: () => z.strictObject({}),
      result: () => z.strictObject({}),
    }),
    "pets.count": effect({
      scope: "write",
      summary: "Counts",
      params: () => z.strictObject({}),
      result: () => z.strictObject({ count: z.int() }),
      errors: ["busy"],
    }),
  },
  events: {
    "pets.came": event({
      scope: "read",
      delivery: "must",
      summary: "",
      data: () => z.strictObject({ name: z.string() }),
    }),
  },
});

/** Real runs, sessions, table, dispatcher and hub; a plugin `pets` in force, and other plugins' methods. */
function setup(grants: Capabilities = {}, id = "pets") {
  const kit = setupRuns();
  const { time, db, writer, runs, journal, sessions } = kit;
  const crypto = createCountingCrypto();
  const log = createMemoryLog();
  const table = createTable();
  const hub = new Hub(table, "epoch");
  const context = { ...time, crypto, log, config: () => ({}), publish: () => {}, onStop: () => {} };
  let count = 0;
  const pets = petsContract.implement(() => ({
    handlers: {
      "pets.who": ({ wait }, { caller }) => {
        const { connId, subject, name, scopes, origin, follow } = caller;
        const said = { connId, subject, name, scopes, origin, canFollow: follow !== undefined };
        if (!wait) return said;
        return new Promise((resolve) => void caller.onGone(() => resolve(said)));
      },
      "pets.secret": () => ({}),
      "pets.count": (_params, call) => {
        if (count === 7) call.fail("busy", "Cannot count: seven is enough", { retryAfterMs: 70 });
        return { count: ++count };
      },
    },
  }));
  const features = [
    pets,
    createRunsFeature({ runs, journal, sessions, writer }),
    createSessionsFeature({
      sessions,
      writer,
      db,
      endRuns: async () => {},
      closeAgent: async () => {},
      compact: (session) => runs.compact(session),
    }),
    contract({
      name: "other",
      methods: {
        "other.talk": method({
          scope: "read",
          summary: "Talks where it is told to",
          params: () => z.looseObject({}),
          result: () => z.strictObject({}),
        }),
      },
      events: {
        "other.said": event({ scope: "read", delivery: "must", summary: "", data: () => z.object({}) }),
      },
    }).implement(() => ({ handlers: { "other.talk": () => ({}) } })),
  ];
  for (const feature of features) table.add(feature, feature.start(context).handlers);

  const failures: string[] = [];
  const denials: string[] = [];
  const states: unknown[] = [];
  const received: unknown[] = [];
  const gates = createGates({
    ...time,
    log,
    table,
    hub,
    dispatcher: createDispatcher({ table, clock: time.clock, crypto, log }),
    values: new PluginValues({ db, writer, log }),
    sessionOfRun: (runId) => sessions.byId(journal.find(runId)?.sessionDbId ?? "")?.key,
    channelsOf: (plugin) => (plugin === "pets" ? ["petgram"] : ["telegram"]),
    receive: async (...message) => {
      received.push(message);
      return "accepted";
    },
  });
  const open = () =>
    gates(
      { id, grants },
      {
        failed: (error) => void failures.push(String(error)),
        denied: (capability, what) => void denials.push(`${capability}: ${what}`),
        state: (part, now) => void states.push([part.id, now.state, now.detail]),
      },
    );
  return { ...kit, log, table, hub, gate: open(), open, failures, denials, states, received };
}

async function codeOf(work: unknown): Promise<string> {
  try {
    await (typeof work === "function" ? work() : work);
    return "done";
  } catch (error) {
    return error instanceof RpcError ? error.code : `no RpcError: ${String(error)}`;
  }
}

const OWN = "plugin:pets:a";
const OTHERS = ["main", "agent:main:main", "plugin:cats:a", "plugin:pets", "Plugin:pets:a", " plugin:pets:a"];

describe("who it is", () => {
  test("a plugin calls as itself, with read and write, and follows nothing", async () => {
    const { gate } = setup();
    expect(await gate.request("pets.who", {})).toEqual({
      connId: "plugin:pets",
      subject: "plugin:pets",
      name: "plugin pets",
      scopes: ["read", "write"],
      origin: "plugin",
      canFollow: false,
    });
    expect(await codeOf(gate.request("pets.secret", {}))).toBe("forbidden");
    expect(await codeOf(gate.request("no.such", {}))).toBe("forbidden");
  });

  test("it may not be a part of the gateway by name", () => {
    for (const id of ["sessions", "runs", "system", "config"]) expect(() => setup({}, id)).toThrow("part of");
  });

  test("errors come as they are, and keys belong to it over its versions", async () => {
    const { gate, open } = setup();
    expect(await gate.request("pets.count", { idempotencyKey: "k" })).toEqual({ count: 1 });
    expect(await open().request("pets.count", { idempotencyKey: "k" })).toEqual({ count: 1 });
    for (let at = 2; at <= 7; at++) expect(await gate.request("pets.count", {})).toEqual({ count: at });
    const error: unknown = await gate.request("pets.count", {}).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RpcError);
    expect(error).toMatchObject({ code: "busy", message: "Cannot count: seven is enough" });
    expect((error as RpcError).extra.retryAfterMs).toBe(70);
  });

  test("its calls are bounded, and end with it", async () => {
    const { gate } = setup();
    const waiting = Array.from({ length: LIMITS.pluginCallsMax }, () =>
      gate.request("pets.who", { wait: true }),
    );
    expect(await codeOf(gate.request("pets.who", {}))).toBe("busy");
    gate.close();
    expect((await Promise.all(waiting)).length).toBe(LIMITS.pluginCallsMax);
    expect(await codeOf(gate.request("pets.who", {}))).toBe("unavailable");
    expect(await codeOf(() => gate.publish("pets.came", { name: "x" }))).toBe("unavailable");
    expect(await codeOf(gate.store.set("k", 1))).toBe("unavailable");
    expect(await codeOf(gate.store.get("k"))).toBe("unavailable");
    expect(await codeOf(gate.receive("petgram", "default", INBOUND))).toBe("unavailable");
  });
});

const INBOUND = { chatId: "1", messageId: "1", sender: { id: "1" }, isGroup: false, text: "hello" };

describe("sessions", () => {
  test("its own: it talks in them, waits, reads, notes, and its runs are a plugin's", async () => {
    const { gate, agent, journal, answer } = setup();
    const begun = await gate.request("agent", { sessionKey: OWN, message: "hello", idempotencyKey: "1" });
    const { runId } = z.looseObject({ runId: z.string() }).parse(begun);
    await answer(await agent.started(1), "good day");
    expect(await gate.request("agent.wait", { runId })).toMatchObject({ runId, status: "ok" });
    expect(await gate.request("chat.inject", { sessionKey: OWN, message: "a note" })).toMatchObject({});
    expect(await gate.request("chat.history", { sessionKey: OWN })).toMatchObject({
      sessionKey: OWN,
      messages: [{ role: "user" }, { role: "assistant" }, { role: "assistant" }],
    });
    expect(journal.find(runId)).toMatchObject({ origin: "plugin", owner: "plugin:pets" });
    const sent = await gate.request("chat.send", {
      sessionKey: OWN,
      message: "and you?",
      idempotencyKey: "2",
    });
    const chat = z.looseObject({ runId: z.string() }).parse(sent);
    expect(journal.find(chat.runId)).toMatchObject({ origin: "plugin", owner: "plugin:pets" });
    expect(await gate.request("chat.abort", { sessionKey: OWN })).toMatchObject({ aborted: true });
    expect(await gate.request("sessions.get", { key: OWN })).toMatchObject({ session: { key: OWN } });
    expect(await gate.request("sessions.preview", { keys: [OWN, `${OWN}b`] })).toMatchObject({});
  });

  test("runs of people are a chat's and an agent's, as before", async () => {
    const { call, journal } = setup();
    const send = await call("chat.send", { sessionKey: "a", message: "x", idempotencyKey: "1" });
    const agent = await call("agent", { sessionKey: "b", message: "x", idempotencyKey: "1" });
    const origins = [send, agent].map(({ result }) => journal.find(String(result?.["runId"]))?.origin);
    expect(origins).toEqual(["chat", "agent"]);
  });

  test("no other's without the grant, by whatever method", async () => {
    const { gate, denials, sessions, begin } = setup();
    const { runId } = await begin("agent:main:main", "a secret");
    const message = { message: "x", idempotencyKey: "k" };
    for (const key of [...OTHERS, undefined, null, 7, [OWN], { toString: () => OWN }, "__proto__"])
      for (const [name, params] of [
        ["chat.send", { sessionKey: key, ...message }],
        ["agent", { sessionKey: key, ...message }],
        ["chat.inject", { sessionKey: key, message: "x" }],
        ["chat.history", { sessionKey: key }],
        ["chat.abort", { sessionKey: key }],
        ["chat.abort", { sessionKey: key, runId }],
        ["chat.retry", { sessionKey: key }],
        ["sessions.get", { key }],
        ["sessions.reset", { key }],
        ["sessions.delete", { key }],
        ["sessions.create", { key }],
        ["sessions.export", { key }],
        ["sessions.import", { key, lines: [] }],
        ["sessions.search", { key, query: "secret" }],
        ["sessions.preview", { keys: [OWN, key] }],
        ["sessions.resolve", { key }],
        ["runs.list", { sessionKey: key }],
      ] as const)
        expect(await codeOf(gate.request(name, params))).toBe("forbidden");
    expect(await codeOf(gate.request("chat.abort", { runId }))).toBe("forbidden");
    expect(await codeOf(gate.request("chat.abort", { sessionKey: OWN, runId }))).toBe("conflict");
    expect(await codeOf(gate.request("agent.wait", { runId, timeoutMs: 0 }))).toBe("forbidden");
    expect(await codeOf(gate.request("agent.wait", { runId: "none" }))).toBe("forbidden");
    expect(await codeOf(gate.request("agent", { ...message }))).toBe("forbidden");
    const sessionId = sessions.find("agent:main:main")?.sessionId;
    expect(await codeOf(gate.request("agent", { sessionKey: OWN, sessionId, ...message }))).toBe("forbidden");
    expect(await codeOf(gate.request("sessions.resolve", { sessionId }))).toBe("forbidden");
    expect(await codeOf(gate.request("sessions.list", {}))).toBe("forbidden");
    expect(await codeOf(gate.request("sessions.preview", { keys: [] }))).toBe("forbidden");
    expect(await codeOf(gate.request("other.talk", { sessionKey: OWN }))).toBe("forbidden");
    expect(await codeOf(gate.request("send", { to: "1", message: "x" }))).toBe("forbidden");
    // By position.
    const byPosition = ["agent:main:main"] as unknown as Record<string, unknown>;
    expect(await codeOf(gate.request("chat.history", byPosition))).toBe("invalid_params");
    expect(denials.slice(0, 2)).toEqual(["sessions: chat.send", "sessions: agent"]);
  });

  test("what is judged is what is called", async () => {
    const { gate, begin, sessions } = setup();
    await begin("agent:main:main", "a secret");
    let looks = 0;
    const turning = {
      get sessionKey() {
        return looks++ === 0 ? OWN : "agent:main:main";
      },
    };
    const answer = await gate.request("chat.history", turning);
    expect(answer).toEqual({ sessionKey: OWN, messages: [] });
    expect(looks).toBe(1);
    expect(sessions.find("agent:main:main")).toBeDefined();
  });

  test("with the grant all of them, and still no more than read and write", async () => {
    const { gate, begin, time } = setup({ sessions: true });
    const { runId } = await begin("agent:main:main", "hello");
    expect(await gate.request("chat.history", { sessionKey: "main" })).toMatchObject({ messages: [{}] });
    const waiting = gate.request("agent.wait", { runId, timeoutMs: 1_000 });
    time.advance(1_000);
    expect(await waiting).toMatchObject({ runId, status: "timeout" });
    expect(await codeOf(gate.request("chat.inject", { sessionKey: "main", message: "x" }))).toBe("done");
    expect(await codeOf(gate.request("sessions.list", {}))).toBe("done");
    expect(await codeOf(gate.request("other.talk", {}))).toBe("done");
    expect(await codeOf(gate.request("sessions.patch", { key: "main", label: "x" }))).toBe("forbidden");
    expect(await codeOf(gate.request("agent.wait", { runId: "none" }))).toBe("not_found");
  });
});

describe("events", () => {
  test("its own go out, numbered with all others", () => {
    const { gate, hub } = setup();
    const before = hub.seq;
    gate.publish("pets.came", { name: "Rex" });
    expect(hub.seq).toBe(before + 1);
    expect(hub.save().events.at(-1)).toMatchObject({ name: "pets.came", body: '{"name":"Rex"}' });
  });

  test("no other's, and nothing that would be read as another", async () => {
    const { gate, hub } = setup();
    const before = hub.seq;
    for (const name of ["other.said", "chat", "sessions.changed", "pets.none", "toString", ""])
      expect(await codeOf(() => gate.publish(name, {}))).toBe("invalid_params");
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    for (const payload of [
      { event: "approval.requested" },
      { seq: 1 },
      { toJSON: () => ({ event: "chat" }) },
      { toJSON: () => "text" },
      { toJSON: () => undefined },
      cycle,
      { n: 1n },
      [],
      null,
      "x",
      undefined,
    ])
      expect(await codeOf(() => gate.publish("pets.came", payload as object))).toBe("invalid_params");
    expect(await codeOf(() => gate.publish("pets.came", { name: "x".repeat(300 * 1024) }))).toBe("too_large");
    expect(hub.seq).toBe(before);
    // An object that looks different when it is looked at again is sent as it was judged.
    let looks = 0;
    gate.publish("pets.came", { toJSON: () => (looks++ === 0 ? { name: "x" } : { event: "chat" }) });
    expect(hub.save().events.at(-1)?.body).toBe('{"name":"x"}');
  });

  test("a million of them: so many go out, and it is told once that it floods", async () => {
    const { gate, hub, time, failures } = setup();
    let refused = 0;
    for (let at = 0; at < 1_000_000; at++) {
      if (at % 10_000 === 0) time.advance(125);
      try {
        gate.publish("pets.came", { name: "x" });
      } catch (error) {
        if (!(error instanceof RpcError) || error.code !== "busy") throw error;
        refused++;
      }
    }
    const perSecond = LIMITS.pluginEventsPerSecondMax;
    expect(hub.seq).toBeLessThanOrEqual(perSecond * 13.5);
    expect(refused).toBe(1_000_000 - hub.seq);
    expect(failures).toEqual(["Error: it published more than 200 events a second for 10 s"]);
  });

  test("a burst is refused in part and no failure", () => {
    const { gate, time, failures } = setup();
    for (let round = 0; round < 20; round++) {
      for (let at = 0; at < 1_000; at++)
        try {
          gate.publish("pets.came", { name: "x" });
        } catch {
          // Busy, which is told above.
        }
      time.advance(2_000);
    }
    expect(failures).toEqual([]);
  });
});

describe("log", () => {
  test("lines say whose they are, at their level, and hold what lines hold", () => {
    const { gate, log } = setup();
    gate.log("warn", "look", { plugin: "other", n: 1, isSo: true, none: undefined });
    const odd: unknown = { error: new Error("broke"), list: [1], big: 1n, toString: () => "x" };
    gate.log("debug", "odd", odd as never);
    gate.log("shout" as never, { said: 1 } as never, null as never);
    gate.log(
      "info",
      "x".repeat(1_000_000),
      Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`${n}`, n])),
    );
    expect(log.lines.slice(0, 3)).toEqual([
      { level: "warn", message: "look", fields: { plugin: "pets", n: 1, isSo: true, none: undefined } },
      {
        level: "debug",
        message: "odd",
        fields: { plugin: "pets", error: "broke", list: "[1]", big: "1", toString: '() => "x"' },
      },
      { level: "info", message: '{"said":1}', fields: { plugin: "pets" } },
    ]);
    expect(log.lines[3]?.message.length).toBe(16 * 1024);
    expect(Object.keys(log.lines[3]?.fields ?? {}).length).toBe(21);
  });

  test("a name makes no field of another's", () => {
    const { gate, log } = setup();
    gate.log("info", "x", { 'ok plugin="other"\n': 1, "größe.max-1": 2 });
    expect(log.lines[0]?.fields).toEqual({ ok_plugin__other__: 1, "größe.max-1": 2, plugin: "pets" });
  });

  test("too many are left out, counted and told when it is quiet again", () => {
    const { gate, log, time, failures } = setup();
    for (let at = 0; at < 500; at++) gate.log("info", `line ${at}`);
    expect(log.lines.length).toBe(LIMITS.pluginLogLinesPerSecondMax);
    time.advance(3_000);
    expect(log.lines.slice(50)).toEqual([
      { level: "warn", message: "plugin log lines left out", fields: { plugin: "pets", count: 450 } },
    ]);
    expect(time.pending()).toBe(0);
    gate.log("info", "again");
    expect(log.lines.at(-1)?.message).toBe("again");
    expect(failures).toEqual([]);
  });

  test("without end: told every ten seconds, and it floods, once", () => {
    const { gate, log, time, failures } = setup();
    for (let second = 0; second < 25; second++) {
      for (let at = 0; at < 400; at++) gate.log("error", "x");
      time.advance(1_000);
    }
    const told = log.lines.filter(({ message }) => message === "plugin log lines left out");
    expect(told.length).toBe(2);
    expect(failures).toEqual(["Error: it wrote more than 50 log lines a second for 10 s"]);
    gate.close();
    const counted = log.lines
      .filter(({ message }) => message === "plugin log lines left out")
      .reduce((sum, { fields }) => sum + Number(fields["count"]), 0);
    const written = log.lines.filter(({ message }) => message === "x").length;
    expect(written + counted).toBe(25 * 400);
    for (let at = 0; at < 400; at++) gate.log("error", "x");
    expect(time.pending()).toBe(0);
  });
});

describe("what is told", () => {
  test("one failure, however many", () => {
    const { gate, failures, log } = setup();
    for (let at = 0; at < 1_000; at++) gate.failed(new Error(`broke ${at}`));
    expect(failures).toEqual(["Error: broke 0"]);
    expect(log.lines.length).toBe(LIMITS.pluginLogLinesPerSecondMax);
  });

  test("what it may not use, whatever else it writes", () => {
    const { gate, denials, log } = setup();
    for (let at = 0; at < 1_000; at++) gate.denied("network", `connect to "${at}"`);
    expect(denials.length).toBe(1_000);
    expect(log.lines.length).toBe(LIMITS.pluginLogLinesPerSecondMax);
    expect(denials[0]).toBe('network: connect to "0"');
    expect(log.lines[0]).toEqual({
      level: "warn",
      message: "plugin has no grant",
      fields: { plugin: "pets", capability: "network", what: 'connect to "0"' },
    });
  });

  test("states: each change once, of its own channels, the newest of too many", () => {
    const { gate, states, time } = setup();
    const account = { kind: "account" as const, channel: "petgram", id: "a" };
    gate.state(account, { state: "connecting" });
    gate.state(account, { state: "connecting" });
    gate.state({ ...account, channel: "telegram" }, { state: "connected" });
    gate.state({ kind: "service", id: "s" }, { state: "running" });
    // What no client is told to expect; a plugin without types may say it.
    gate.state(account, { state: "gone" as "ended" });
    expect(states).toEqual([
      ["a", "connecting", undefined],
      ["s", "running", undefined],
    ]);
    for (let at = 0; at < 100_000; at++) gate.state(account, { state: "failed", detail: `${at}` });
    expect(states.length).toBe(50);
    time.advance(1_000);
    expect(states.length).toBe(51);
    expect(states.at(-1)).toEqual(["a", "failed", "99999"]);
    time.advance(1_000);
    expect(time.pending()).toBe(0);
    gate.state(account, { state: "failed", detail: "x".repeat(1_000_000) });
    expect(String(states.at(-1)).length).toBeLessThan(1_100);
  });

  test("messages over its own channels, and no other's", async () => {
    const { gate, received } = setup();
    expect(await gate.receive("petgram", "default", INBOUND)).toBe("accepted");
    expect(await codeOf(gate.receive("telegram", "default", INBOUND))).toBe("forbidden");
    expect(received).toEqual([["petgram", "default", INBOUND]]);
  });
});
