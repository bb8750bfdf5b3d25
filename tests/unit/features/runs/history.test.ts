import { describe, expect, test } from "bun:test";
import { LIMITS } from "../../../../src/contract/limits.ts";
import { Journal } from "../../../../src/features/runs/journal.ts";
import type { Database } from "../../../../src/ports.ts";
import { createCountingCrypto } from "../../../support/ports.ts";
import { failure, type Kit, nextTurn, setupRuns } from "./kit.ts";

/** Changes one character of a message on the disk. */
function damage({ db }: Kit, text: string): void {
  const { changes } = db
    .prepare("UPDATE messages SET content = replace(content, ?, ?) WHERE content LIKE ?")
    .run(text, `${text.slice(0, -1)}#`, `%${text}%`);
  expect(changes).toBe(1);
}

/** The database, and how many characters of messages have been read from it. */
function countingReads(db: Database): { counting: Database; chars: () => number } {
  let chars = 0;
  const prepare: Database["prepare"] = (sql) => {
    const statement = db.prepare(sql);
    const all: typeof statement.all = (...values) => {
      const rows = statement.all(...values);
      for (const { content } of rows) chars += String(content ?? "").length;
      return rows;
    };
    return {
      run: (...values) => statement.run(...values),
      get: (...values) => statement.get(...values),
      all,
    };
  };
  const counting: Database = {
    path: db.path,
    prepare,
    exec: (sql) => db.exec(sql),
    transaction: (work) => db.transaction(work),
    savepoint: (work) => db.savepoint(work),
    backup: (path) => db.backup(path),
    close: () => db.close(),
  };
  return { counting, chars: () => chars };
}

describe("history", () => {
  test("pages both ways without a gap or a repeat", async () => {
    const { send, agent, answer, call, idOf, journal } = setupRuns();
    for (let n = 1; n <= 15; n++) {
      await send("a", `m${n}`);
      await answer(await agent.started(n), `r${n}`);
    }
    const all = journal.page(idOf("a"), { limit: 100, start: 0 });
    expect(all.messages).toHaveLength(30);
    expect([all.before, all.after]).toEqual([undefined, undefined]);
    const pages = async (from: "before" | "after", first: object): Promise<string[]> => {
      const found: string[][] = [];
      for (let cursor: object = first; ;) {
        const { result } = await call("chat.history", { sessionKey: "a", limit: 7, ...cursor });
        const { messages } = result as { messages: { id: string }[] };
        const ids = messages.map(({ id }) => id);
        found.push(ids);
        const next = result?.[from];
        if (next === undefined) return (from === "before" ? found.reverse() : found).flat();
        cursor = { [from]: next };
      }
    };
    const ids = all.messages.map(({ id }) => id);
    expect(await pages("before", {})).toEqual(ids);
    expect(await pages("after", { after: "0" })).toEqual(ids);
  });

  test("begins at the last reset, unless more is asked for", async () => {
    const { send, agent, answer, call } = setupRuns();
    await send("a", "before");
    await answer(await agent.started(1), "then");
    await send("a", "/new after");
    const texts = async (more: object) => {
      const { result } = await call("chat.history", { sessionKey: "a", ...more });
      const { messages } = result as { messages: { content: { text: string }[] }[] };
      return messages.map(({ content }) => content[0]?.text);
    };
    expect(await texts({})).toEqual(["after"]);
    expect(await texts({ after: "0" })).toEqual(["after"]);
    expect(await texts({ earlier: true })).toEqual(["before", "then", "after"]);
  });

  test("a page is bounded by size too, counted in bytes, and says that there is more", async () => {
    const { send, journal, idOf } = setupRuns();
    for (let n = 0; n < 4; n++) await send("a", "x".repeat(LIMITS.messageCharsMax));
    const page = journal.page(idOf("a"), { limit: 100, start: 0 });
    expect(page.messages).toHaveLength(2);
    expect(page.before).toBe(page.messages[0]?.id as string);
    for (let n = 0; n < 3; n++) await send("b", "€".repeat(LIMITS.historyBytesMax / 6));
    expect(journal.page(idOf("b"), { limit: 100, start: 0 }).messages).toHaveLength(1);
  });

  test("is read only as far as it is wanted, however long messages are", async () => {
    const { sessions, writer, journal, db } = setupRuns();
    const message = { runSeq: undefined, images: [], text: "x".repeat(LIMITS.messageCharsMax), ts: 1 };
    const sessionDbId = await writer.write(() => {
      const { session } = sessions.admit("a", {}, 1);
      for (let n = 0; n < 100; n++) journal.addMessage({ ...message, sessionDbId: session.id });
      return session.id;
    });
    const { counting, chars } = countingReads(db);
    const reader = new Journal(counting, createCountingCrypto());
    const start = 0;
    expect(reader.page(sessionDbId, { limit: 1_000, start }).messages).toHaveLength(2);
    expect(reader.page(sessionDbId, { limit: 1_000, start, after: 0 }).messages).toHaveLength(2);
    const run = { id: "r", seq: 1, retryOf: undefined };
    expect(reader.contextRows(sessionDbId, { start, run })).toHaveLength(10);
    expect(chars()).toBeLessThan(100 * LIMITS.messageCharsMax);
  });

  test("of a run has its question in it, whatever came behind that", async () => {
    const { send, call, agent } = setupRuns({
      activeMax: 1,
      window: { contextWindow: 1e9, keepsHistory: false },
    });
    await send("b", "in the way");
    const first = await agent.started(1);
    await send("a", "the question");
    for (let n = 0; n < 11; n++)
      await call("chat.inject", { sessionKey: "a", message: "x".repeat(LIMITS.messageCharsMax) });
    first.end();
    const { said } = await agent.started(2);
    expect(said.at(-1)).toBe("user: the question");
  });

  test("refuses cursors that are none", async () => {
    const { call } = setupRuns();
    for (const cursor of [{ before: "x" }, { after: "1.5" }, { before: "1", after: "2" }])
      expect((await call("chat.history", { sessionKey: "a", ...cursor })).error?.code).toBe("invalid_params");
    expect((await call("chat.history", { sessionKey: "a" })).result).toEqual({
      sessionKey: "a",
      messages: [],
    });
  });
});

