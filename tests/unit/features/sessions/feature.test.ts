import { describe, expect, test } from "bun:test";
import { setupSessions } from "./kit.ts";

type Shown = { readonly key: string; readonly [name: string]: unknown };

function keysOf(result: unknown): string[] {
  return (result as { sessions: Shown[] }).sessions.map(({ key }) => key);
}

describe("sessions.list", () => {
  async function many() {
    const kit = setupSessions();
    const keys = ["agent:main:main", "agent:work:telegram:group:1", "cron:a", "cron:b", "review"];
    for (const key of keys) {
      await kit.admit(key, key === "review" ? { label: "50%_off\\", agentId: "work" } : {});
      kit.time.advance(60_000);
    }
    return kit;
  }

  test("pages cover all, each once, the last used first", async () => {
    const { call } = await many();
    const all: string[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const { result } = await call("sessions.list", { limit: 2, ...(cursor && { cursor }) });
      const page = result as unknown as { total: number; next?: string };
      expect(page.total).toBe(5);
      all.push(...keysOf(result));
      cursor = page.next;
      pages++;
    } while (cursor);
    expect(pages).toBe(3);
    expect(all).toEqual(["review", "cron:b", "cron:a", "agent:work:telegram:group:1", "agent:main:main"]);
  });

  test("sessions of the same moment are not lost between pages", async () => {
    const { admit, call } = setupSessions();
    for (const key of ["a", "b", "c"]) await admit(key);
    const first = await call("sessions.list", { limit: 2 });
    const { next } = first.result as unknown as { next: string };
    const second = await call("sessions.list", { limit: 2, cursor: next });
    expect([...keysOf(first.result), ...keysOf(second.result)]).toEqual(["c", "b", "a"]);
  });

  test.each([
    [{ kind: "cron" }, ["cron:b", "cron:a"], 2],
    [{ kind: "cron", limit: 1 }, ["cron:b"], 2],
    [{ kind: "node" }, [], 0],
    [{ agentId: "work" }, ["review", "agent:work:telegram:group:1"], 2],
    [{ label: "50%_off\\" }, ["review"], 1],
    [{ search: "TELEGRAM" }, ["agent:work:telegram:group:1"], 1],
    [{ search: "%_" }, ["review"], 1],
    [{ search: "\\" }, ["review"], 1],
    [{ search: "no such" }, [], 0],
    [{ activeMinutes: 2 }, ["review", "cron:b"], 2],
    [{ kind: "cron", search: "b" }, ["cron:b"], 1],
  ])("with %j", async (filter, keys, total) => {
    const { call } = await many();
    const { result } = await call("sessions.list", filter);
    expect(keysOf(result)).toEqual(keys);
    expect(result).toMatchObject({ total });
  });

  test("a kind's pages go on where the one before ended", async () => {
    const { call } = await many();
    const { result } = await call("sessions.list", { kind: "cron", limit: 1 });
    const { next } = result as unknown as { next: string };
    const second = await call("sessions.list", { kind: "cron", limit: 1, cursor: next });
    expect(keysOf(second.result)).toEqual(["cron:a"]);
    expect(second.result).not.toContainKey("next");
  });

  test("finds what was said first and last, and shows nothing of its own", async () => {
    const { say, call, writer, sessions } = setupSessions();
    await say("s", "How do I bake bread?");
    await say("s", "With flour.", "assistant");
    const own = { instructions: "secret words", env: { KEY: "hidden" } };
    await writer.write(() => {
      const session = sessions.find("s") ?? expect.unreachable();
      sessions.patchIn(session, { settings: own });
    });
    for (const search of ["bake", "flour"]) {
      const { result } = await call("sessions.list", { search });
      expect(result).toMatchObject({ sessions: [{ title: "How do I bake bread?", preview: "With flour." }] });
      expect(JSON.stringify(result)).not.toMatch(/secret|hidden/);
    }
  });

  test("takes what clients of the original send; no session is made by another", async () => {
    const { call } = await many();
    const asked = {
      includeGlobal: true,
      includeUnknown: false,
      includeDerivedTitles: true,
      includeLastMessage: true,
    };
    expect((await call("sessions.list", asked)).result as unknown).toMatchObject({ total: 5 });
    const spawned = await call("sessions.list", { ...asked, spawnedBy: "agent:main:main" });
    expect(spawned.result as unknown).toEqual({ sessions: [], total: 0 });
    expect((await call("sessions.list", { includeAll: true })).error?.code).toBe("invalid_params");
    expect((await call("sessions.delete", { key: "review", deleteTranscript: false })).error?.code).toBe(
      "invalid_params",
    );
    const { result } = await call("sessions.delete", { key: "review", deleteTranscript: true });
    expect(result as unknown).toEqual({ deleted: true });
    expect((await call("sessions.compact", { key: "cron:a", maxLines: 400 })).error).toBeUndefined();
  });

  test("a cursor of somebody else is refused", async () => {
    const { call } = setupSessions();
    for (const cursor of ["1", "a.b", "1.2.3", "'; DROP TABLE sessions"]) {
      const { error } = await call("sessions.list", { cursor });
      expect(error?.code).toBe("invalid_params");
    }
  });
});

