import { describe, expect, test } from "bun:test";
import { LIMITS } from "../../../../src/contract/limits.ts";
import { failure, type Kit, nextTurn, setupRuns } from "./kit.ts";

/** Lets the end of a run be tried so many times. */
async function retries({ time }: Kit, times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    await nextTurn();
    await nextTurn();
    time.advance(LIMITS.writeRetryMs);
  }
  await nextTurn();
  await nextTurn();
}

describe("a disk that takes no message", () => {
  test.each(["full", "io", "busy"] as const)(
    "%s: send fails with a sentence, and leaves no trace",
    async (kind) => {
      const { send, refuse, runs, sessions, agent, history, answer, writer } = setupRuns({ activeMax: 1 });
      refuse(kind);
      const refused = await failure(send("a", "one", { idempotencyKey: "k" }));
      expect(refused).toMatchObject({
        code: "unavailable",
        message: expect.stringContaining("Cannot write to the database: "),
        extra: { retryAfterMs: LIMITS.writeRetryMs },
      });
      expect(writer.problem).toBeDefined();
      expect(runs.counts()).toEqual({ active: 0, queued: 0 });
      expect(runs.list()).toEqual([]);
      expect(sessions.find("a")).toBeUndefined();
      refuse(undefined);
      // The room that was promised is there again.
      expect(await send("a", "one", { idempotencyKey: "k" })).toMatchObject({ status: "started" });
      await answer(await agent.started(1), "done");
      expect(history("a")).toHaveLength(2);
      expect(agent.turns).toHaveLength(1);
      expect(writer.problem).toBeUndefined();
    },
  );

  test("a refused message that would have steered is never given to the agent", async () => {
    const { send, refuse, agent, answer, runs, texts } = setupRuns({ mode: "steer" });
    await send("a", "one");
    const turn = await agent.started(1);
    refuse("full");
    expect(await failure(send("a", "two"))).toMatchObject({ code: "unavailable" });
    refuse(undefined);
    expect(turn.turn.steered()).toEqual([]);
    await send("a", "three");
    expect(turn.turn.steered()).toMatchObject([{ parts: [{ text: "three" }] }]);
    await answer(turn, "done");
    await nextTurn();
    expect(texts("a")).toEqual(["user: one", "user: three", "assistant: done"]);
    expect(agent.turns).toHaveLength(1);
    expect(runs.counts()).toEqual({ active: 0, queued: 0 });
  });

  test("one that would have joined does not count as waiting", async () => {
    const { send, refuse, history } = setupRuns({ mode: "collect" });
    await send("a", "one");
    await send("a", "two");
    refuse("full");
    for (let n = 0; n < 30; n++)
      expect(await failure(send("a", "no"))).toMatchObject({ code: "unavailable" });
    refuse(undefined);
    for (let n = 2; n <= LIMITS.runsQueuedPerSessionMax; n++)
      expect((await send("a", `${n}`)).status).toBe("joined");
    expect(await failure(send("a", "too many"))).toMatchObject({ code: "busy" });
    expect(history("a")).toHaveLength(LIMITS.runsQueuedPerSessionMax + 1);
  });

  test("several in one commit are all refused, and those that come later start", async () => {
    const { send, refuse, agent, runs } = setupRuns({ mode: "steer", activeMax: 2 });
    refuse("io");
    const refused = await Promise.allSettled(["a", "a", "b", "c"].map((key) => send(key, "no")));
    expect(refused.every(({ status }) => status === "rejected")).toBe(true);
    refuse(undefined);
    const sent = await Promise.all(["a", "b"].map((key) => send(key, "yes")));
    expect(sent.map(({ status }) => status)).toEqual(["started", "started"]);
    await agent.started(2);
    expect(runs.counts()).toEqual({ active: 2, queued: 0 });
  });

  test("one that alone is refused leaves nothing for those behind it in the same commit", async () => {
    const { send, db, agent, texts, answer, settings } = setupRuns({ mode: "steer" });
    await settings("a", {});
    db.exec(
      "CREATE TRIGGER no BEFORE INSERT ON messages WHEN NEW.content LIKE '%poison%' BEGIN SELECT raise(ABORT, 'no'); END",
    );
    const [bad, good] = await Promise.allSettled([send("a", "poison"), send("a", "good")]);
    expect(bad).toMatchObject({ status: "rejected" });
    expect(good).toMatchObject({ status: "fulfilled", value: { status: "started" } });
    await answer(await agent.started(1), "fine");
    expect(texts("a")).toEqual(["user: good", "assistant: fine"]);
  });

  test("a reset that is refused leaves what was said", async () => {
    const { send, refuse, agent, answer, texts } = setupRuns();
    await send("a", "one");
    await answer(await agent.started(1), "first");
    refuse("full");
    expect(await failure(send("a", "/new two"))).toMatchObject({ code: "unavailable" });
    refuse(undefined);
    expect(texts("a")).toEqual(["user: one", "assistant: first"]);
  });
});

test("a disk that takes nothing at a start: what was cut is marked when it can be, and nothing else", async () => {
  const before = setupRuns();
  const cut = await before.send("a", "one");
  const tried = await before.send("b", "one");
  const kit = setupRuns({ path: before.path });
  const { refuse, recover, journal, send, time, texts, runs } = kit;
  refuse("full");
  expect(recover()).toEqual([cut.runId, tried.runId]);
  await retries(kit, 3);
  expect(await kit.wait(cut.runId)).toMatchObject({ status: "interrupted" });
  expect(journal.find(cut.runId)?.status).toBe("running");
  refuse(undefined);
  const again = await runs.retry("b", undefined, "me");
  const fresh = await send("c", "one");
  await retries(kit, 1);
  expect(journal.openRuns().map(({ id }) => id)).toEqual([again.runId, fresh.runId]);
  expect(texts("a")).toEqual(["user: one", "assistant:  (interrupted)"]);
  expect(texts("b")).toEqual(["user: one", "assistant:  (interrupted)"]);
  time.advance(60 * LIMITS.writeRetryMs);
  await retries(kit, 1);
  expect(texts("a")).toHaveLength(2);
});

