import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { RpcError } from "../../../src/contract/errors.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { runsContract } from "../../../src/features/runs/contract.ts";
import { Journal } from "../../../src/features/runs/journal.ts";
import { Runs } from "../../../src/features/runs/runs.ts";
import { prepareSchema } from "../../../src/features/schema.ts";
import { Sessions } from "../../../src/features/sessions/sessions.ts";
import { openDatabase } from "../../../src/platform/database.ts";
import type { Database } from "../../../src/ports.ts";
import { createScriptedRunner } from "../../support/agent.ts";
import { createCountingCrypto, createMemoryLog } from "../../support/ports.ts";
import { tempDir } from "../../support/temp.ts";
import { createFakeTime } from "../../support/time.ts";

type Told = {
  readonly event: string;
  readonly payload: Record<string, unknown>;
  readonly dropIfSlow: boolean;
};

function setup(options: { db?: Database; path?: string; activeMax?: number; keepMax?: number } = {}) {
  const path = options.path ?? join(tempDir(), "gateway.db");
  const db = options.db ?? openDatabase(path);
  prepareSchema(db);
  const time = createFakeTime();
  const crypto = createCountingCrypto();
  const log = createMemoryLog();
  const agent = createScriptedRunner();
  const told: Told[] = [];
  const publish = (event: string, payload: object, how: { dropIfSlow?: boolean } = {}): void =>
    void told.push({
      event,
      payload: payload as Record<string, unknown>,
      dropIfSlow: how.dropIfSlow === true,
    });
  const journal = new Journal(db);
  const sessions: Sessions = new Sessions({
    db,
    clock: time.clock,
    crypto,
    publish,
    keepMax: () => options.keepMax ?? 100,
    defaultAgent: () => "main",
    isActive: (id) => runs.isActive(id),
  });
  const runs = new Runs({
    journal,
    sessions,
    runner: agent.runner,
    publish,
    clock: time.clock,
    timers: time.timers,
    crypto,
    log,
    settings: () => ({
      activeMax: options.activeMax ?? 4,
      timeoutMs: 60_000,
      agent: () => ({ models: ["test/one"], systemPrompt: undefined }),
    }),
  });
  let key = 0;
  const send = (
    sessionKey: string,
    message: string,
    more: { idempotencyKey?: string; timeoutMs?: number } = {},
  ) => runs.send({ sessionKey, message, idempotencyKey: `key-${++key}`, ...more });
  const wait = async (runId: string) => runs.wait(runId, 60_000, () => () => {});
  const chat = (state?: string) =>
    told
      .filter(({ event, payload }) => event === "chat" && (state === undefined || payload["state"] === state))
      .map(({ payload }) => payload);
  const history = (sessionKey: string) =>
    journal.page(sessions.find(sessionKey)?.id ?? "", { limit: 100 }).messages;
  const texts = (sessionKey: string) =>
    history(sessionKey).map(({ role, content, status }) => [
      role,
      ...content.map((part) => ("text" in part ? part.text : part.type)),
      ...(status ? [status] : []),
    ]);
  return { path, db, time, agent, told, journal, sessions, runs, log, send, wait, chat, history, texts };
}

