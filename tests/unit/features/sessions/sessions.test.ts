import { describe, expect, test } from "bun:test";
import type { SessionConfig } from "./kit.ts";
import { failure, setupSessions } from "./kit.ts";

const HOUR = 60 * 60_000;

describe("a message's session", () => {
  test("is made once, for the agent its key names, and found under its names", async () => {
    const { sessions, admit } = setupSessions();
    const made = await admit("agent:work:main", { label: "Work", model: "test/m" });
    expect(made).toMatchObject({ created: true, wasReset: false });
    expect(made.session).toMatchObject({ agentId: "work", label: "Work", model: "test/m", messages: 0 });
    expect(await admit("agent:work:main", { label: "Other" })).toEqual({ ...made, created: false });
    const { id, sessionId } = made.session;
    expect([sessions.byId(id), sessions.bySessionId(sessionId), sessions.byLabel("Work")]).toEqual([
      made.session,
      made.session,
      made.session,
    ]);
  });

  test("is the default agent's own where it is called main", async () => {
    const { sessions, admit } = setupSessions({ agents: ["work", "main"] });
    const { session } = await admit("main");
    expect(session).toMatchObject({ key: "agent:work:main", agentId: "work" });
    expect(sessions.find("main")).toEqual(session);
    expect(sessions.canonical("agent:main:main")).toBe("agent:main:main");
  });

  test("is everybody's where the scope is global", async () => {
    const { admit } = setupSessions({ config: { scope: "global" } });
    expect((await admit("main")).session.key).toBe("global");
  });

  test.each([
    [
      "agent:nobody:main",
      {},
      "not_found",
      'Cannot create session "agent:nobody:main": no agent "nobody" is configured',
    ],
    [
      "agent:Work:main",
      {},
      "not_found",
      'Cannot create session "agent:Work:main": no agent "Work" is configured',
    ],
    ["agent::main", {}, "not_found", 'Cannot create session "agent::main": no agent "" is configured'],
    [
      "review",
      { agentId: "nobody" },
      "not_found",
      'Cannot create session "review": no agent "nobody" is configured',
    ],
    [
      "agent:main:main",
      { agentId: "work" },
      "conflict",
      'Cannot create session "agent:main:main": its key names agent "main"',
    ],
    ["review", { label: "taken" }, "conflict", 'Cannot give session "review" label "taken": "first" has it'],
  ] as const)("%s with %j is refused: %s", async (key, options, code, message) => {
    const { sessions, admit } = setupSessions();
    await admit("first", { label: "taken" });
    expect(await failure(admit(key, options))).toMatchObject({ code, message });
    expect(sessions.count()).toBe(1);
  });

  test("is refused when too many are kept, and those that are there go on", async () => {
    const { admit } = setupSessions({ keepMax: 2 });
    await admit("one");
    await admit("two");
    expect(await failure(admit("three"))).toMatchObject({ code: "busy", extra: { details: { bound: 2 } } });
    expect((await admit("two")).created).toBe(false);
  });
});

describe("a session begins anew", () => {
  async function old(config: Partial<SessionConfig> = {}) {
    const kit = setupSessions({ config });
    await kit.admit("s", { label: "L", model: "test/m" });
    await kit.say("s", "hello");
    await kit.say("s", "hi", "assistant");
    return kit;
  }

  test("at the next message after the hour: what was said is not gone", async () => {
    const { db, time, sessions, admit } = await old();
    const before = sessions.find("s");
    time.advance(24 * HOUR);
    const { session, wasReset, created } = await admit("s");
    expect({ wasReset, created }).toEqual({ wasReset: true, created: false });
    expect(session.id).toBe(before?.id ?? "");
    expect(session.sessionId).not.toBe(before?.sessionId);
    expect(session).toMatchObject({ label: "L", model: "test/m", messages: 0, contextTokens: 0 });
    expect(session).not.toContainAnyKeys(["title", "preview", "summary", "note"]);
    expect(session.historyStart).toBe(2);
    expect(session.contextStart).toBe(2);
    expect(db.prepare("SELECT count(*) AS n FROM messages").get()).toEqual({ n: 2 });
    expect((await admit("s")).wasReset).toBe(false);
  });

  test("not while a run goes on", async () => {
    const { time, active, sessions, admit } = await old();
    active.add(sessions.find("s")?.id ?? "");
    time.advance(48 * HOUR);
    expect((await admit("s")).wasReset).toBe(false);
  });

  test("not when nothing has been said", async () => {
    const { time, admit } = setupSessions();
    await admit("s");
    time.advance(48 * HOUR);
    expect((await admit("s")).wasReset).toBe(false);
  });

  test("when nobody wrote for a while, by the rule of its kind", async () => {
    const { time, admit } = await old({ resetByType: { dm: { mode: "idle", idleMinutes: 10 } } });
    time.advance(9 * 60_000);
    expect((await admit("s")).wasReset).toBe(false);
    time.advance(60_000);
    expect((await admit("s")).wasReset).toBe(true);
  });

  test("one rejected write takes the reset back", async () => {
    const { sessions, writer, time } = await old();
    const before = sessions.find("s");
    const failing = writer.write(() => {
      sessions.resetIn(before ?? expect.unreachable(), time.clock.now());
      throw new Error("the message could not be written");
    });
    expect(await failure(failing)).toMatchObject({ message: "the message could not be written" });
    expect(sessions.find("s")).toEqual(before as NonNullable<typeof before>);
  });
});

test("a change is told with the session as it is, a deletion by its key", async () => {
  const { told, sessions, admit } = setupSessions();
  const { session } = await admit("main");
  sessions.announce("main", "created");
  sessions.announce("main", "deleted");
  sessions.announce("nobody", "updated");
  expect(told).toEqual([
    {
      event: "sessions.changed",
      key: "agent:main:main",
      payload: { key: "agent:main:main", action: "created", session: sessions.show(session) },
    },
    {
      event: "sessions.changed",
      key: "agent:main:main",
      payload: { key: "agent:main:main", action: "deleted" },
    },
  ]);
});