describe("sessions.resolve", () => {
  test("by key, id, label and route", async () => {
    const { sessions, admit, call } = setupSessions();
    const { session } = await admit("main", { label: "L" });
    const shown = { key: "agent:main:main", session: sessions.show(session) };
    for (const sought of [
      { key: "main" },
      { key: "agent:main:main" },
      { sessionId: session.sessionId },
      { label: "L" },
      { route: { channel: "telegram", peer: { kind: "direct", id: "1" } } },
    ]) {
      expect((await call("sessions.resolve", sought)).result as unknown).toEqual(shown);
    }
  });

  test("a route's session need not be there", async () => {
    const { call } = setupSessions();
    const route = { agentId: "work", channel: "irc", peer: { kind: "group", id: "#dev" } };
    expect((await call("sessions.resolve", { route })).result as unknown).toEqual({
      key: "agent:work:irc:group:#dev",
    });
  });

  test.each([
    [{}, "invalid_params"],
    [{ key: "a", label: "b" }, "invalid_params"],
    [{ label: "nobody's" }, "not_found"],
    [{ sessionId: "gone" }, "not_found"],
    [{ route: { agentId: "nobody", channel: "irc", peer: { kind: "group", id: "1" } } }, "not_found"],
    [{ route: { channel: "i:rc", peer: { kind: "group", id: "1" } } }, "invalid_params"],
  ])("%j is %s", async (sought, code) => {
    const { call } = setupSessions();
    expect((await call("sessions.resolve", sought)).error?.code).toBe(code as "not_found");
  });
});

describe("sessions.create", () => {
  test.each([
    { key: "a\u0000b" },
    { key: "\u0001hidden" },
    { key: "a\u202eb" },
    { key: "a\ud800" },
    { key: "x".repeat(201) },
    { key: "s", label: "a\u001b[2Jb" },
    { key: "s", label: "a\ud800" },
    { key: "s", model: "test/m\u001b[2J" },
    { key: "s", model: "test/m\u202e" },
    { key: "s", model: "no provider" },
  ])("%j is refused", async (asked) => {
    const { sessions, call } = setupSessions();
    expect((await call("sessions.create", asked)).error?.code).toBe("invalid_params");
    expect(sessions.count()).toBe(0);
  });

  test("makes one, answers with the one that is there, and refuses other settings", async () => {
    const { told, call } = setupSessions();
    const asked = { key: "main", label: "L", model: "test/m" };
    expect(await call("sessions.create", asked)).toMatchObject({
      result: { key: "agent:main:main", created: true, session: { label: "L", kind: "main", active: false } },
    });
    expect(await call("sessions.create", { key: "main" })).toMatchObject({ result: { created: false } });
    expect((await call("sessions.create", { ...asked, model: "test/n" })).error).toMatchObject({
      code: "conflict",
      message: 'Cannot create session "agent:main:main": it exists with other settings',
    });
    expect(told.map(({ payload }) => payload["action"])).toEqual(["created"]);
  });

  test("does not begin an old session anew", async () => {
    const { time, say, sessions, call } = setupSessions();
    await say("s", "hello");
    const before = sessions.find("s");
    time.advance(48 * 60 * 60_000);
    await call("sessions.create", { key: "s" });
    expect(sessions.find("s")?.sessionId).toBe(before?.sessionId ?? "");
  });
});