describe("what is damaged on the disk", () => {
  test("a message is shown as damaged, and left out of the conversation", async () => {
    const kit = setupRuns();
    const { send, agent, answer, history } = kit;
    await send("a", "first question");
    await answer(await agent.started(1), "an answer");
    damage(kit, "an answer");
    await send("a", "second question");
    expect((await agent.started(2)).said).toEqual(["user: first question", "user: second question"]);
    expect(history("a").map(({ status }) => status)).toEqual([undefined, "damaged", undefined]);
    expect(JSON.stringify(history("a"))).not.toContain("an answe#");
  });

  test.each(["role", "ts", "session_id", "checksum"])("a change of its %s is seen", async (column) => {
    const { send, db, history } = setupRuns();
    await send("a", "one");
    await send("b", "other");
    const other = db.prepare("SELECT id FROM sessions WHERE key = 'b'").get()?.["id"] ?? "";
    const value = { role: "assistant", ts: 5, session_id: other, checksum: "0" }[column] ?? "";
    db.prepare(`UPDATE messages SET ${column} = ? WHERE content LIKE '%one%'`).run(value);
    const [message] = history(column === "session_id" ? "b" : "a");
    expect(message?.status).toBe("damaged");
  });

  test("a question that is damaged is not answered: there is none", async () => {
    const kit = setupRuns();
    const { send, agent, answer, wait } = kit;
    const first = await send("a", "first");
    const second = await send("a", "second");
    const turn = await agent.started(1);
    damage(kit, "second");
    await answer(turn, "one");
    expect(await wait(first.runId)).toMatchObject({ status: "ok" });
    const error = { code: "not_found", message: 'Cannot run in session "a": its message is damaged' };
    expect(await wait(second.runId)).toMatchObject({ status: "error", error });
    expect(agent.turns).toHaveLength(1);
  });

  test("the same key still names the same run", async () => {
    const kit = setupRuns();
    const first = await kit.send("a", "hello there", { idempotencyKey: "k" });
    kit.db.exec("UPDATE messages SET content = substr(content, 2)");
    expect(await kit.send("a", "hello there", { idempotencyKey: "k" })).toEqual(first);
  });

  test("a run, and the pieces of its answer: the next start goes on without them", async () => {
    const kit = setupRuns();
    const { begin, agent, time, db, path } = kit;
    const options = { extraSystemPrompt: "be kind" };
    const { runId } = await begin("a", "one", { origin: "agent", options });
    const turn = await agent.started(1);
    for (const text of ["one ", "two ", "three"]) {
      turn.say({ type: "text", text });
      await nextTurn();
      time.advance(LIMITS.piecesMs);
      await nextTurn();
    }
    db.exec("UPDATE pieces SET content = 'nonsense' WHERE place = 1");
    db.exec("UPDATE runs SET options = '{\"extraSystemPrompt\":' || options");
    const after = setupRuns({ path });
    expect(after.journal.openRuns()).toMatchObject([{ id: runId, options: {} }]);
    after.recover();
    expect(after.texts("a")).toEqual(["user: one", "assistant: one three (interrupted)"]);
    db.exec("UPDATE runs SET error = '{'");
    expect(await after.wait(runId)).toMatchObject({ status: "interrupted" });
  });
});

