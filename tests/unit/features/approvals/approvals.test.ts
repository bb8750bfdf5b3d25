import { expect, test } from "bun:test";
import { join } from "node:path";
import { LIMITS } from "../../../../src/contract/limits.ts";
import { Approvals } from "../../../../src/features/approvals/approvals.ts";
import type { Approval } from "../../../../src/features/approvals/contract.ts";
import { prepareSchema } from "../../../../src/features/storage/migrate.ts";
import { Writer } from "../../../../src/features/storage/writer.ts";
import { openDatabase } from "../../../../src/platform/database.ts";
import type { ApprovalRequest, Database } from "../../../../src/ports.ts";
import { createCountingCrypto, createMemoryLog } from "../../../support/ports.ts";
import { tempDir } from "../../../support/temp.ts";
import { createFakeTime } from "../../../support/time.ts";

const WHO = { sessionDbId: "s1", sessionKey: "agent:main:main", runId: "r1" };
const OTHER = { sessionDbId: "s2", sessionKey: "agent:main:other", runId: "r2" };
const REQUEST: ApprovalRequest = { title: 'run "ls"', tool: "shell", details: '{"command":"ls"}' };
const CALLER = "token:phone";

function createDatabase(): Database {
  const db = openDatabase(join(tempDir(), "a.db"));
  prepareSchema(db);
  const insert = db.prepare(
    "INSERT INTO sessions (id, key, agent_id, created_at, updated_at) VALUES (?, ?, 'main', 1, 1)",
  );
  insert.run(WHO.sessionDbId, WHO.sessionKey);
  insert.run(OTHER.sessionDbId, OTHER.sessionKey);
  return db;
}