describe("sessions.patch", () => {
  const settings = {
    instructions: "Be brief",
    workspace: "/srv/here",
    env: { TOKEN: "hidden-value", A: "1" },
    tools: { allow: ["files__*"], deny: [], approve: ["files__rm"] },
    limits: { timeoutMs: 1_000, tokensMax: 2 },
    queueMode: "steer",
  };

  test("what is given is kept; variables are shown by name alone; null takes one back", async () => {
    const { told, sessions, admit, call } = setupSessions();
    await admit("s");
    const shown = { ...settings, env: ["A", "TOKEN"] };
    const first = await call("sessions.patch", { key: "s", label: "L", model: "test/m", ...settings });
    expect(first.result as unknown).toMatchObject({
      session: { label: "L", model: "test/m" },
      settings: shown,
    });
    expect((await call("sessions.get", { key: "s" })).result as unknown).toEqual(first.result as unknown);
    expect(sessions.find("s")?.settings).toEqual(settings as object);
    expect(JSON.stringify(told)).not.toContain("hidden-value");
    expect(told.map(({ payload }) => payload["action"])).toEqual(["updated"]);

    const second = await call("sessions.patch", {
      key: "s",
      label: null,
      env: null,
      limits: { tokensMax: 9 },
    });
    const { env: _, ...rest } = settings;
    expect(sessions.find("s")).toMatchObject({
      model: "test/m",
      settings: { ...rest, limits: { tokensMax: 9 } },
    });
    expect(second.result as unknown).not.toHaveProperty("session.label");
    expect(second.result as unknown).not.toHaveProperty("settings.env");
  });

  test("nothing but labels is shared, a session's own settings stay over a reset", async () => {
    const { sessions, admit, call } = setupSessions();
    await admit("s", { label: "L" });
    await admit("t");
    expect((await call("sessions.patch", { key: "t", label: "L" })).error).toMatchObject({
      code: "conflict",
      message: 'Cannot give session "t" label "L": "s" has it',
    });
    expect((await call("sessions.patch", { key: "s", label: "L", ...settings })).error).toBeUndefined();
    await call("sessions.reset", { key: "s" });
    expect(sessions.find("s")).toMatchObject({ label: "L", settings });
  });

  test.each([
    [{ workspace: "relative" }, "invalid_params"],
    [{ workspace: "~/there" }, "invalid_params"],
    [{ workspace: "/a\0b" }, "invalid_params"],
    [{ env: { "A=B": "1" } }, "invalid_params"],
    [{ env: { A: "\0" } }, "invalid_params"],
    [{ env: Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`A${n}`, ""])) }, "invalid_params"],
    [{ limits: { timeoutMs: 0 } }, "invalid_params"],
    [{ limits: { unknown: 1 } }, "invalid_params"],
    [{ tools: { allow: [""] } }, "invalid_params"],
    [{ queueMode: "queue" }, "invalid_params"],
    [{ summary: "mine" }, "invalid_params"],
    [{ agentId: "nobody" }, "not_found"],
  ])("%j is %s and changes nothing", async (patch, code) => {
    const { sessions, admit, call } = setupSessions();
    const { session } = await admit("s");
    expect((await call("sessions.patch", { key: "s", label: "L", ...patch })).error?.code).toBe(
      code as "not_found",
    );
    expect(sessions.find("s")).toEqual(session);
  });

  test("a session's agent can change, but not where its key names one", async () => {
    const { sessions, admit, call } = setupSessions();
    await admit("s");
    await admit("main");
    await call("sessions.patch", { key: "s", agentId: "work" });
    expect(sessions.find("s")?.agentId).toBe("work");
    expect((await call("sessions.patch", { key: "main", agentId: "work" })).error?.code).toBe("conflict");
  });

  test("needs admin; a prototype's name is no variable that leaks", async () => {
    const { sessions, admit, call } = setupSessions();
    await admit("s");
    expect((await call("sessions.patch", { key: "s", label: "L" }, ["read", "write"])).error?.code).toBe(
      "forbidden",
    );
    const env: unknown = JSON.parse('{"__proto__":"x","constructor":"y"}');
    await call("sessions.patch", { key: "s", env: env as object });
    expect(sessions.find("s")?.settings.env?.["constructor"]).toBe("y");
    expect({}.constructor).toBe(Object);
  });
});