describe("a run", () => {
  test("is on disk before it is acknowledged, with the session it makes", () => {
    const { send, texts, journal, sessions } = setup();
    const { runId, status } = send("talk", "hello");
    expect(status).toBe("started");
    expect(texts("talk")).toEqual([["user", "hello"]]);
    expect(journal.find(runId)?.status).toBe("running");
    expect(sessions.find("talk")).toMatchObject({ agentId: "main", messages: 1 });
  });

  test("ends with its whole text, told and kept", async () => {
    const { send, agent, wait, chat, texts, told } = setup();
    const { runId } = send("talk", "hello");
    const turn = await agent.started(1);
    expect(turn.turn.messages).toEqual([{ role: "user", text: "hello" }]);
    turn.say(
      { type: "thinking", text: "hm" },
      { type: "text", text: "Good " },
      { type: "text", text: "day" },
    );
    turn.say({ type: "usage", inputTokens: 3, outputTokens: 2 }, { type: "end", reason: "stop" });
    turn.end();
    expect(await wait(runId)).toMatchObject({
      status: "ok",
      startedAt: expect.any(Number),
      endedAt: expect.any(Number),
    });
    expect(chat("final")).toMatchObject([
      {
        runId,
        message: {
          content: [
            { type: "thinking", text: "hm" },
            { type: "text", text: "Good day" },
          ],
        },
        usage: { inputTokens: 3, outputTokens: 2 },
      },
    ]);
    expect(texts("talk")).toEqual([
      ["user", "hello"],
      ["assistant", "hm", "Good day"],
    ]);
    const lifecycle = told.filter(
      ({ event, payload }) => event === "agent" && payload["stream"] === "lifecycle",
    );
    expect(lifecycle.map(({ payload }) => payload["data"])).toEqual([
      { phase: "start" },
      { phase: "end", status: "ok" },
    ]);
  });

  test("every event it tells fits the contract", async () => {
    const { send, agent, wait, told, runs } = setup();
    const first = send("a", "one");
    const turn = await agent.started(1);
    turn.say({ type: "text", text: "x" }, { type: "tool_call", id: "t", name: "f", args: "{}" });
    turn.end();
    await wait(first.runId);
    send("a", "two");
    runs.abort("a", undefined, "request");
    const { runId } = send("a", "three");
    (await agent.started(2)).fail(new RpcError("busy", "Cannot answer: busy"));
    await wait(runId);
    const events: Record<string, { data: { parse(value: unknown): unknown } }> = runsContract.events;
    for (const { event, payload } of told.filter(({ event }) => event in events))
      events[event]?.data.parse(payload);
    expect(told.length).toBeGreaterThan(10);
  });

  test("that fails says why, an error of ours in its words, any other by a reference", async () => {
    const { send, agent, wait, chat, log } = setup();
    const known = send("a", "hi");
    (await agent.started(1)).fail(new RpcError("busy", "Cannot reach model: full", { retryAfterMs: 1_500 }));
    expect(await wait(known.runId)).toMatchObject({
      status: "error",
      error: { code: "busy", message: "Cannot reach model: full", retryAfterMs: 1_500 },
    });
    const unknown = send("b", "hi");
    const turn = await agent.started(2);
    turn.say({ type: "text", text: "half an ans" });
    turn.fail(new Error("a secret inside"));
    expect(await wait(unknown.runId)).toMatchObject({ status: "error", error: { code: "internal" } });
    expect(JSON.stringify(chat("error"))).not.toContain("secret");
    expect(log.lines.some(({ fields }) => String(fields["error"]).includes("a secret inside"))).toBe(true);
    expect(chat("error").at(-1)).toMatchObject({
      message: { status: "error", content: [{ type: "text", text: "half an ans" }] },
    });
  });

  test("out of time is aborted with its text kept", async () => {
    const { send, agent, wait, time, texts } = setup();
    const { runId } = send("a", "hi", { timeoutMs: 1_000 });
    const turn = await agent.started(1);
    turn.say({ type: "text", text: "so far" });
    for (let n = 0; n < 5; n++) await Promise.resolve();
    time.advance(1_000);
    expect(await wait(runId)).toMatchObject({ status: "aborted", error: { code: "timeout" } });
    expect(turn.signal.aborted).toBe(true);
    expect(texts("a").at(-1)).toEqual(["assistant", "so far", "aborted"]);
  });

  test("with an endless answer is stopped at the bound", async () => {
    const { send, agent, wait } = setup();
    const { runId } = send("a", "hi");
    const turn = await agent.started(1);
    for (let n = 0; n < 5; n++) turn.say({ type: "text", text: "x".repeat(LIMITS.runBytesMax / 4) });
    expect(await wait(runId)).toMatchObject({ status: "error", error: { code: "too_large" } });
  });
});

describe("an agent that calls tools for ever", () => {
  test.each(["x".repeat(10_000), ""])("is stopped at the bound, however long its calls", async (args) => {
    const { send, agent, wait, journal } = setup();
    const { runId } = send("a", "hi");
    const turn = await agent.started(1);
    const count = args === "" ? LIMITS.runBytesMax / 40 : LIMITS.runBytesMax / args.length;
    for (let n = 0; n <= count; n++) turn.say({ type: "tool_call", id: "", name: "", args });
    expect(await wait(runId)).toMatchObject({ status: "error", error: { code: "too_large" } });
    expect(journal.find(runId)?.status).toBe("error");
  });
});

