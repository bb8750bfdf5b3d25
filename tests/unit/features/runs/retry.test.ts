import { describe, expect, test } from "bun:test";
import { failure, heard, setupRuns } from "./kit.ts";

const stopped = { reason: "request" } as const;

describe("a retry", () => {
  test("answers the question again, without what had been said of it", async () => {
    const { send, agent, runs, wait, texts, answer, journal } = setupRuns();
    const first = await send("a", "one");
    await heard(await agent.started(1), "half an");
    runs.abort({ sessionKey: "a" }, stopped);
    await wait(first.runId);
    const again = await runs.retry("a", undefined, "me");
    expect(again.status).toBe("started");
    const turn = await agent.started(2);
    expect(turn.said).toEqual(["user: one"]);
    await answer(turn, "whole");
    expect(texts("a")).toEqual(["user: one", "assistant: half an (aborted)", "assistant: whole"]);
    expect(journal.find(again.runId)).toMatchObject({ status: "ok", retryOf: first.runId, owner: "me" });
    // What comes later has the answer, and the half one as what it was.
    await send("a", "two");
    expect((await agent.started(3)).said).toEqual([
      "user: one",
      "assistant: half an",
      "assistant: whole",
      "user: two",
    ]);
  });

  test("of a retry leaves out all that was tried, with the same options", async () => {
    const { begin, agent, runs, wait } = setupRuns();
    const options = { model: "other/big", extraSystemPrompt: "be kind" };
    const ids = [(await begin("a", "one", { origin: "agent", options })).runId];
    for (let n = 1; n <= 3; n++) {
      const turn = await agent.started(n);
      expect(turn.said).toEqual(["system: be kind", "user: one"]);
      expect(turn.models).toEqual(["other/big"]);
      await heard(turn, `try ${n}`);
      turn.fail(new Error("broken"));
      await wait(ids.at(-1) ?? "");
      ids.push((await runs.retry("a", ids.at(-1), "me")).runId);
    }
    const turn = await agent.started(4);
    expect(turn.said).toEqual(["system: be kind", "user: one"]);
  });

  test("is refused where there is nothing to try again", async () => {
    const { send, agent, runs, wait, answer } = setupRuns();
    const codeOf = (key: string, runId?: string) => failure(runs.retry(key, runId, "me"));
    expect(await codeOf("nowhere")).toMatchObject({ code: "not_found" });
    const first = await send("a", "one");
    expect(await codeOf("a")).toMatchObject({
      code: "conflict",
      message: 'Cannot retry in session "a": its last run goes on',
    });
    await answer(await agent.started(1), "done");
    expect(await codeOf("a")).toMatchObject({
      code: "conflict",
      message: 'Cannot retry in session "a": its last run has answered',
    });
    const second = await send("a", "two");
    (await agent.started(2)).fail(new Error("broken"));
    await wait(second.runId);
    expect(await codeOf("a", first.runId)).toMatchObject({
      code: "conflict",
      message: `Cannot retry in session "a": run "${first.runId}" is not the last one`,
    });
    expect(await codeOf("a", "nobody")).toMatchObject({ code: "not_found" });
    await send("b", "other session");
    expect(await codeOf("b", second.runId)).toMatchObject({ code: "not_found" });
    expect(runs.counts()).toEqual({ active: 1, queued: 0 });
  });

  test("after a reset there is nothing left to answer", async () => {
    const { send, agent, runs, wait } = setupRuns();
    const first = await send("a", "one");
    (await agent.started(1)).fail(new Error("broken"));
    await wait(first.runId);
    const again = await runs.retry("a", undefined, "me");
    (await agent.started(2)).fail(new Error("broken"));
    await wait(again.runId);
    await send("a", "/new");
    expect(await failure(runs.retry("a", undefined, "me"))).toMatchObject({ code: "not_found" });
  });

  test("two at once are one", async () => {
    const { send, agent, runs, wait } = setupRuns();
    const first = await send("a", "one");
    (await agent.started(1)).fail(new Error("broken"));
    await wait(first.runId);
    const [one, two] = await Promise.allSettled([1, 2].map(() => runs.retry("a", undefined, "me")));
    expect(one).toMatchObject({ status: "fulfilled" });
    expect(two).toMatchObject({ status: "rejected", reason: { code: "conflict" } });
  });

  test("of what a kill cut, with the messages that had joined it", async () => {
    const { send, path, agent } = setupRuns({ mode: "steer" });
    const first = await send("a", "one");
    await agent.started(1);
    await send("a", "two");
    const after = setupRuns({ path });
    after.recover();
    const again = await after.runs.retry("a", first.runId, "me");
    expect(again.status).toBe("started");
    expect((await after.agent.started(1)).said).toEqual(["user: one", "user: two"]);
  });

  test("may neither be joined nor steered", async () => {
    const { send, agent, runs, wait } = setupRuns({ mode: "steer" });
    const first = await send("a", "one");
    (await agent.started(1)).fail(new Error("broken"));
    await wait(first.runId);
    const again = await runs.retry("a", undefined, "me");
    const turn = await agent.started(2);
    expect(await send("a", "two")).toMatchObject({ status: "queued" });
    expect(turn.turn.runId).toBe(again.runId);
    expect(turn.turn.steered()).toEqual([]);
  });
});