describe("sessions.reset and sessions.delete", () => {
  test("a reset stops what runs, lets the agent go, and is told", async () => {
    const { told, active, ended, closed, sessions, say, call } = setupSessions();
    await say("s", "hello");
    const before = sessions.find("s");
    active.add(before?.id ?? "");
    const { result } = await call("sessions.reset", { key: "s" });
    expect(result as unknown).toMatchObject({
      session: { key: "s", messages: 0, active: false },
      settings: {},
    });
    expect(sessions.find("s")?.sessionId).not.toBe(before?.sessionId);
    expect([ended, closed]).toEqual([["s reset"], ["s"]]);
    expect(told.at(-1)?.payload).toMatchObject({ key: "s", action: "reset", session: { messages: 0 } });
    expect((await call("sessions.reset", { key: "nobody" })).error?.code).toBe("not_found");
  });

  test("a deleted session is gone with its messages, and told; there is nothing to delete twice", async () => {
    const { told, ended, closed, say, call } = setupSessions();
    await say("s", "hello");
    await say("t", "hello");
    expect((await call("sessions.delete", { key: "s" })).result as unknown).toEqual({ deleted: true });
    expect((await call("sessions.delete", { key: "s" })).result as unknown).toEqual({ deleted: false });
    expect((await call("sessions.preview", { keys: ["s", "t"] })).result as unknown).toMatchObject({
      previews: [
        { key: "s", status: "missing" },
        { key: "t", status: "ok" },
      ],
    });
    expect([ended, closed]).toEqual([["s deleted"], ["s"]]);
    expect(told.at(-1)).toMatchObject({ key: "s", payload: { action: "deleted" } });
  });

  test("an agent's main session stays, one of an agent that is gone does not", async () => {
    const { db, admit, call } = setupSessions();
    await admit("main");
    expect((await call("sessions.delete", { key: "main" })).error).toMatchObject({
      code: "conflict",
      message: 'Cannot delete session "agent:main:main": it is a main session, which can be reset',
    });
    db.exec("UPDATE sessions SET key = 'agent:gone:main'");
    expect((await call("sessions.delete", { key: "agent:gone:main" })).result as unknown).toEqual({
      deleted: true,
    });
  });

  test("messages that come meanwhile are stopped too; when they keep coming, the one who asks is told", async () => {
    let stops = 0;
    let times = 2;
    const kit = setupSessions({
      parts: {
        endRuns: async (session) => {
          await Promise.resolve();
          if (++stops >= times) kit.active.delete(session.id);
        },
      },
    });
    const { session } = await kit.admit("s");
    kit.active.add(session.id);
    times = Number.POSITIVE_INFINITY;
    expect((await kit.call("sessions.delete", { key: "s" })).error).toMatchObject({
      code: "busy",
      message: 'Cannot delete session "s": messages keep coming in',
    });
    expect(kit.sessions.find("s")).toEqual(session);
    times = stops + 2;
    expect((await kit.call("sessions.delete", { key: "s" })).result as unknown).toEqual({ deleted: true });
  });

  test("an agent that does not end is a line in the log", async () => {
    const { log, say, call } = setupSessions({
      parts: { closeAgent: () => Promise.reject(new Error("stuck")) },
    });
    await say("s", "hello");
    expect((await call("sessions.delete", { key: "s" })).result as unknown).toEqual({ deleted: true });
    expect(log.lines).toEqual([
      { level: "warn", message: "agent of a session did not end", fields: { session: "s", reason: "stuck" } },
    ]);
  });
});