describe("deltas", () => {
  test("the first at once, then one each 150 ms, the last without waiting for the end", async () => {
    const { send, agent, time, chat, told } = setup();
    send("a", "hi");
    const turn = await agent.started(1);
    const say = async (text: string) => {
      turn.say({ type: "text", text });
      for (let n = 0; n < 5; n++) await Promise.resolve();
    };
    await say("one ");
    await say("two ");
    await say("three ");
    expect(chat("delta")).toMatchObject([{ offset: 0, delta: "one " }]);
    time.advance(LIMITS.deltaMs - 1);
    expect(chat("delta")).toHaveLength(1);
    time.advance(1);
    expect(chat("delta").at(-1)).toMatchObject({ offset: 4, delta: "two three " });
    time.advance(10_000);
    expect(chat("delta")).toHaveLength(2);
    await say("four");
    expect(chat("delta").at(-1)).toMatchObject({ offset: 14, delta: "four" });
    expect(
      told.filter(({ payload }) => payload["state"] === "delta").every(({ dropIfSlow }) => dropIfSlow),
    ).toBe(true);
  });

  test("joined by their offsets they are the text, whatever the pace", async () => {
    const { send, agent, time, chat, wait } = setup();
    const { runId } = send("a", "hi");
    const turn = await agent.started(1);
    let text = "";
    for (let n = 0; n < 200; n++) {
      const piece = String.fromCodePoint(0x1f600 + (n % 40));
      turn.say({ type: "text", text: piece });
      for (let turns = 0; turns < 5; turns++) await Promise.resolve();
      text += piece;
      time.advance((n * 37) % 90);
    }
    time.advance(LIMITS.deltaMs);
    let joined = "";
    for (const { offset, delta } of chat("delta") as { offset: number; delta: string }[]) {
      expect(offset).toBe(joined.length);
      joined += delta;
    }
    expect(joined).toBe(text);
    turn.end();
    await wait(runId);
    expect(time.pending()).toBe(0);
  });
});

describe("order", () => {
  test("one at a time in a session, in order of arrival, each with the answers before it", async () => {
    const { send, agent, wait } = setup();
    const first = send("a", "one");
    const second = send("a", "two");
    expect([first.status, second.status]).toEqual(["started", "queued"]);
    const turn = await agent.started(1);
    expect(agent.turns).toHaveLength(1);
    turn.say({ type: "text", text: "answer one" });
    turn.end();
    await wait(first.runId);
    const next = await agent.started(2);
    expect(next.turn.messages.map(({ text }) => text)).toEqual(["one", "answer one", "two"]);
  });

  test("sessions run side by side, up to the bound", async () => {
    const { send, agent, wait, runs } = setup({ activeMax: 2 });
    const sent = ["a", "b", "c"].map((key) => send(key, "hi"));
    await agent.started(2);
    expect(runs.counts()).toEqual({ active: 2, queued: 1 });
    agent.turns[0]?.end();
    await wait(sent[0]?.runId ?? "");
    expect((await agent.started(3)).turn.sessionKey).toBe("c");
  });

  test("twenty wait behind one, one more is busy and nothing of it is kept", () => {
    const { send, history } = setup();
    for (let n = 0; n <= LIMITS.runsQueuedPerSessionMax; n++) send("a", `message ${n}`);
    expect(() => send("a", "too many")).toThrow(expect.objectContaining({ code: "busy" }));
    expect(history("a")).toHaveLength(LIMITS.runsQueuedPerSessionMax + 1);
  });

  test("the same key is the same run, also after a restart; other words are a conflict", () => {
    const { send, db, history } = setup();
    const first = send("a", "hi", { idempotencyKey: "k" });
    expect(send("a", "hi", { idempotencyKey: "k" })).toEqual(first);
    expect(() => send("a", "other", { idempotencyKey: "k" })).toThrow(
      expect.objectContaining({ code: "conflict" }),
    );
    expect(setup({ db }).send("a", "hi", { idempotencyKey: "k" })).toEqual(first);
    expect(history("a")).toHaveLength(1);
  });
});

