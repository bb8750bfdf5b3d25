import { describe, expect, test } from "bun:test";
import { RpcError } from "../../../../src/contract/errors.ts";
import { failure, type Kit, nextTurn, setupRuns } from "./kit.ts";

/** Some 1,000 tokens of the estimate. */
const page = (name: string): string => `${name} ${"x".repeat(3_496)}`;
const heads = (said: readonly string[]): string[] => said.map((line) => line.replace(/ x{50,}/, ""));

const window = { contextWindow: 10_000, keepsHistory: false };
const overflow = new RpcError("too_large", "Cannot answer: more than the context window");

/** Asks and answers a page each, so many times: 2,000 tokens every time. */
async function talk({ send, agent, answer }: Kit, times: number, key = "a"): Promise<void> {
  for (let n = 1; n <= times; n++) {
    const before = agent.turns.length;
    await send(key, page(`q${n}`));
    await answer(await agent.started(before + 1), page(`a${n}`));
  }
}

describe("compaction", () => {
  test("sums up what the window does not hold, once, and keeps what was said last", async () => {
    const kit = setupRuns({ window });
    const { send, agent, answer, history, streamed, sessions, texts } = kit;
    await talk(kit, 5);
    expect(agent.turns.some(({ turn }) => turn.isPlain)).toBe(false);
    const { runId } = await send("a", page("q6"));
    const summary = await agent.started(6);
    expect(summary.turn.isPlain).toBe(true);
    expect(summary.turn.runId).not.toBe(runId);
    expect(summary.said.join()).toContain("Person: q1");
    expect(summary.said.join()).not.toContain("q4");
    summary.say({ type: "usage", inputTokens: 100, outputTokens: 10 });
    summary.say({ type: "text", text: "they talked " }, { type: "text", text: "of pages" });
    summary.end();
    // The rest of the older part does not fit in one question.
    const more = await agent.started(7);
    expect(more.said.at(-1)).toContain("Your notes so far, to be kept up to date:\n\nthey talked of pages");
    await answerPlain(more, "more notes");
    await answerPlain(await agent.started(8), "all notes");
    const turn = await agent.started(9);
    expect(turn.turn.runId).toBe(runId);
    const told = "system: What was said before, summed up:\n\nall notes";
    expect(heads(turn.said)).toEqual([told, "user: q6"]);
    turn.say({ type: "usage", inputTokens: 7, outputTokens: 3 });
    await answer(turn, page("a6"));
    expect(streamed("compaction")).toEqual([
      { phase: "start", messages: 10 },
      { phase: "end", messages: 10, kept: 1 },
    ]);
    // The originals stay, and what the summary cost is the run's.
    expect(history("a")).toHaveLength(12);
    expect(texts("a")[0]).toStartWith("user: q1");
    expect(sessions.find("a")).toMatchObject({ inputTokens: 107, outputTokens: 13, summary: "all notes" });
    await send("a", "next");
    const next = await agent.started(10);
    expect(next.turn.isPlain).toBeUndefined();
    expect(heads(next.said)).toEqual([told, "user: q6", "assistant: a6", "user: next"]);
  });

  test("that fails leaves the oldest out, and is tried again at the next turn", async () => {
    const kit = setupRuns({ window });
    const { send, agent, answer, sessions, log, streamed } = kit;
    await talk(kit, 5);
    await send("a", page("q6"));
    (await agent.started(6)).fail(new RpcError("unavailable", "Cannot reach model: refused"));
    const turn = await agent.started(7);
    const pairs = [2, 3, 4, 5].flatMap((n) => [`user: q${n}`, `assistant: a${n}`]);
    expect(heads(turn.said)).toEqual([...pairs, "user: q6"]);
    expect(streamed("compaction").at(-1)).toMatchObject({ phase: "end", messages: 0 });
    expect(log.lines.map(({ message }) => message)).toContain(
      "history not summarised, its oldest part is left out",
    );
    await answer(turn, page("a6"));
    expect(sessions.find("a")?.summary).toBeUndefined();
    await send("a", "next");
    const again = await agent.started(8);
    expect(again.turn.isPlain).toBe(true);
    // Said nothing: no summary either.
    again.end();
    expect((await agent.started(9)).said.at(-1)).toBe("user: next");
  });

  test("a model that says it was too much is asked once more, with less", async () => {
    const kit = setupRuns({ window });
    const { send, agent, answer, wait } = kit;
    await talk(kit, 3);
    const sent = await send("a", page("q4"));
    const first = await agent.started(4);
    expect(first.said).toHaveLength(7);
    first.fail(overflow);
    const summary = await agent.started(5);
    expect(summary.turn.isPlain).toBe(true);
    await answerPlain(summary, "notes");
    const more = await agent.started(6);
    await answerPlain(more, "notes of all");
    const second = await agent.started(7);
    expect(heads(second.said)).toEqual([
      "system: What was said before, summed up:\n\nnotes of all",
      "user: q4",
    ]);
    second.fail(overflow);
    expect(await wait(sent.runId)).toMatchObject({ status: "error", error: { code: "too_large" } });
    expect(agent.turns).toHaveLength(7);
    await send("a", "again");
    await answer(await agent.started(8), "fine");
  });

  test("where that summary fails too, the same is not asked again", async () => {
    const kit = setupRuns({ window });
    await talk(kit, 3);
    await kit.send("a", page("q4"));
    (await kit.agent.started(4)).fail(overflow);
    (await kit.agent.started(5)).fail(overflow);
    expect(heads((await kit.agent.started(6)).said)).toEqual(["user: q4"]);
  });

  test("an overflow after it has said something is an error", async () => {
    const { send, agent, wait } = setupRuns({ window });
    const { runId } = await send("a", "hi");
    const turn = await agent.started(1);
    turn.say({ type: "text", text: "some" });
    turn.fail(overflow);
    expect(await wait(runId)).toMatchObject({ status: "error", error: { code: "too_large" } });
    expect(agent.turns).toHaveLength(1);
  });

  test("an agent that keeps the conversation itself is given what fits, and never sums up", async () => {
    const kit = setupRuns({ window: { ...window, keepsHistory: true } });
    await talk(kit, 5);
    const { runId } = await kit.send("a", page("q6"));
    const turn = await kit.agent.started(6);
    expect(turn.turn.isPlain).toBeUndefined();
    expect(heads(turn.said).at(-1)).toBe("user: q6");
    expect(turn.said.length).toBeLessThan(10);
    turn.fail(overflow);
    expect(await kit.wait(runId)).toMatchObject({ status: "error", error: { code: "too_large" } });
    expect(kit.agent.turns).toHaveLength(6);
  });

  test("loses no message that waits", async () => {
    const kit = setupRuns({ window });
    const { send, agent, answer, sessions } = kit;
    await talk(kit, 3);
    await send("a", page("q4"));
    const running = await agent.started(4);
    await send("a", page("q5"));
    await send("a", page("q6"));
    await answer(running, page("a4"));
    for (let n = 5; agent.turns.length < 40; n++) {
      const turn = await agent.started(n);
      if (turn.turn.isPlain) {
        await answerPlain(turn, `notes ${n}`);
        continue;
      }
      expect(
        heads(turn.said)
          .filter((line) => /^user: q[56]$/.test(line))
          .at(-1),
      ).toBe(heads(turn.said).at(-1) as string);
      const isLast = heads(turn.said).at(-1) === "user: q6";
      await answer(turn, page("later"));
      if (isLast) break;
    }
    expect(sessions.find("a")?.summary).toStartWith("notes");
    expect(kit.runs.counts()).toEqual({ active: 0, queued: 0 });
  });

  test("keeps a question that is older than an answer in the summary", async () => {
    const kit = setupRuns({ window });
    const { send, agent, answer } = kit;
    await talk(kit, 4);
    await send("a", page("q5"));
    const running = await agent.started(5);
    await send("a", page("q6"));
    await answer(running, page("a5"));
    for (const n of [6, 7, 8]) await answerPlain(await agent.started(n), "notes");
    const turn = await agent.started(9);
    expect(heads(turn.said).at(-1)).toBe("user: q6");
    await answer(turn, page("a6"));
    await send("a", "next");
    const next = await agent.started(10);
    expect(heads(next.said).slice(1)).toEqual(["assistant: a5", "user: q6", "assistant: a6", "user: next"]);
  });

  test("and one that waits for a later run", async () => {
    const kit = setupRuns({ window, mode: "steer" });
    const { send, begin, agent, answer } = kit;
    await talk(kit, 4);
    await send("a", page("q5"));
    const running = await agent.started(5);
    await send("a", "steered, not taken");
    await begin("a", page("q6"), { origin: "agent" });
    await answer(running, page("a5"));
    for (const n of [6, 7, 8]) await answerPlain(await agent.started(n), "notes");
    const turn = await agent.started(9);
    expect(heads(turn.said).at(-1)).toBe("user: q6");
    await answer(turn, "short");
    const last = await agent.started(10);
    expect(last.said.at(-1)).toBe("user: steered, not taken");
  });

  test("on demand sums up an idle session, whatever the window", async () => {
    const kit = setupRuns({ window: { contextWindow: 100_000, keepsHistory: false } });
    const { agent, runs, sessions, send, db } = kit;
    await talk(kit, 11);
    const session = sessions.find("a");
    if (!session) throw new Error("no session");
    const compacting = runs.compact(session);
    const summary = await agent.started(12);
    summary.say({ type: "usage", inputTokens: 50, outputTokens: 5 });
    await answerPlain(summary, "notes");
    expect(await compacting).toEqual({ compacted: 4, kept: 18 });
    expect(sessions.find("a")?.summary).toBe("notes");
    await kit.writer.settled();
    const counted = db.prepare("SELECT model, input_tokens FROM usage_days").all();
    expect(counted).toEqual([{ model: "test/one", input_tokens: 50 }]);
    await send("a", "next");
    expect(await failure(runs.compact(session))).toMatchObject({ code: "conflict" });
  });

  test("on demand ends with a stop, in words", async () => {
    const kit = setupRuns({ window: { contextWindow: 100_000, keepsHistory: false } });
    const { agent, runs, sessions } = kit;
    await talk(kit, 11);
    const session = sessions.find("a");
    if (!session) throw new Error("no session");
    const compacting = failure(runs.compact(session));
    const summary = await agent.started(12);
    await runs.stop(5_000);
    expect(summary.signal.aborted).toBe(true);
    summary.fail(new Error("aborted"));
    const message = "Cannot compact session: the gateway is stopping";
    expect(await compacting).toMatchObject({ code: "unavailable", message });
  });

  test("that ends after a reset is of no use any more", async () => {
    const kit = setupRuns({ window: { contextWindow: 100_000, keepsHistory: false } });
    const { agent, runs, sessions, send } = kit;
    await talk(kit, 11);
    const session = sessions.find("a");
    if (!session) throw new Error("no session");
    const compacting = runs.compact(session);
    const summary = await agent.started(12);
    await send("a", "/new");
    await answerPlain(summary, "of the time before");
    await compacting;
    expect(sessions.find("a")?.summary).toBeUndefined();
    await send("a", "hello");
    expect((await agent.started(13)).said).toEqual(["user: hello"]);
  });

  test("of a run that is aborted meanwhile ends with it", async () => {
    const kit = setupRuns({ window });
    const { send, agent, runs, wait, sessions } = kit;
    await talk(kit, 5);
    const { runId } = await send("a", page("q6"));
    const summary = await agent.started(6);
    expect(summary.turn.isPlain).toBe(true);
    runs.abort({ runId }, { reason: "request" });
    expect(summary.signal.aborted).toBe(true);
    expect(await wait(runId)).toMatchObject({ status: "aborted" });
    summary.say({ type: "text", text: "too late" });
    summary.end();
    await nextTurn();
    expect(agent.turns).toHaveLength(6);
    expect(sessions.find("a")?.summary).toBeUndefined();
    expect(runs.counts()).toEqual({ active: 0, queued: 0 });
  });
});

describe("what an agent is told first", () => {
  test("is the session's own, then the run's", async () => {
    const { begin, settings, agent } = setupRuns({
      config: { agents: { defaults: { systemPrompt: "of all", model: "test/one" } } },
    });
    const options = { extraSystemPrompt: "of this run" };
    await begin("a", "hi", { origin: "agent", options });
    expect((await agent.started(1)).said).toEqual(["system: of all", "system: of this run", "user: hi"]);
    await settings("b", { instructions: "of the session" });
    await begin("b", "hi");
    expect((await agent.started(2)).said).toEqual(["system: of the session", "user: hi"]);
  });
});

async function answerPlain(turn: Awaited<ReturnType<Kit["agent"]["started"]>>, text: string): Promise<void> {
  turn.say({ type: "text", text });
  turn.end();
  await nextTurn();
}