describe("sessions.preview", () => {
  test("the last messages of each, cut short, no character in half", async () => {
    const { say, admit, call } = setupSessions();
    for (let n = 1; n <= 5; n++)
      await say("s", `${n} 👩 ${"x".repeat(20)}`, n % 2 === 0 ? "assistant" : "user");
    await admit("empty");
    const { result } = await call("sessions.preview", {
      keys: ["s", "empty", "nobody"],
      limit: 3,
      maxChars: 3,
    });
    expect(result as unknown).toEqual({
      previews: [
        {
          key: "s",
          status: "ok",
          items: [
            { id: "3", role: "user", ts: expect.any(Number), text: "3 " },
            { id: "4", role: "assistant", ts: expect.any(Number), text: "4 " },
            { id: "5", role: "user", ts: expect.any(Number), text: "5 " },
          ],
        },
        { key: "empty", status: "empty", items: [] },
        { key: "nobody", status: "missing", items: [] },
      ],
    });
  });

  test("nothing of before a reset", async () => {
    const { say, call } = setupSessions();
    await say("s", "before");
    await call("sessions.reset", { key: "s" });
    await say("s", "after");
    const { result } = await call("sessions.preview", { keys: ["s"] });
    expect(result as unknown).toMatchObject({ previews: [{ items: [{ text: "after" }] }] });
  });

  test("very long ones are fewer, not more work", async () => {
    const { say, call } = setupSessions();
    const long = "y".repeat(1024 * 1024);
    for (let n = 0; n < 12; n++) await say("s", long);
    const { result } = await call("sessions.preview", { keys: ["s"], limit: 50 });
    const [preview] = (result as unknown as { previews: { items: { text: string }[] }[] }).previews;
    expect(preview?.items.length).toBe(7);
    expect(preview?.items.at(-1)?.text).toBe("y".repeat(240));
  });
});

test("sessions.compact answers what was done, for a session that is there", async () => {
  const { admit, call } = setupSessions();
  await admit("s");
  expect((await call("sessions.compact", { key: "s" })).result as unknown).toEqual({ compacted: 3, kept: 2 });
  expect((await call("sessions.compact", { key: "t" })).error?.code).toBe("not_found");
});

test("a session on a damaged row of messages is still listed, previewed and searched", async () => {
  const { db, say, call } = setupSessions();
  await say("s", "whole");
  await say("s", "broken");
  db.exec(`UPDATE messages SET content = '[{"type":' WHERE id = 2`);
  expect((await call("sessions.preview", { keys: ["s"] })).result as unknown).toMatchObject({
    previews: [{ items: [{ text: "whole" }, { text: "This message is damaged on the disk." }] }],
  });
  expect((await call("sessions.search", { query: "whole" })).result as unknown).toMatchObject({
    hits: [{ messageId: "1" }],
  });
});

test("words that are not what was written are neither previewed nor found", async () => {
  const { db, say, call } = setupSessions();
  await say("s", "a garden of roses");
  await say("s", "a garden of nettles");
  db.exec("UPDATE messages SET content = replace(content, 'nettles', 'tulips') WHERE id = 2");
  for (const query of ["tulips", "garden"]) {
    const { result } = await call("sessions.search", { query });
    expect(JSON.stringify(result)).not.toContain("tulips");
  }
  expect((await call("sessions.search", { query: "garden" })).result as unknown).toMatchObject({
    hits: [{ messageId: "1" }],
  });
  expect((await call("sessions.preview", { keys: ["s"] })).result as unknown).toMatchObject({
    previews: [{ items: [{ text: "a garden of roses" }, { text: "This message is damaged on the disk." }] }],
  });
});
