import { describe, expect, test } from "bun:test";
import { LIMITS } from "../../../../src/contract/limits.ts";
import type { QueueMode } from "../../../../src/features/sessions/environment.ts";
import { failure, heard, nextTurn, setupRuns } from "./kit.ts";

describe("order", () => {
  test("one at a time in a session, in order of arrival, each with the answers before it", async () => {
    const { send, agent, answer } = setupRuns();
    const sent = [await send("a", "one"), await send("a", "two"), await send("a", "three")];
    expect(sent.map(({ status }) => status)).toEqual(["started", "queued", "queued"]);
    const turn = await agent.started(1);
    expect(agent.turns).toHaveLength(1);
    await answer(turn, "answer one");
    const next = await agent.started(2);
    expect(next.said).toEqual(["user: one", "assistant: answer one", "user: two"]);
    await answer(next, "answer two");
    expect((await agent.started(3)).said.slice(2)).toEqual([
      "user: two",
      "assistant: answer two",
      "user: three",
    ]);
  });

  test("sessions run side by side, up to the bound, and take turns", async () => {
    const { send, agent, runs, answer } = setupRuns({ activeMax: 2 });
    for (const key of ["a", "a", "a", "b", "c", "d"]) await send(key, "hi");
    await agent.started(2);
    expect(runs.counts()).toEqual({ active: 2, queued: 4 });
    const order: string[] = [];
    for (let n = 1; n <= 6; n++) {
      const turn = await agent.started(n);
      order.push(turn.environment.sessionKey);
      await answer(turn, "done");
    }
    expect(order).toEqual(["a", "b", "c", "d", "a", "a"]);
    expect(runs.counts()).toEqual({ active: 0, queued: 0 });
  });

  test("what comes in one commit keeps to the bound, and a larger one counts from then on", async () => {
    const { send, agent, runs, limit } = setupRuns({ activeMax: 2 });
    const sent = await Promise.all(["a", "b", "c"].map((key) => send(key, "hi")));
    expect(sent.map(({ status }) => status)).toEqual(["started", "started", "queued"]);
    await nextTurn();
    expect(agent.turns).toHaveLength(2);
    limit.activeMax = 4;
    await send("d", "hi");
    await agent.started(4);
    expect(runs.counts()).toEqual({ active: 4, queued: 0 });
  });

  test("the same key is the same run, also after a restart; other words are a conflict", async () => {
    const { send, path, history } = setupRuns();
    const first = await send("a", "hi", { idempotencyKey: "k" });
    expect(await send("a", "hi", { idempotencyKey: "k" })).toEqual(first);
    expect(await failure(send("a", "other", { idempotencyKey: "k" }))).toMatchObject({ code: "conflict" });
    expect(await setupRuns({ path }).send("a", "hi", { idempotencyKey: "k" })).toEqual(first);
    expect(history("a")).toHaveLength(1);
  });

  test("twice in one commit it is one message", async () => {
    const { send, history } = setupRuns();
    const [first, second] = await Promise.all([1, 2].map(() => send("a", "hi", { idempotencyKey: "k" })));
    expect(second).toEqual(first as NonNullable<typeof first>);
    expect(history("a")).toHaveLength(1);
  });
});

describe("twenty wait behind one, one more is busy and nothing of it is kept", () => {
  const statuses = { followup: "queued", collect: "joined", steer: "steered" } as const;
  test.each(Object.entries(statuses))("%s", async (mode, status) => {
    const { send, history, runs, agent } = setupRuns({ mode: mode as QueueMode });
    for (let n = 0; n <= LIMITS.runsQueuedPerSessionMax; n++) {
      const sent = await send("a", `message ${n}`);
      if (n > 1) expect(sent.status).toBe(status);
    }
    const refusal = await failure(send("a", "too many"));
    expect(refusal).toMatchObject({ code: "busy", extra: { details: { bound: 20 } } });
    expect(history("a")).toHaveLength(LIMITS.runsQueuedPerSessionMax + 1);
    await agent.started(1);
    // What was stopped makes room at once.
    runs.abort({ sessionKey: "a" }, { reason: "request" });
    expect((await send("a", "now")).status).toBe("queued");
  });
});