describe("abort", () => {
  test("ends at once what listens to nobody, keeps its text, and the next one starts", async () => {
    const { send, agent, runs, wait, texts } = setup();
    const first = send("a", "one");
    const second = send("a", "two");
    const turn = await agent.started(1);
    turn.say({ type: "text", text: "partial" });
    for (let n = 0; n < 5; n++) await Promise.resolve();
    expect(runs.abort("a", first.runId, "request")).toEqual([first.runId]);
    expect(await wait(first.runId)).toMatchObject({ status: "aborted" });
    expect(turn.signal.aborted).toBe(true);
    // Words that come too late are nobody's.
    turn.say({ type: "text", text: "too late" });
    turn.end();
    const next = await agent.started(2);
    next.end();
    await wait(second.runId);
    expect(texts("a")).toEqual([
      ["user", "one"],
      ["user", "two"],
      ["assistant", "partial", "aborted"],
    ]);
  });

  test("of a session stops what waits too, and starts none of it", async () => {
    const { send, agent, runs, wait } = setup();
    const ids = ["one", "two", "three"].map((text) => send("a", text).runId);
    await agent.started(1);
    expect(runs.abort("a", undefined, "request")).toEqual(ids);
    for (const id of ids) expect(await wait(id)).toMatchObject({ status: "aborted" });
    expect(agent.turns).toHaveLength(1);
    expect(runs.counts()).toEqual({ active: 0, queued: 0 });
  });

  test("of another session's run does nothing", async () => {
    const { send, agent, runs } = setup();
    const { runId } = send("a", "one");
    await agent.started(1);
    expect(runs.abort("b", runId, "request")).toEqual([]);
    expect(runs.counts().active).toBe(1);
  });
});

describe("stop", () => {
  test("waiting runs end at once, the running one gets its time and is cut when it takes more", async () => {
    const { send, agent, runs, time, wait, texts } = setup();
    const first = send("a", "one");
    const second = send("a", "two");
    const turn = await agent.started(1);
    turn.say({ type: "text", text: "so far" });
    for (let n = 0; n < 5; n++) await Promise.resolve();
    const stopped = runs.stop(5_000);
    expect(await wait(second.runId)).toMatchObject({ status: "interrupted" });
    expect(() => send("a", "three")).toThrow(expect.objectContaining({ code: "unavailable" }));
    time.advance(5_000);
    await stopped;
    expect(await wait(first.runId)).toMatchObject({ status: "interrupted" });
    expect(texts("a").at(-1)).toEqual(["assistant", "so far", "interrupted"]);
  });

  test("a run that waits for room is not started by it", async () => {
    const { send, agent, runs, wait } = setup({ activeMax: 1 });
    const first = send("a", "one");
    const second = send("b", "two");
    const turn = await agent.started(1);
    const stopped = runs.stop(5_000);
    expect(await wait(second.runId)).toMatchObject({ status: "interrupted" });
    turn.end();
    await stopped;
    expect(await wait(first.runId)).toMatchObject({ status: "ok" });
    expect(agent.turns).toHaveLength(1);
  });

  test("what a stop without notice left open is interrupted at the next start", () => {
    const { send, db } = setup();
    const { runId } = send("a", "one");
    const after = setup({ db });
    expect(after.journal.interruptOpen(1)).toBe(1);
    expect(after.journal.find(runId)).toMatchObject({ status: "interrupted" });
    expect(after.texts("a")).toEqual([
      ["user", "one"],
      ["assistant", "interrupted"],
    ]);
    expect(after.journal.interruptOpen(1)).toBe(0);
  });
});

describe("a disk that refuses", () => {
  test("ends the run with an error for all who wait, and the next one, and holds up no lane", async () => {
    const { send, agent, runs, wait, chat, db, log } = setup();
    const [first, second] = [send("a", "one"), send("a", "two")];
    const ends = [wait(first.runId), wait(second.runId)];
    const turn = await agent.started(1);
    db.exec("PRAGMA query_only = ON");
    turn.say({ type: "text", text: "an answer" });
    turn.end();
    for (const end of ends) expect(await end).toMatchObject({ status: "error", error: { code: "internal" } });
    expect(chat("final")).toEqual([]);
    expect(chat("error").map(({ runId }) => runId)).toEqual([first.runId, second.runId]);
    expect(log.lines.filter(({ message }) => message === "run failed").length).toBeGreaterThanOrEqual(2);
    expect(runs.counts()).toEqual({ active: 0, queued: 0 });
    expect(() => send("a", "three")).toThrow();

    db.exec("PRAGMA query_only = OFF");
    // On disk it never ended: what the next start will write.
    expect(await wait(first.runId)).toMatchObject({ status: "interrupted" });
    const next = send("a", "four");
    expect(next.status).toBe("started");
    (await agent.started(2)).end();
    expect(await wait(next.runId)).toMatchObject({ status: "ok" });
  });
});

