import { describe, expect, test } from "bun:test";
import { RpcError } from "../../../../src/contract/errors.ts";
import { LIMITS } from "../../../../src/contract/limits.ts";
import { failure, heard, nextTurn, setupRuns } from "./kit.ts";

describe("a run", () => {
  test("is on disk before it is acknowledged, with the session it makes", async () => {
    const { send, texts, journal, sessions } = setupRuns();
    const { runId, status } = await send("talk", "hello");
    expect(status).toBe("started");
    expect(texts("talk")).toEqual(["user: hello"]);
    expect(journal.find(runId)).toMatchObject({ status: "running", origin: "chat", owner: "somebody" });
    expect(sessions.find("talk")).toMatchObject({ agentId: "main", messages: 1 });
  });

  test("ends with its whole text, told and kept", async () => {
    const { send, agent, wait, chat, texts, streamed, journal, sessions } = setupRuns();
    const { runId } = await send("talk", "hello");
    const turn = await agent.started(1);
    expect(turn.said).toEqual(["user: hello"]);
    expect(turn.environment).toMatchObject({ sessionKey: "talk", agentId: "main", models: ["test/one"] });
    turn.say(
      { type: "model", model: "test/one" },
      { type: "thinking", text: "hm" },
      { type: "text", text: "Good " },
      { type: "text", text: "day" },
    );
    turn.say({ type: "usage", inputTokens: 3, outputTokens: 2 });
    turn.say({ type: "usage", inputTokens: 9, outputTokens: 1, cachedTokens: 4 });
    turn.say({ type: "end", reason: "stop" });
    turn.end();
    const ended = await wait(runId);
    expect(ended).toMatchObject({ status: "ok", startedAt: expect.any(Number), endedAt: expect.any(Number) });
    const usage = { inputTokens: 12, outputTokens: 3, cachedTokens: 4 };
    const content = [
      { type: "thinking", text: "hm" },
      { type: "text", text: "Good day" },
    ];
    expect(chat("final")).toMatchObject([{ runId, message: { content }, usage }]);
    expect(texts("talk")).toEqual(["user: hello", "assistant: <hm> Good day"]);
    expect(streamed("lifecycle")).toEqual([
      { phase: "start" },
      { phase: "model", model: "test/one" },
      { phase: "end", status: "ok" },
    ]);
    expect(streamed("thinking")).toEqual([{ text: "hm" }]);
    const { status, startedAt, endedAt } = journal.find(runId) ?? {};
    expect({ status, startedAt, endedAt } as object).toEqual(ended as object);
    expect(sessions.find("talk")).toMatchObject({ inputTokens: 12, outputTokens: 3, contextTokens: 10 });
  });

  test("every event it tells fits the contract", async () => {
    const { send, agent, wait, told, misfits, runs, begin } = setupRuns({ mode: "steer" });
    const first = await send("a", "one");
    const turn = await agent.started(1);
    turn.say({ type: "text", text: "x" }, { type: "tool_start", id: "t", name: "f", args: "{}" });
    turn.say({ type: "tool_update", id: "t", text: "half" });
    turn.say({ type: "tool_result", id: "t", text: "done", isError: true }, { type: "thinking", text: "y" });
    turn.say({ type: "usage", inputTokens: 1, outputTokens: 1 }, { type: "model", model: "test/two" });
    turn.end();
    await wait(first.runId);
    await send("a", "two");
    await send("a", "steered");
    runs.abort({ sessionKey: "a" }, { reason: "request", by: "somebody" });
    const { runId } = await begin("a", "three", { origin: "agent" });
    (await agent.started(3)).fail(new RpcError("busy", "Cannot answer: busy", { retryAfterMs: 1.5 }));
    await wait(runId);
    expect(misfits).toEqual([]);
    expect(told.length).toBeGreaterThan(15);
  });

  test("that fails says why, an error of ours in its words, any other by a reference", async () => {
    const { send, agent, wait, chat, log } = setupRuns();
    const known = await send("a", "hi");
    (await agent.started(1)).fail(new RpcError("busy", "Cannot reach model: full", { retryAfterMs: 1_500 }));
    const error = { code: "busy", message: "Cannot reach model: full", retryAfterMs: 1_500 };
    expect(await wait(known.runId)).toMatchObject({ status: "error", error });
    const unknown = await send("b", "hi");
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

  test("gives its agent the word of a person, and what it keeps for the next time", async () => {
    const { send, agent, approvals, wait, sessions } = setupRuns();
    const { runId } = await send("a", "hi");
    const { turn, signal, end } = await agent.started(1);
    expect(await turn.approve({ title: "run it" }, signal)).toBe("allow_once");
    expect(approvals).toEqual([`${runId} run it`]);
    turn.remember("a note");
    turn.remember("x".repeat(LIMITS.agentNoteCharsMax + 1));
    end();
    await wait(runId);
    expect(sessions.find("a")?.note).toBe("a note");
    await send("a", "again");
    expect((await agent.started(2)).environment.note).toBe("a note");
  });

  test("tells of progress no faster than of text, of each tool by itself", async () => {
    const { send, agent, time, streamed } = setupRuns();
    await send("a", "hi");
    const turn = await agent.started(1);
    for (const id of ["t", "u"]) turn.say({ type: "tool_start", id, name: "f", args: "{}" });
    for (let n = 0; n < 50; n++) turn.say({ type: "tool_update", id: n % 2 === 0 ? "t" : "u", text: `${n}` });
    await nextTurn();
    expect(streamed("tool").slice(2)).toEqual([
      { phase: "update", toolCallId: "t", text: "0" },
      { phase: "update", toolCallId: "u", text: "1" },
    ]);
    time.advance(LIMITS.deltaMs);
    turn.say({ type: "tool_update", id: "t", text: "later" });
    await nextTurn();
    expect(streamed("tool").at(-1)).toEqual({ phase: "update", toolCallId: "t", text: "later" });
  });

  test("tells nothing of tools that were not called, or have answered", async () => {
    const { send, agent, answer, streamed } = setupRuns();
    await send("a", "hi");
    const turn = await agent.started(1);
    turn.say({ type: "tool_update", id: "t", text: "early" });
    turn.say({ type: "tool_start", id: "t", name: "f", args: "{}" });
    for (let n = 0; n < 3; n++) turn.say({ type: "tool_result", id: "t", text: `${n}`, isError: false });
    turn.say({ type: "tool_update", id: "t", text: "late" });
    await answer(turn, "done");
    expect(streamed("tool")).toMatchObject([{ phase: "start" }, { phase: "result", result: "0" }]);
  });
});

describe("a budget", () => {
  test("of time: it is aborted with its text kept", async () => {
    const { send, agent, wait, time, texts, chat } = setupRuns();
    const { runId } = await send("a", "hi", { timeoutMs: 1_000 });
    const turn = await agent.started(1);
    await heard(turn, "so far");
    time.advance(1_000);
    const error = { code: "timeout", message: `Cannot complete run "${runId}": not done within 1000 ms` };
    expect(await wait(runId)).toMatchObject({ status: "aborted", error, stoppedBy: "timeout" });
    expect(turn.signal.aborted).toBe(true);
    expect(texts("a").at(-1)).toEqual("assistant: so far (aborted)");
    expect(chat("aborted")).toMatchObject([{ reason: "timeout", message: { status: "aborted" } }]);
  });

  test("of output: an endless answer is stopped", async () => {
    const { send, agent, wait } = setupRuns();
    const { runId } = await send("a", "hi");
    const turn = await agent.started(1);
    for (let n = 0; n < 5; n++) turn.say({ type: "text", text: "x".repeat(LIMITS.runBytesMax / 4) });
    const message = `Cannot go on with the run: the answer is longer than ${LIMITS.runBytesMax} bytes`;
    expect(await wait(runId)).toMatchObject({ status: "error", error: { code: "too_large", message } });
    expect(turn.signal.aborted).toBe(true);
  });

  test.each(["x".repeat(10_000), ""])("of output: tool calls count, however long they are", async (args) => {
    const { send, agent, wait, journal, settings } = setupRuns();
    await settings("a", { limits: { toolCallsMax: 1_000_000 } });
    const { runId } = await send("a", "hi");
    const turn = await agent.started(1);
    const count = LIMITS.runBytesMax / Math.max(args.length, 40);
    for (let n = 0; n <= count; n++) turn.say({ type: "tool_start", id: "", name: "", args });
    expect(await wait(runId)).toMatchObject({ status: "error", error: { code: "too_large" } });
    expect(journal.find(runId)?.status).toBe("error");
  });

  test("of output: counted as it is stored and sent, where a control character is six", async () => {
    const { send, agent, wait } = setupRuns();
    const { runId } = await send("a", "hi");
    const turn = await agent.started(1);
    turn.say({ type: "text", text: "\u001b".repeat(LIMITS.runBytesMax / 5) });
    expect(await wait(runId)).toMatchObject({ status: "error", error: { code: "too_large" } });
  });

  test("of tool calls, the session's own, also for an agent that never lets go", async () => {
    const { send, agent, wait, settings, runs } = setupRuns({ isStubborn: true });
    await settings("a", { limits: { toolCallsMax: 0 } });
    const { runId } = await send("a", "hi");
    const turn = await agent.started(1);
    turn.say({ type: "tool_start", id: "1", name: "f", args: "{}" });
    expect(await wait(runId)).toMatchObject({ status: "error", error: { code: "too_large" } });
    expect(turn.signal.aborted).toBe(true);
    expect(runs.counts()).toEqual({ active: 0, queued: 0 });
  });

  test("of tool calls, the session's own", async () => {
    const { send, agent, wait, settings } = setupRuns();
    await settings("a", { limits: { toolCallsMax: 2 } });
    const { runId } = await send("a", "hi");
    const turn = await agent.started(1);
    for (let n = 0; n < 3; n++) turn.say({ type: "tool_start", id: `${n}`, name: "f", args: "{}" });
    const message = "Cannot go on with the run: more than 2 tool calls";
    expect(await wait(runId)).toMatchObject({ status: "error", error: { code: "too_large", message } });
  });

  test("of tokens: what is over is not tried again, as a model's overflow would be", async () => {
    const { send, agent, wait, settings } = setupRuns();
    await settings("a", { limits: { tokensMax: 100 } });
    const { runId } = await send("a", "hi");
    const turn = await agent.started(1);
    turn.say({ type: "usage", inputTokens: 60, outputTokens: 40 });
    turn.say({ type: "usage", inputTokens: 1, outputTokens: 0 });
    const message = "Cannot go on with the run: more than 100 tokens";
    expect(await wait(runId)).toMatchObject({ status: "error", error: { code: "too_large", message } });
    await nextTurn();
    expect(agent.turns).toHaveLength(1);
  });
});

describe("deltas", () => {
  test("the first at once, then one each 150 ms, the last without waiting for the end", async () => {
    const { send, agent, time, chat, told } = setupRuns();
    await send("a", "hi");
    const turn = await agent.started(1);
    await heard(turn, "one ");
    await heard(turn, "two ");
    await heard(turn, "three ");
    expect(chat("delta")).toMatchObject([{ offset: 0, delta: "one " }]);
    time.advance(LIMITS.deltaMs - 1);
    expect(chat("delta")).toHaveLength(1);
    time.advance(1);
    expect(chat("delta").at(-1)).toMatchObject({ offset: 4, delta: "two three " });
    time.advance(10_000);
    expect(chat("delta")).toHaveLength(2);
    await heard(turn, "four");
    expect(chat("delta").at(-1)).toMatchObject({ offset: 14, delta: "four" });
    const deltas = told.filter(({ payload }) => payload["state"] === "delta");
    expect(deltas.every(({ dropIfSlow }) => dropIfSlow)).toBe(true);
  });

  test("joined by their offsets they are the text, whatever the pace", async () => {
    const { send, agent, time, chat, wait, runs } = setupRuns();
    const { runId } = await send("a", "hi");
    const turn = await agent.started(1);
    let text = "";
    for (let n = 0; n < 100; n++) {
      const piece = String.fromCodePoint(0x1f600 + (n % 40));
      await heard(turn, piece);
      text += piece;
      time.advance((n * 37) % 90);
    }
    const joined = (): string => {
      let all = "";
      for (const { offset, delta } of chat("delta")) {
        expect(offset).toBe(all.length);
        all += String(delta);
      }
      return all;
    };
    expect(runs.saying("all")).toEqual([
      { runId, sessionKey: "a", startedAt: expect.any(Number), text: joined() },
    ]);
    time.advance(LIMITS.deltaMs);
    expect(joined()).toBe(text);
    turn.end();
    await wait(runId);
    expect(time.pending()).toBe(0);
    expect(runs.saying("all")).toEqual([]);
  });
});

describe("abort", () => {
  test("ends at once what listens to nobody, keeps its text, and the next one starts", async () => {
    const { send, agent, runs, wait, texts } = setupRuns();
    const first = await send("a", "one");
    const second = await send("a", "two");
    const turn = await agent.started(1);
    await heard(turn, "partial");
    const stopped = { reason: "request", by: "me" } as const;
    expect(runs.abort({ sessionKey: "a", runId: first.runId }, stopped)).toEqual([first.runId]);
    expect(turn.signal.aborted).toBe(true);
    expect(await wait(first.runId)).toMatchObject({ status: "aborted", stoppedBy: "me" });
    // Words that come too late are nobody's.
    turn.say({ type: "text", text: "too late" });
    turn.end();
    (await agent.started(2)).end();
    await wait(second.runId);
    expect(texts("a")).toEqual(["user: one", "user: two", "assistant: partial (aborted)"]);
  });

  test("of a session stops what waits too, and starts none of it", async () => {
    const { send, agent, runs, wait, time } = setupRuns();
    const ids: string[] = [];
    for (const text of ["one", "two", "three"]) ids.push((await send("a", text)).runId);
    await agent.started(1);
    expect(runs.abort({ sessionKey: "a" }, { reason: "request" })).toEqual(ids);
    for (const id of ids) expect(await wait(id)).toMatchObject({ status: "aborted", stoppedBy: "request" });
    expect(agent.turns).toHaveLength(1);
    expect(runs.counts()).toEqual({ active: 0, queued: 0 });
    expect(time.pending()).toBe(0);
  });

  test("of one that waits for room: it does not start while its end is on its way to the disk", async () => {
    const { send, agent, runs, wait, time, journal, streamed } = setupRuns({ activeMax: 1 });
    const first = await send("a", "one");
    const second = await send("b", "two");
    const turn = await agent.started(1);
    turn.end();
    // Its end is committed with that of the first, which makes room.
    await Promise.resolve();
    runs.abort({ runId: second.runId }, { reason: "request" });
    await wait(first.runId);
    await wait(second.runId);
    await nextTurn();
    expect(agent.turns).toHaveLength(1);
    expect(streamed("lifecycle").filter((data) => JSON.stringify(data).includes("start"))).toHaveLength(1);
    expect(journal.find(second.runId)?.status).toBe("aborted");
    expect(runs.counts()).toEqual({ active: 0, queued: 0 });
    expect(time.pending()).toBe(0);
  });

  test("of another session's run does nothing; by its id alone it is found", async () => {
    const { send, agent, runs } = setupRuns();
    const { runId } = await send("a", "one");
    await agent.started(1);
    expect(runs.abort({ sessionKey: "b", runId }, { reason: "request" })).toEqual([]);
    expect(runs.counts().active).toBe(1);
    expect(runs.abort({ runId }, { reason: "request" })).toEqual([runId]);
  });
});

describe("stop", () => {
  test("waiting runs end at once, the running one gets its time and is cut when it takes more", async () => {
    const { send, agent, runs, time, wait, texts } = setupRuns();
    const first = await send("a", "one");
    const second = await send("a", "two");
    const turn = await agent.started(1);
    await heard(turn, "so far");
    const stopped = runs.stop(5_000);
    expect(await wait(second.runId)).toMatchObject({ status: "interrupted", stoppedBy: "shutdown" });
    expect(await failure(send("a", "three"))).toMatchObject({ code: "unavailable" });
    expect(await failure(send("a", "/new three"))).toMatchObject({ code: "unavailable" });
    time.advance(5_000);
    await stopped;
    expect(await wait(first.runId)).toMatchObject({ status: "interrupted" });
    expect(texts("a").filter((text) => text.startsWith("assistant"))).toEqual([
      "assistant:  (interrupted)",
      "assistant: so far (interrupted)",
    ]);
  });

  test("a run that waits for room is not started by it", async () => {
    const { send, agent, runs, wait } = setupRuns({ activeMax: 1 });
    const first = await send("a", "one");
    const second = await send("b", "two");
    const turn = await agent.started(1);
    const stopped = runs.stop(5_000);
    expect(await wait(second.runId)).toMatchObject({ status: "interrupted" });
    turn.end();
    await stopped;
    expect(await wait(first.runId)).toMatchObject({ status: "ok" });
    expect(agent.turns).toHaveLength(1);
  });

  test("a message on its way to the disk is refused, and nothing of it is there", async () => {
    const { send, runs, texts, writer, agent } = setupRuns();
    const sending = failure(send("a", "one"));
    await runs.stop(5_000);
    expect(await sending).toMatchObject({ code: "unavailable" });
    await writer.settled();
    expect(texts("a")).toEqual([]);
    expect(agent.turns).toEqual([]);
    expect(runs.counts()).toEqual({ active: 0, queued: 0 });
  });

  test("a steered message that was not taken waits for somebody to try again", async () => {
    const { send, agent, runs, wait, journal, idOf } = setupRuns({ mode: "steer" });
    const { runId } = await send("a", "one");
    const turn = await agent.started(1);
    expect(await send("a", "and two")).toMatchObject({ status: "steered", runId });
    const stopped = runs.stop(5_000);
    turn.end();
    await stopped;
    expect(await wait(runId)).toMatchObject({ status: "ok" });
    expect(journal.last(idOf("a"), 0)).toMatchObject({ status: "interrupted" });
    expect(agent.turns).toHaveLength(1);
  });
});

describe("agent.wait", () => {
  test("answers when time is up, and takes nothing with it", async () => {
    const { send, runs, time, agent } = setupRuns();
    const { runId } = await send("a", "hi");
    const waiting = runs.wait(runId, 100, () => () => {});
    time.advance(100);
    expect(await waiting).toBe("timeout");
    (await agent.started(1)).end();
    expect(await runs.wait(runId, 1_000, () => () => {})).toMatchObject({ status: "ok" });
  });

  test("of a caller who leaves ends, of a run nobody knows is nothing", async () => {
    const { send, runs, time } = setupRuns();
    const { runId } = await send("a", "hi", { timeoutMs: 10_000 });
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

  test("after a restart is answered from the disk: how it ended, why, and who stopped it", async () => {
    const { send, agent, runs, wait, path } = setupRuns();
    const failed = await send("a", "hi");
    (await agent.started(1)).fail(new RpcError("busy", "Cannot answer: busy", { retryAfterMs: 5 }));
    await wait(failed.runId);
    const stopped = await send("a", "hi");
    await agent.started(2);
    runs.abort({ runId: stopped.runId }, { reason: "request", by: "me" });
    await wait(stopped.runId);
    const open = await send("a", "hi");
    const queued = await send("a", "more");

    const after = setupRuns({ path });
    expect(after.recover()).toEqual([open.runId, queued.runId]);
    const error = { code: "busy", message: "Cannot answer: busy", retryAfterMs: 5 };
    expect(await after.wait(failed.runId)).toMatchObject({ status: "error", error });
    expect(await after.wait(stopped.runId)).toMatchObject({ status: "aborted", stoppedBy: "me" });
    expect(await after.wait(open.runId)).toMatchObject({
      status: "interrupted",
      endedAt: expect.any(Number),
    });
    expect(await after.wait(queued.runId)).toMatchObject({ status: "interrupted" });
    expect(after.recover()).toEqual([]);
  });
});