describe("collect", () => {
  test("messages that come during a run are answered by the next one, together", async () => {
    const { send, agent, answer } = setupRuns({ mode: "collect" });
    await send("a", "one");
    const turn = await agent.started(1);
    const second = await send("a", "two");
    const third = await send("a", "three", { idempotencyKey: "k" });
    expect([second.status, third.status]).toEqual(["queued", "joined"]);
    expect(third.runId).toBe(second.runId);
    await answer(turn, "first");
    const next = await agent.started(2);
    expect(next.said).toEqual(["user: one", "assistant: first", "user: two", "user: three"]);
    await answer(next, "both");
    expect(await send("a", "three", { idempotencyKey: "k" })).toEqual(third);
    expect(agent.turns).toHaveLength(2);
  });

  test("joins nothing that has options of its own, and nobody joins that", async () => {
    const { send, begin } = setupRuns({ mode: "collect" });
    await send("a", "one");
    const agentRun = await begin("a", "for an agent", { origin: "agent" });
    const hurried = await send("a", "in a hurry", { timeoutMs: 5_000 });
    const chat = await send("a", "two");
    const more = await begin("a", "for an agent too", { origin: "agent" });
    const last = await send("a", "three");
    const ids = [agentRun.runId, hurried.runId, chat.runId, more.runId, last.runId];
    expect(new Set(ids).size).toBe(5);
  });
});

describe("steer", () => {
  test("a message joins the run at its next boundary, and is in the history once", async () => {
    const { send, agent, answer, texts } = setupRuns({ mode: "steer" });
    const first = await send("a", "one");
    const turn = await agent.started(1);
    expect(turn.turn.steered()).toEqual([]);
    const second = await send("a", "two", { idempotencyKey: "k" });
    const third = await send("a", "three");
    expect([second, third]).toEqual([
      { runId: first.runId, sessionKey: "a", status: "steered" },
      { runId: first.runId, sessionKey: "a", status: "steered" },
    ]);
    const message = (text: string) => ({ role: "user", parts: [{ type: "text", text }] });
    expect(turn.turn.steered() as unknown[]).toEqual([message("two"), message("three")]);
    expect(turn.turn.steered()).toEqual([]);
    expect(await send("a", "two", { idempotencyKey: "k" })).toEqual(second);
    expect(turn.turn.steered()).toEqual([]);
    await answer(turn, "all three");
    await nextTurn();
    expect(agent.turns).toHaveLength(1);
    expect(texts("a")).toEqual(["user: one", "user: two", "user: three", "assistant: all three"]);
  });

  test("what was there before its agent was asked is in the conversation, and not given again", async () => {
    const { send, agent, runs, answer } = setupRuns({ mode: "steer" });
    const sent = await Promise.all([send("a", "one"), send("a", "two")]);
    expect(sent.map(({ status }) => status)).toEqual(["started", "steered"]);
    const turn = await agent.started(1);
    expect(turn.said).toEqual(["user: one", "user: two"]);
    expect(turn.turn.steered()).toEqual([]);
    await answer(turn, "both");
    await nextTurn();
    expect(agent.turns).toHaveLength(1);
    expect(runs.counts()).toEqual({ active: 0, queued: 0 });
  });

  test("what was not taken is answered by a run of its own", async () => {
    const { send, agent, answer, wait } = setupRuns({ mode: "steer" });
    const first = await send("a", "one");
    const turn = await agent.started(1);
    await send("a", "two", { idempotencyKey: "k" });
    await send("a", "three");
    await answer(turn, "only one");
    const next = await agent.started(2);
    expect(next.said).toEqual(["user: one", "assistant: only one", "user: two", "user: three"]);
    const again = await send("a", "two", { idempotencyKey: "k" });
    expect(again).toMatchObject({ status: "steered", runId: next.turn.runId });
    expect(next.turn.runId).not.toBe(first.runId);
    await answer(next, "now all");
    expect(await wait(next.turn.runId)).toMatchObject({ status: "ok" });
  });

  test("or by the one that waits already, an agent's run never", async () => {
    const { send, begin, agent, answer, settings } = setupRuns({ mode: "steer" });
    await send("a", "one");
    const turn = await agent.started(1);
    await send("a", "two");
    await begin("a", "an agent's", { origin: "agent" });
    await settings("a", { queueMode: "followup" });
    const own = await send("a", "own");
    await answer(turn, "first");
    const second = await agent.started(2);
    expect(second.said.at(-1)).toBe("user: an agent's");
    expect(second.said).not.toContain("user: two");
    await answer(second, "done");
    const third = await agent.started(3);
    expect(third.turn.runId).toBe(own.runId);
    expect(third.said.slice(-2)).toEqual(["user: two", "user: own"]);
    await answer(third, "all");
    await nextTurn();
    expect(agent.turns).toHaveLength(3);
  });

  test("what was passed on counts as waiting", async () => {
    const { send, agent, answer, settings } = setupRuns({ mode: "steer", activeMax: 1 });
    await send("a", "one");
    const turn = await agent.started(1);
    await send("b", "takes the room");
    for (let n = 0; n < 15; n++) await send("a", `s${n}`);
    await answer(turn, "first");
    await settings("a", { queueMode: "followup" });
    for (let n = 0; n < 5; n++) expect((await send("a", `f${n}`)).status).toBe("queued");
    expect(await failure(send("a", "too many"))).toMatchObject({ code: "busy" });
  });

  test("also when it went to one that waited", async () => {
    const { send, agent, answer, settings, runs } = setupRuns({ mode: "steer", activeMax: 1 });
    await send("a", "one");
    const turn = await agent.started(1);
    await send("b", "takes the room");
    for (let n = 0; n < 10; n++) await send("a", `s${n}`);
    await settings("a", { queueMode: "followup" });
    await send("a", "own");
    await answer(turn, "first");
    expect(runs.list("a")).toHaveLength(1);
    for (let n = 0; n < 9; n++) expect((await send("a", `f${n}`)).status).toBe("queued");
    expect(await failure(send("a", "too many"))).toMatchObject({ code: "busy" });
  });

  test("after a stop by request what was not taken is answered by nobody, after a failure it is", async () => {
    const { send, agent, runs, wait } = setupRuns({ mode: "steer" });
    const first = await send("a", "one");
    const turn = await agent.started(1);
    await send("a", "two");
    runs.abort({ runId: first.runId }, { reason: "request" });
    await wait(first.runId);
    await nextTurn();
    expect(agent.turns).toHaveLength(1);
    turn.end();

    const second = await send("a", "three");
    const failing = await agent.started(2);
    await send("a", "four");
    failing.fail(new Error("broken"));
    expect(await wait(second.runId)).toMatchObject({ status: "error" });
    expect((await agent.started(3)).said).toEqual(["user: one", "user: two", "user: three", "user: four"]);
  });

  test("out of time, the same", async () => {
    const { send, agent, settings, time } = setupRuns({ mode: "steer" });
    await settings("a", { limits: { timeoutMs: 1_000 } });
    await send("a", "one");
    await agent.started(1);
    await send("a", "two");
    time.advance(1_000);
    expect((await agent.started(2)).said).toEqual(["user: one", "user: two"]);
  });

  test("an agent's run is not steered", async () => {
    const { send, begin, agent } = setupRuns({ mode: "steer" });
    await begin("a", "an agent's", { origin: "agent" });
    const turn = await agent.started(1);
    expect((await send("a", "a person's")).status).toBe("queued");
    expect((await send("a", "and more")).status).toBe("joined");
    expect(turn.turn.steered()).toEqual([]);
  });
});