describe("a disk that does not take the end of a run", () => {
  test("is asked again, and all is told when it takes it", async () => {
    const kit = setupRuns();
    const { send, agent, refuse, chat, wait, texts, runs } = kit;
    const first = await send("a", "one");
    const second = await send("a", "two");
    const turn = await agent.started(1);
    refuse("full");
    turn.say({ type: "text", text: "an answer" });
    turn.end();
    const ended = wait(first.runId);
    await retries(kit, 5);
    expect(chat("final")).toEqual([]);
    expect(agent.turns).toHaveLength(1);
    refuse(undefined);
    await retries(kit, 1);
    // It ended when it ended, not when the disk was ready.
    const endedAt = kit.journal.find(first.runId)?.endedAt;
    expect(endedAt).toBeLessThan(kit.time.clock.now());
    expect(await ended).toMatchObject({ status: "ok", endedAt });
    expect(chat("final")).toMatchObject([{ runId: first.runId }]);
    expect(texts("a").at(-1)).toBe("assistant: an answer");
    (await agent.started(2)).end();
    expect(await wait(second.runId)).toMatchObject({ status: "ok" });
    expect(runs.counts()).toEqual({ active: 0, queued: 0 });
  });

  test("says so once to those who listen, and at once to whoever wants the session quiet", async () => {
    const kit = setupRuns();
    const { send, agent, refuse, streamed, runs, idOf, chat } = kit;
    await send("a", "one");
    await agent.started(1);
    refuse("full");
    const error = { code: "unavailable", message: "Cannot write to the database: the disk is full" };
    expect(await failure(send("a", "/new"))).toMatchObject(error);
    expect(await failure(runs.endAll(idOf("a"), { reason: "deleted" }))).toMatchObject(error);
    await retries(kit, 3);
    expect(streamed("lifecycle")).toMatchObject([{ phase: "start" }, { phase: "unkept", error }]);
    refuse(undefined);
    await retries(kit, 1);
    expect(chat("aborted")).toMatchObject([{ reason: "reset" }]);
    await runs.endAll(idOf("a"), { reason: "deleted" });
    expect(await send("a", "/new")).toMatchObject({ status: "reset" });
  });

  test("for too long: an error for all who wait, and no lane is held up", async () => {
    const kit = setupRuns({ mode: "steer" });
    const { send, agent, refuse, chat, wait, runs, path } = kit;
    const first = await send("a", "one");
    const turn = await agent.started(1);
    await send("a", "not taken");
    refuse("full");
    turn.say({ type: "text", text: "an answer" });
    turn.end();
    const ended = wait(first.runId);
    await retries(kit, LIMITS.endRetryMs / LIMITS.writeRetryMs + 1);
    expect(await ended).toMatchObject({ status: "error", error: { code: "unavailable" } });
    expect(chat("final")).toEqual([]);
    expect(chat("error")).toMatchObject([
      { runId: first.runId, message: { status: "error", content: [{ text: "an answer" }] } },
    ]);
    expect(runs.counts()).toEqual({ active: 0, queued: 0 });
    expect(kit.time.pending()).toBe(0);

    refuse(undefined);
    // On disk it never ended: what the next start will say of it is true already.
    expect(await wait(first.runId)).toMatchObject({ status: "interrupted" });
    const again = await runs.retry("a", undefined, "me");
    expect(again.status).toBe("started");
    const next = await agent.started(2);
    expect(next.said).toEqual(["user: one", "user: not taken"]);
    next.end();
    expect(await wait(again.runId)).toMatchObject({ status: "ok" });
    const after = setupRuns({ path });
    expect(after.journal.openRuns()).toEqual([]);
    expect(after.journal.find(first.runId)?.status).toBe("interrupted");
  });

  test("because too much waits for it: the same", async () => {
    const kit = setupRuns();
    const { send, agent, wait, writer, texts } = kit;
    const { runId } = await send("a", "one");
    const turn = await agent.started(1);
    turn.say({ type: "text", text: "an answer" });
    turn.end();
    const others = Array.from({ length: LIMITS.writesQueuedMax }, () => writer.write(() => undefined));
    expect(await failure(writer.write(() => undefined))).toMatchObject({ code: "busy" });
    const ended = wait(runId);
    await Promise.all(others);
    await retries(kit, 1);
    expect(await ended).toMatchObject({ status: "ok" });
    expect(texts("a").at(-1)).toBe("assistant: an answer");
  });

  test("at a stop it is not waited for", async () => {
    const { send, agent, refuse, runs, time } = setupRuns();
    await send("a", "one");
    await agent.started(1);
    refuse("io");
    const stopped = runs.stop(5_000);
    time.advance(5_000);
    await stopped;
    expect(runs.counts()).toEqual({ active: 0, queued: 0 });
  });

  test("the start that was not written is there with the end", async () => {
    const { send, agent, refuse, wait, journal, answer, writer } = setupRuns();
    const first = await send("a", "one");
    const second = await send("a", "two");
    const turn = await agent.started(1);
    turn.end();
    await wait(first.runId);
    refuse("io");
    const next = await agent.started(2);
    await writer.settled();
    expect(journal.find(second.runId)).toMatchObject({ status: "queued" });
    refuse(undefined);
    await answer(next, "done");
    expect(journal.find(second.runId)).toMatchObject({ status: "ok", startedAt: expect.any(Number) });
  });
});
