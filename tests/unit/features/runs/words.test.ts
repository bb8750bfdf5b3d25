import { describe, expect, test } from "bun:test";
import { heard, nextTurn, setupRuns } from "./kit.ts";

describe("a word that stops", () => {
  test("stops what runs and what waits, and is no message", async () => {
    const { runs, asked, send, agent, wait, texts } = setupRuns();
    const first = await send("a", "one");
    const second = await send("a", "two");
    await agent.started(1);
    const stopped = await runs.send(asked("a", " Stop "), "somebody");
    expect(stopped).toEqual({ runId: first.runId, sessionKey: "a", status: "stopped" });
    // Once more, before the end is on disk: it is not a message either.
    expect(await runs.send(asked("a", "/stop"))).toEqual({
      runId: second.runId,
      sessionKey: "a",
      status: "stopped",
    });
    for (const { runId } of [first, second])
      expect(await wait(runId)).toMatchObject({ status: "aborted", stoppedBy: "somebody" });
    expect(texts("a")).toEqual(["user: one", "user: two"]);
    expect(agent.turns).toHaveLength(1);
  });

  test("is a message where nothing runs, and with a picture", async () => {
    const { send, agent } = setupRuns();
    expect(await send("a", "stop")).toMatchObject({ status: "started" });
    await agent.started(1);
    const attachments = [{ mimeType: "image/png" as const, content: "iVBORw0KGgo=" }];
    expect(await send("a", "stop", { attachments })).toMatchObject({ status: "queued" });
  });
});

describe("a word that begins anew", () => {
  test("ends what runs, lets go of its agent, and hides what was said", async () => {
    const { send, agent, wait, texts, sessions, chat } = setupRuns();
    const first = await send("a", "one");
    await heard(await agent.started(1), "half");
    const before = sessions.find("a")?.sessionId;
    const reset = await send("a", "/new");
    expect(reset).toEqual({ status: "reset", sessionKey: "a", runId: expect.any(String) });
    expect(await wait(reset.runId)).toMatchObject({ status: "ok" });
    expect(chat("final")).toMatchObject([{ runId: reset.runId, message: { content: [] } }]);
    expect(await wait(first.runId)).toMatchObject({ status: "aborted", stoppedBy: "somebody" });
    expect(chat("aborted")).toMatchObject([{ reason: "reset" }]);
    expect(agent.closed).toEqual(["a"]);
    expect(texts("a")).toEqual([]);
    expect(sessions.find("a")?.sessionId).not.toBe(before as string);
    await send("a", "two");
    expect((await agent.started(2)).said).toEqual(["user: two"]);
  });

  test("goes on with what comes behind it, and with the model it names", async () => {
    const { send, agent, sessions } = setupRuns();
    expect(await send("a", "/new other/model what else")).toMatchObject({ status: "started" });
    const turn = await agent.started(1);
    expect(turn.said).toEqual(["user: what else"]);
    expect(turn.models).toEqual(["other/model"]);
    expect(sessions.find("a")?.model).toBe("other/model");
    await send("a", "/reset and/or not");
    expect((await agent.started(2)).said).toEqual(["user: and/or not"]);
    expect(sessions.find("a")?.model).toBe("other/model");
  });

  test("said twice under one key begins anew once", async () => {
    const { send, agent, answer, texts, sessions } = setupRuns();
    const first = await send("a", "/new hello", { idempotencyKey: "k" });
    await answer(await agent.started(1), "good day");
    const id = sessions.find("a")?.sessionId;
    expect(await send("a", "/new hello", { idempotencyKey: "k" })).toEqual(first);
    expect(texts("a")).toEqual(["user: hello", "assistant: good day"]);
    expect(sessions.find("a")?.sessionId).toBe(id as string);
  });

  test("a message that slips in before it is stopped, and none loses its question", async () => {
    const { send, agent, runs, wait } = setupRuns();
    await answerOne();
    const [slipped, reset] = await Promise.all([send("a", "slips in"), send("a", "/new and then")]);
    expect(await wait(slipped.runId)).toMatchObject({ status: "aborted" });
    const turn = agent.turns.find((one) => one.turn.runId === reset.runId) ?? (await agent.started(3));
    expect(turn.said).toEqual(["user: and then"]);
    for (const { said } of agent.turns) expect(said.at(-1)).toStartWith("user: ");
    turn.end();
    await wait(reset.runId);
    expect(runs.counts()).toEqual({ active: 0, queued: 0 });

    async function answerOne(): Promise<void> {
      const { runId } = await send("a", "before");
      (await agent.started(1)).end();
      await wait(runId);
    }
  });

  test("what the agent of the time before wanted to keep is not kept", async () => {
    const { send, agent, sessions, writer } = setupRuns();
    await send("a", "one");
    const turn = await agent.started(1);
    await send("a", "/new");
    turn.turn.remember("of the time before");
    await writer.settled();
    expect(sessions.find("a")?.note).toBeUndefined();
  });
});

test("all of a session is ended when what it has now is, whatever comes behind", async () => {
  const { send, agent, runs, idOf, wait } = setupRuns();
  const first = await send("a", "one");
  await agent.started(1);
  const ended = runs.endAll(idOf("a"), { reason: "deleted" });
  const second = await send("a", "two");
  await ended;
  expect(await wait(first.runId)).toMatchObject({ status: "aborted" });
  await nextTurn();
  expect(runs.list("a").map(({ id }) => id)).toEqual([second.runId]);
});