describe("interrupt", () => {
  test("stops what runs, keeps what it said, and answers the new message", async () => {
    const { send, agent, wait, texts, chat, answer } = setupRuns({ mode: "interrupt" });
    const first = await send("a", "one");
    const turn = await agent.started(1);
    await heard(turn, "half");
    const second = await send("a", "rather two");
    expect(second.status).toBe("queued");
    expect(await wait(first.runId)).toMatchObject({ status: "aborted", stoppedBy: "interrupted" });
    expect(chat("aborted")).toMatchObject([{ runId: first.runId, reason: "interrupted" }]);
    const next = await agent.started(2);
    expect(next.said).toEqual(["user: one", "assistant: half", "user: rather two"]);
    await answer(next, "two");
    expect(texts("a")).toEqual([
      "user: one",
      "user: rather two",
      "assistant: half (aborted)",
      "assistant: two",
    ]);
  });

  test("a message in a hurry does so too, an agent's run waits its turn", async () => {
    const { send, begin, agent, wait } = setupRuns({ mode: "interrupt" });
    const first = await send("a", "one");
    const turn = await agent.started(1);
    await begin("a", "an agent's", { origin: "agent" });
    await nextTurn();
    expect(turn.signal.aborted).toBe(false);
    await send("a", "hurry", { timeoutMs: 5_000 });
    expect(await wait(first.runId)).toMatchObject({ status: "aborted", stoppedBy: "interrupted" });
    expect((await agent.started(2)).said.at(-1)).toBe("user: an agent's");
  });

  test("in one commit: the later one counts, the lane goes on", async () => {
    const { send, agent, wait, runs, answer } = setupRuns({ mode: "interrupt" });
    const sent = await Promise.all(["one", "two", "three"].map((text) => send("a", text)));
    expect(await wait(sent[0]?.runId ?? "")).toMatchObject({ status: "aborted" });
    for (const id of [sent[1]?.runId, sent[2]?.runId]) {
      const turn = await agent.started(
        agent.turns.findIndex(({ turn }) => turn.runId === id) + 1 || agent.turns.length + 1,
      );
      await answer(turn, "done");
    }
    for (const { runId } of sent.slice(1)) expect(await wait(runId)).toMatchObject({ status: "ok" });
    expect(runs.counts()).toEqual({ active: 0, queued: 0 });
  });
});