describe("agent.wait", () => {
  test("answers when time is up, and takes nothing with it", async () => {
    const { send, runs, time, agent } = setup();
    const { runId } = send("a", "hi");
    const waiting = runs.wait(runId, 100, () => () => {});
    time.advance(100);
    expect(await waiting).toBe("timeout");
    (await agent.started(1)).end();
    expect(await runs.wait(runId, 1_000, () => () => {})).toMatchObject({ status: "ok" });
  });

  test("of a caller who leaves ends, of a run nobody knows is nothing", async () => {
    const { send, runs, time } = setup();
    const { runId } = send("a", "hi", { timeoutMs: 10_000 });
    let leave: () => void = () => {};
    const waiting = runs.wait(runId, 1_000, (work) => {
      leave = work;
      return () => {};
    });
    const before = time.pending();
    leave();
    expect(await waiting).toBe("timeout");
    expect(time.pending()).toBe(before - 1);
    expect(runs.wait("nobody", 1, () => () => {})).toBeUndefined();
  });
});

describe("history", () => {
  test("pages both ways without a gap or a repeat", async () => {
    const { send, agent, wait, journal, sessions } = setup();
    for (let n = 1; n <= 15; n++) {
      const { runId } = send("a", `m${n}`);
      const turn = await agent.started(n);
      turn.say({ type: "text", text: `r${n}` });
      turn.end();
      await wait(runId);
    }
    const id = sessions.find("a")?.id ?? "";
    const all = journal.page(id, { limit: 100 });
    expect(all.messages).toHaveLength(30);
    expect([all.before, all.after]).toEqual([undefined, undefined]);

    const backward: string[] = [];
    for (
      let page = journal.page(id, { limit: 7 });
      ;
      page = journal.page(id, { limit: 7, before: Number(page.before) })
    ) {
      backward.unshift(...page.messages.map((message) => message.id));
      if (page.before === undefined) break;
    }
    expect(backward).toEqual(all.messages.map((message) => message.id));

    const forward: string[] = [];
    for (
      let page = journal.page(id, { limit: 7, after: 0 });
      ;
      page = journal.page(id, { limit: 7, after: Number(page.after) })
    ) {
      forward.push(...page.messages.map((message) => message.id));
      if (page.after === undefined) break;
    }
    expect(forward).toEqual(backward);
  });

  test("a page is bounded by size too, and says that there is more", () => {
    const { send, journal, sessions } = setup();
    for (let n = 0; n < 4; n++) send("a", "x".repeat(LIMITS.messageCharsMax));
    const page = journal.page(sessions.find("a")?.id ?? "", { limit: 100 });
    expect(page.messages.length).toBeLessThan(4);
    expect(page.before).toBe(page.messages[0]?.id as string);
  });

  test("that size is counted in bytes, not characters", () => {
    const { send, journal, sessions } = setup();
    const pad = "€".repeat(LIMITS.historyBytesMax / 6);
    for (let n = 0; n < 3; n++) send("a", pad);
    expect(journal.page(sessions.find("a")?.id ?? "", { limit: 100 }).messages).toHaveLength(1);
  });

  test("a database of a newer gateway is left alone", () => {
    const db = openDatabase(join(tempDir(), "newer.db"));
    db.exec("PRAGMA user_version = 99");
    expect(() => prepareSchema(db)).toThrow("made by a newer gateway");
  });
});

describe("sessions", () => {
  test("more than are kept are refused, and none is dropped", () => {
    const { send, sessions } = setup({ keepMax: 2 });
    send("a", "hi");
    send("b", "hi");
    expect(() => send("c", "hi")).toThrow(expect.objectContaining({ code: "busy" }));
    expect(sessions.count()).toBe(2);
  });

  test("search takes % and _ for what they are", () => {
    const { sessions } = setup();
    for (const key of ["50% off", "a_b", "axb", "Größe"]) sessions.ensure(key);
    const found = (search: string) => sessions.list({ limit: 10, search }).sessions.map(({ key }) => key);
    expect(found("%")).toEqual(["50% off"]);
    expect(found("a_b")).toEqual(["a_b"]);
    expect(found("OFF")).toEqual(["50% off"]);
    expect(sessions.list({ limit: 1 })).toMatchObject({ total: 4, sessions: [{ key: "Größe" }] });
  });

  test("a deleted session takes its runs and messages with it", async () => {
    const { send, runs, sessions, journal, db, agent } = setup();
    const { runId } = send("a", "hi");
    await agent.started(1);
    runs.abort("a", undefined, "deleted");
    expect(sessions.remove("a")).toBe(true);
    expect(journal.find(runId)).toBeUndefined();
    expect(db.prepare("SELECT count(*) AS n FROM messages").get()).toEqual({ n: 0 });
  });
});