function start(db = createDatabase()) {
  const time = createFakeTime();
  const log = createMemoryLog();
  const told: { readonly event: string; readonly approval: Approval; readonly onDisk: unknown }[] = [];
  const elsewhere = openDatabase(db.path).prepare("SELECT decision, resolved_by FROM approvals WHERE id = ?");
  const writer = new Writer({ ...time, db, log });
  const approvals = new Approvals({
    ...time,
    db,
    writer,
    log,
    // Several of them write into one database.
    crypto: { ...createCountingCrypto(), id: () => crypto.randomUUID() },
    timeoutMs: () => 120_000,
    publish: (event, { approval }) => void told.push({ event, approval, onDisk: elsewhere.get(approval.id) }),
  });
  /** Lets what waits for the disk go there, and those go on who wait for that. */
  const flush = async (): Promise<void> => {
    for (let turn = 0; turn < 3; turn++) {
      time.advance(LIMITS.writeGatherMsMax);
      await writer.settled();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const ask = async (request = REQUEST, who = WHO, signal = new AbortController().signal) => {
    const answer = approvals.request(who, request, signal);
    await flush();
    return { answer, id: approvals.list("open", 1).approvals[0]?.id ?? "" };
  };
  /** What it answers or is refused with, once it is on disk. */
  const resolve = async (...args: Parameters<Approvals["resolve"]>): Promise<unknown> => {
    const resolved = approvals.resolve(...args).catch((error: unknown) => error);
    await flush();
    return resolved;
  };
  return { db, time, log, told, approvals, writer, flush, ask, resolve };
}

test("it is on disk before it is told, and decided before the agent goes on", async () => {
  const { told, approvals, ask, resolve } = start();
  const { answer, id } = await ask();
  const approval = {
    id,
    sessionKey: WHO.sessionKey,
    runId: "r1",
    title: 'run "ls"',
    tool: "shell",
    details: '{"command":"ls"}',
    createdAtMs: expect.any(Number),
    expiresAtMs: expect.any(Number),
  };
  expect<unknown>(told).toEqual([
    { event: "approval.requested", approval, onDisk: { decision: null, resolved_by: null } },
  ]);
  expect((told[0]?.approval.expiresAtMs ?? 0) - (told[0]?.approval.createdAtMs ?? 0)).toBe(120_000);
  expect<unknown>(approvals.list("open", 10)).toEqual({ approvals: [approval], hasMore: false });

  const decided = {
    ...approval,
    decision: "allow_once",
    resolvedAtMs: expect.any(Number),
    resolvedBy: CALLER,
  };
  expect(await resolve(id, "allow_once", CALLER)).toEqual(decided);
  expect(await answer).toBe("allow_once");
  expect<unknown>(told[1]).toEqual({
    event: "approval.resolved",
    approval: decided,
    onDisk: { decision: "allow_once", resolved_by: CALLER },
  });
  expect(approvals.list("open", 10).approvals).toEqual([]);
  expect<unknown>(approvals.list("all", 10).approvals).toEqual([decided]);
});

test("one decision wins, also of two at the same time", async () => {
  const { approvals, ask, flush, resolve } = start();
  const { answer, id } = await ask();
  const both = Promise.allSettled([
    approvals.resolve(id, "deny", CALLER),
    approvals.resolve(id, "allow_once", "token:page"),
  ]);
  await flush();
  const conflict = { code: "conflict", message: `Cannot resolve approval "${id}": it is decided already` };
  expect(await both).toMatchObject([
    { status: "fulfilled", value: { decision: "deny", resolvedBy: CALLER } },
    { status: "rejected", reason: conflict },
  ]);
  expect(await answer).toBe("deny");
  expect(await resolve(id, "allow_once", CALLER)).toMatchObject(conflict);
  expect(await resolve("none", "deny", CALLER)).toMatchObject({
    code: "not_found",
    message: 'Cannot resolve approval "none": there is none',
  });
});

test("always is remembered for the tool in its session, over restarts, and for no other", async () => {
  const { db, approvals, told, ask, resolve } = start();
  const { answer, id } = await ask();
  await resolve(id, "allow_always", CALLER);
  expect(await answer).toBe("allow_always");
  expect(approvals.isAlwaysAllowed("s1", "shell")).toBe(true);
  expect(approvals.isAlwaysAllowed("s1", "write")).toBe(false);
  expect(approvals.isAlwaysAllowed("s2", "shell")).toBe(false);
  expect(await (await ask()).answer).toBe("allow_once");
  expect(told).toHaveLength(2);

  const again = start(db);
  const none = new AbortController().signal;
  expect(await again.approvals.request(WHO, REQUEST, none)).toBe("allow_once");
  await again.ask(REQUEST, OTHER);
  await again.ask({ title: "something of no tool" });
  expect(again.approvals.list("open", 10).approvals).toHaveLength(2);
});

test("always for what names no tool holds once", async () => {
  const { approvals, ask, resolve } = start();
  const { answer, id } = await ask({ title: "something" });
  await resolve(id, "allow_always", CALLER);
  expect(await answer).toBe("allow_always");
  await ask({ title: "something" });
  expect(approvals.list("open", 10).approvals).toHaveLength(1);
});

test("nobody answers: denied, and told so", async () => {
  const { time, told, ask, flush, resolve } = start();
  const { answer, id } = await ask();
  time.advance(119_000 - LIMITS.writeGatherMsMax);
  await flush();
  expect(told).toHaveLength(1);
  time.advance(1_000);
  expect(await answer).toBe("deny");
  await flush();
  expect(told[1]).toMatchObject({
    event: "approval.resolved",
    approval: { decision: "deny", resolvedBy: "timeout" },
    onDisk: { decision: "deny", resolved_by: "timeout" },
  });
  expect(await resolve(id, "allow_once", CALLER)).toMatchObject({ code: "conflict" });
  expect(time.pending()).toBe(0);
});

test("a run that ends takes its question with it", async () => {
  const { time, told, approvals, ask, flush } = start();
  const run = new AbortController();
  const { answer } = await ask(REQUEST, WHO, run.signal);
  run.abort();
  expect(await answer).toBe("deny");
  await flush();
  expect(told[1]).toMatchObject({ approval: { decision: "deny", resolvedBy: "cancelled" } });
  expect(approvals.list("open", 10).approvals).toEqual([]);
  expect(time.pending()).toBe(0);
  expect(await approvals.request(WHO, REQUEST, run.signal)).toBe("deny");
  expect(approvals.list("all", 10).approvals).toHaveLength(1);
});

test("a run that ends while its question is on its way: asked, then denied", async () => {
  const { told, approvals, flush, resolve } = start();
  const run = new AbortController();
  const answer = approvals.request(WHO, REQUEST, run.signal);
  expect(approvals.list("open", 10).approvals).toEqual([]);
  run.abort();
  await flush();
  expect(await answer).toBe("deny");
  expect(told.map(({ event }) => event)).toEqual(["approval.requested", "approval.resolved"]);
  expect(await resolve(told[0]?.approval.id ?? "", "allow_once", CALLER)).toMatchObject({ code: "conflict" });
});

test("a decision that is on its way to the disk holds against an end of time and of the run", async () => {
  const { time, told, approvals, ask, flush } = start();
  const run = new AbortController();
  const { answer, id } = await ask(REQUEST, WHO, run.signal);
  const resolved = approvals.resolve(id, "allow_once", CALLER);
  run.abort();
  time.advance(0);
  await flush();
  expect(await resolved).toMatchObject({ decision: "allow_once" });
  expect(await answer).toBe("allow_once");
  expect(told).toHaveLength(2);
});

test("without a disk nothing is allowed: not asked, not decided, and what ends is told all the same", async () => {
  const { db, time, log, told, approvals, ask, flush, resolve } = start();
  const run = new AbortController();
  const { answer, id } = await ask(REQUEST, WHO, run.signal);
  db.exec("PRAGMA query_only = ON");
  expect(await resolve(id, "allow_once", CALLER)).toMatchObject({ code: "unavailable" });
  expect(approvals.list("open", 10).approvals).toHaveLength(1);
  expect(await (await ask({ title: "another" })).answer).toBe("deny");
  expect(log.lines.at(-1)).toMatchObject({
    level: "warn",
    message: "approval not asked for, so denied",
    fields: { runId: "r1", sessionKey: WHO.sessionKey },
  });
  time.advance(120_000);
  expect(await answer).toBe("deny");
  await flush();
  expect(told.at(-1)).toMatchObject({ approval: { id, resolvedBy: "timeout" }, onDisk: { decision: null } });
  expect(approvals.list("all", 10).approvals).toMatchObject([
    { id, decision: "deny", resolvedBy: "timeout" },
  ]);

  db.exec("PRAGMA query_only = OFF");
  const next = await ask({ title: "next" });
  await resolve(next.id, "deny", CALLER);
  expect(db.prepare("SELECT resolved_by FROM approvals ORDER BY rowid").all()).toEqual([
    { resolved_by: "timeout" },
    { resolved_by: CALLER },
  ]);
});

test("what a stop without notice has left open is denied at the next start, and told", async () => {
  const { db, ask } = start();
  const { id } = await ask();
  const next = start(db);
  const restarted = { id, decision: "deny", resolvedBy: "restart" };
  expect(next.approvals.list("open", 10).approvals).toEqual([]);
  expect(next.approvals.list("all", 10).approvals).toMatchObject([restarted]);
  expect(await next.resolve(id, "allow_once", CALLER)).toMatchObject({ code: "conflict" });
  const recovered = next.approvals.recover();
  await next.flush();
  await recovered;
  expect(next.told).toMatchObject([
    { event: "approval.resolved", approval: restarted, onDisk: { decision: "deny", resolved_by: "restart" } },
  ]);
  await next.approvals.recover();
  expect(next.told).toHaveLength(1);
});

test("a stop denies what waits and asks no more", async () => {
  const { db, approvals, ask, flush } = start();
  const first = await ask();
  const second = await ask(REQUEST, OTHER);
  const stopped = approvals.stop();
  await flush();
  await stopped;
  expect(await Promise.all([first.answer, second.answer])).toEqual(["deny", "deny"]);
  expect(db.prepare("SELECT count(*) AS n FROM approvals WHERE resolved_by = 'cancelled'").get()).toEqual({
    n: 2,
  });
  expect(await approvals.request(WHO, REQUEST, new AbortController().signal)).toBe("deny");
});

test("more than people can answer is denied unasked", async () => {
  const { approvals, ask, flush } = start();
  const signal = new AbortController().signal;
  for (let n = 0; n < LIMITS.approvalsOpenMax; n++) void approvals.request(WHO, REQUEST, signal);
  await flush();
  expect(await (await ask()).answer).toBe("deny");
  expect(approvals.list("open", LIMITS.approvalsListedMax)).toMatchObject({ hasMore: false });
  expect(approvals.list("open", 3)).toMatchObject({ approvals: { length: 3 }, hasMore: true });
});

test("the newest that were decided stay listed, and every open one", async () => {
  const { db, approvals, ask } = start();
  const open = await ask();
  const insert = db.prepare(
    `INSERT INTO approvals
       (id, session_id, run_id, title, created_at, expires_at, decision, resolved_at, resolved_by)
     VALUES (?, 's1', 'r', 't', 1, 2, 'deny', 3, 'x')`,
  );
  db.transaction(() => {
    for (let n = 0; n < LIMITS.approvalsKept + 5; n++) insert.run(`old-${n}`);
  });
  await ask(REQUEST, OTHER);
  expect(db.prepare("SELECT count(*) AS n FROM approvals").get()).toEqual({ n: LIMITS.approvalsKept + 2 });
  expect(
    db.prepare("SELECT id FROM approvals WHERE decision IS NOT NULL ORDER BY rowid LIMIT 1").get(),
  ).toEqual({
    id: "old-5",
  });
  expect(approvals.list("open", 10).approvals.map(({ id }) => id)).toContain(open.id);
});

test("a title is one line that shows what it says, and long details say that they are cut", async () => {
  const { approvals, ask } = start();
  await ask({
    title: `run "a\n\u001b[2Kb\u202Ec\u200B" ${"x".repeat(1_000)}`,
    details: "y".repeat(LIMITS.approvalDetailsCharsMax + 1),
  });
  await ask({ title: "short", details: "y".repeat(LIMITS.approvalDetailsCharsMax) });
  for (const status of ["open", "all"] as const) {
    const [short, long] = approvals.list(status, 10).approvals;
    expect(long?.title).toMatch(/^run "a \[2Kb c " x+…$/);
    expect(long?.title).toHaveLength(LIMITS.approvalTitleCharsMax);
    expect(long?.details).toHaveLength(LIMITS.approvalDetailsCharsMax);
    expect(long?.isCut).toBe(true);
    expect(short).not.toHaveProperty("isCut");
  }
});

test("a list stops where its answer would be too long for a client", async () => {
  const { approvals, ask } = start();
  const details = "y".repeat(LIMITS.approvalDetailsCharsMax);
  for (let n = 0; n < 10; n++) await ask({ title: `${n}`, details });
  const { approvals: listed, hasMore } = approvals.list("all", 100);
  expect(listed.map(({ title }) => title)).toEqual(["9", "8", "7", "6", "5", "4", "3"]);
  expect(hasMore).toBe(true);
});

test("what belongs to a session goes with it", async () => {
  const { db, approvals, ask, flush } = start();
  const run = new AbortController();
  const { answer } = await ask(REQUEST, WHO, run.signal);
  db.exec("DELETE FROM sessions WHERE id = 's1'");
  run.abort();
  expect(await answer).toBe("deny");
  await flush();
  expect(approvals.list("all", 10).approvals).toEqual([]);
});