describe("calls", () => {
  test("chat.abort tells whose run it is not, and needs to know which", async () => {
    const { send, call } = setupRuns();
    const { runId } = await send("a", "one");
    await send("b", "other");
    expect((await call("chat.abort", { sessionKey: "b", runId })).error?.code).toBe("conflict");
    expect((await call("chat.abort", {})).error?.code).toBe("invalid_params");
    expect((await call("chat.abort", { runId: "nobody" })).result).toEqual({ aborted: false, runIds: [] });
    expect((await call("chat.abort", { runId })).result).toEqual({ aborted: true, runIds: [runId] });
    expect((await call("chat.abort", { runId })).result).toEqual({ aborted: false, runIds: [] });
    const waited = (await call("agent.wait", { runId })).result;
    expect(waited).toMatchObject({ status: "aborted", stoppedBy: "somebody" });
  });

  test("agent goes to the agent's main session, with options of its own", async () => {
    const { call, agent, answer } = setupRuns();
    const params = { message: "hi", agentId: "work", model: "other/m", extraSystemPrompt: "be brief" };
    const { result } = await call("agent", { ...params, idempotencyKey: "k" });
    expect(result).toMatchObject({ sessionKey: "agent:work:main", status: "accepted" });
    const turn = await agent.started(1);
    expect(turn.said).toEqual(["system: be brief", "user: hi"]);
    expect(turn.models).toEqual(["other/m"]);
    const { runId } = result as { runId: string };
    const list = (await call("runs.list", {})).result;
    expect(list).toMatchObject({ runs: [{ runId, origin: "agent", status: "running" }] });
    await answer(turn, "ok");
    expect((await call("agent.wait", { runId })).result).toMatchObject({ runId, status: "ok" });
    expect((await call("agent.wait", { runId: "nobody" })).error?.code).toBe("not_found");
  });

  test("agent takes what clients of the original send: seconds, a label, a session by its id", async () => {
    const { call, journal, sessions } = setupRuns();
    let asked = 0;
    const run = async (more: object) => {
      const reply = await call("agent", { message: "hi", idempotencyKey: `k${asked++}`, ...more });
      const { runId = "" } = (reply.result ?? {}) as { runId?: string };
      return { ...reply, timeoutMs: journal.find(runId)?.options.timeoutMs };
    };
    const ignored = {
      to: "+49",
      deliver: true,
      channel: "last",
      lane: "main",
      thinking: "low",
      threadId: "7",
    };
    const made = await run({ sessionKey: "s", label: "L", timeout: 5, ...ignored });
    expect(made).toMatchObject({ result: { sessionKey: "s" }, timeoutMs: 5_000 });
    expect(sessions.find("s")?.label).toBe("L");
    const { sessionId } = sessions.find("s") ?? expect.unreachable();
    expect(await run({ sessionId })).toMatchObject({ result: { sessionKey: "s" }, timeoutMs: undefined });
    expect((await run({ sessionId: "gone" })).error?.code).toBe("not_found");
    expect(await run({ sessionKey: "t", timeout: 0 })).toMatchObject({ timeoutMs: LIMITS.runTimeoutMsMax });
    expect(await run({ sessionKey: "t", timeout: 1e9 })).toMatchObject({ timeoutMs: LIMITS.runTimeoutMsMax });
    expect(await run({ sessionKey: "t", timeout: 9, timeoutMs: 7 })).toMatchObject({ timeoutMs: 7 });
    expect((await run({ sessionKey: "t", tomeout: 1 })).error?.code).toBe("invalid_params");
    const sent = { sessionKey: "u", message: "hi", idempotencyKey: "k", thinking: "low", deliver: false };
    expect((await call("chat.send", sent)).error).toBeUndefined();
  });

  test("chat.inject is said by the agent without a run, and stands before the question that waits", async () => {
    const { call, agent, answer, send, texts } = setupRuns();
    await send("a", "one");
    const turn = await agent.started(1);
    await send("a", "two");
    const { result } = await call("chat.inject", { sessionKey: "a", message: "by the way", label: "note" });
    expect(result).toEqual({ messageId: "3" });
    await answer(turn, "first");
    const said = ["user: one", "assistant: first", "assistant: [note] by the way", "user: two"];
    expect((await agent.started(2)).said).toEqual(said);
    expect(texts("a").at(-2)).toBe("assistant: [note] by the way");
  });

  test("chat.retry answers with the new run; what is empty is no message", async () => {
    const { call, send, agent, wait } = setupRuns();
    const first = await send("a", "one");
    (await agent.started(1)).fail(new Error("broken"));
    await wait(first.runId);
    const { result } = await call("chat.retry", { sessionKey: "a", idempotencyKey: "r" });
    expect(result).toMatchObject({ sessionKey: "a", status: "started" });
    expect(await failure(send("a", ""))).toMatchObject({ code: "invalid_params" });
  });
});
