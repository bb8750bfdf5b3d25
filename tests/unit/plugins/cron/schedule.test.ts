import { describe, expect, test } from "bun:test";
import type { Job, Schedule } from "../../../../src/plugins/cron/job.ts";
import { afterRun, nextAfter, stepOf } from "../../../../src/plugins/cron/schedule.ts";

const MADE_MS = Date.parse("2026-01-01T00:00:00Z");
const MINUTE_MS = 60_000;

function times(schedule: Schedule, from: string, count: number): string[] {
  const found: string[] = [];
  let atMs = Date.parse(from);
  while (found.length < count) {
    const nextMs = nextAfter({ schedule, createdAtMs: MADE_MS }, atMs);
    if (nextMs === undefined) break;
    found.push(new Date(nextMs).toISOString().replace(":00.000Z", "Z"));
    atMs = nextMs;
  }
  return found;
}

const berlin = (expr: string): Schedule => ({ kind: "cron", expr, tz: "Europe/Berlin" });

describe("the times of a schedule", () => {
  const cases: [what: string, schedule: Schedule, from: string, wanted: string[]][] = [
    [
      "a time that summer time skips is the moment after the gap, once",
      berlin("30 2 * * *"),
      "2026-03-28T00:00:00Z",
      ["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"],
    ],
    [
      "a time that winter has twice is the first of both, once",
      berlin("30 2 * * *"),
      "2026-10-24T12:00:00Z",
      ["2026-10-25T00:30Z", "2026-10-26T01:30Z"],
    ],
    [
      "after the first of both there is no second one",
      berlin("30 2 * * *"),
      "2026-10-25T00:30:00Z",
      ["2026-10-26T01:30Z"],
    ],
    [
      "every half hour goes on through the gap",
      berlin("*/30 * * * *"),
      "2026-03-29T00:20:00Z",
      ["2026-03-29T00:30Z", "2026-03-29T01:00Z", "2026-03-29T01:30Z"],
    ],
    [
      "and through the hour that comes twice",
      berlin("*/30 * * * *"),
      "2026-10-24T23:50:00Z",
      ["2026-10-25T00:00Z", "2026-10-25T00:30Z", "2026-10-25T01:00Z", "2026-10-25T01:30Z"],
    ],
    [
      "an anchor in the past sets the phase",
      { kind: "every", everyMs: 3 * MINUTE_MS, anchorMs: Date.parse("2026-05-01T10:01:00Z") },
      "2026-05-01T12:00:00Z",
      ["2026-05-01T12:01Z", "2026-05-01T12:04Z"],
    ],
    [
      "an anchor to come is the first time",
      { kind: "every", everyMs: 3 * MINUTE_MS, anchorMs: Date.parse("2026-05-01T10:01:00Z") },
      "2026-04-01T12:00:00Z",
      ["2026-05-01T10:01Z", "2026-05-01T10:04Z"],
    ],
    [
      "without an anchor it is when the job was made",
      { kind: "every", everyMs: 90 * MINUTE_MS },
      "2026-01-01T01:00:00Z",
      ["2026-01-01T01:30Z", "2026-01-01T03:00Z"],
    ],
    [
      "at is one time, as a date too",
      { kind: "at", at: "2026-05-01T12:00:00+02:00" },
      "2026-01-01T00:00:00Z",
      ["2026-05-01T10:00Z"],
    ],
    ["at has no time after itself", { kind: "at", atMs: MADE_MS }, "2026-01-01T00:00:00Z", []],
    ["a day that never comes has none", berlin("0 0 30 2 *"), "2026-01-01T00:00:00Z", []],
  ];
  test.each(cases)("%s", (_, schedule, from, wanted) => {
    expect(times(schedule, from, wanted.length + (wanted.length === 0 ? 1 : 0))).toEqual(wanted);
  });

  test.each([
    ["an expression that is none", { kind: "cron", expr: "every day" }],
    ["a zone that is none", { kind: "cron", expr: "0 0 * * *", tz: "Mars/Base" }],
  ] as const)("%s is said", (_, schedule) => {
    expect(() => nextAfter({ schedule, createdAtMs: MADE_MS }, MADE_MS)).toThrow();
  });
});

const DUE_MS = Date.parse("2026-05-01T10:00:00Z");

function jobOf(schedule: Schedule, state: Partial<Job["state"]> = {}, more: Partial<Job> = {}): Job {
  return {
    id: "j",
    name: "a job",
    enabled: true,
    schedule,
    sessionTarget: "isolated",
    wakeMode: "now",
    payload: { kind: "agentTurn", message: "do it" },
    createdAtMs: MADE_MS,
    updatedAtMs: MADE_MS,
    state: { failures: 0, runs: 0, nextRunAtMs: DUE_MS, ...state },
    ...more,
  };
}

const HOURLY: Schedule = { kind: "cron", expr: "0 * * * *", tz: "UTC" };
const hourly = jobOf(HOURLY);
const unplanned = jobOf(HOURLY, { nextRunAtMs: undefined });

describe("what is to be done about a job", () => {
  test.each([
    ["before its time", hourly, DUE_MS - 1, "once", { kind: "wait", nextMs: DUE_MS }],
    ["at its time", hourly, DUE_MS, "skip", { kind: "run", dueMs: DUE_MS }],
    ["a little late", hourly, DUE_MS + 2 * MINUTE_MS, "skip", { kind: "run", dueMs: DUE_MS }],
    ["missed, to be skipped", hourly, DUE_MS + 3 * MINUTE_MS, "skip", { kind: "miss", dueMs: DUE_MS }],
    ["missed, to be made up for", hourly, DUE_MS + 999 * MINUTE_MS, "once", { kind: "run", dueMs: DUE_MS }],
    [
      "made while no clock was set",
      unplanned,
      DUE_MS,
      "once",
      { kind: "plan", nextMs: DUE_MS + 60 * MINUTE_MS },
    ],
    [
      "planned by a clock that was years ahead",
      hourly,
      DUE_MS - 100_000 * MINUTE_MS,
      "once",
      { kind: "plan", nextMs: DUE_MS - 99_960 * MINUTE_MS },
    ],
    [
      "pausing after failures",
      jobOf(HOURLY, { nextRunAtMs: DUE_MS + 59 * MINUTE_MS, failures: 5 }),
      DUE_MS,
      "once",
      { kind: "wait", nextMs: DUE_MS + 59 * MINUTE_MS },
    ],
    [
      "with no time to come",
      jobOf({ kind: "at", atMs: 1 }, { nextRunAtMs: undefined }),
      DUE_MS,
      "once",
      { kind: "wait", nextMs: undefined },
    ],
  ] as const)("%s", (_, job, nowMs, catchUp, step) => {
    expect(stepOf(job, nowMs, catchUp)).toEqual(step);
  });
});

const ran = {
  status: "ok",
  dueAtMs: DUE_MS,
  runAtMs: DUE_MS,
  ts: DUE_MS + 1_000,
  durationMs: 1_000,
} as const;

describe("a job after a run", () => {
  const after = (job: Job, ended: Parameters<typeof afterRun>[1]) => afterRun(job, ended).job;

  test("its next time is after the end: what came due meanwhile is not made up for", () => {
    const long = { ...ran, ts: DUE_MS + 150 * MINUTE_MS };
    expect(after(hourly, long)?.state.nextRunAtMs).toBe(DUE_MS + 180 * MINUTE_MS);
    expect(after(hourly, { ...long, isResumed: true })?.state.nextRunAtMs).toBe(DUE_MS + 60 * MINUTE_MS);
  });

  test("no expression has it run more often than every ten seconds", () => {
    const job = jobOf({ kind: "cron", expr: "* * * * * *", tz: "UTC" });
    expect(after(job, { ...ran, ts: DUE_MS + 5 })?.state.nextRunAtMs).toBe(DUE_MS + 10_000);
  });

  test("it pauses longer with each failure in a row, and forgets them with a good run", () => {
    const pauses: number[] = [];
    let job = jobOf({ kind: "every", everyMs: 10_000 });
    for (let times = 0; times < 7; times++) {
      job = after(job, { ...ran, status: "error", error: "no" }) ?? job;
      pauses.push(((job.state.nextRunAtMs ?? 0) - ran.ts) / 1_000);
    }
    expect(pauses).toEqual([30, 60, 300, 900, 3_600, 3_600, 3_600]);
    expect(job.state).toMatchObject({ failures: 7, runs: 7, lastStatus: "error", lastError: "no" });
    const good = after(job, ran);
    expect(good?.state).toMatchObject({ failures: 0, nextRunAtMs: DUE_MS + 10_000 });
    expect(good?.state).not.toHaveProperty("lastError");
  });

  test("one that runs once is tried five times more, then given up", () => {
    let job = jobOf({ kind: "at", atMs: DUE_MS });
    for (let times = 0; times < 5; times++) {
      job = after(job, { ...ran, status: "error" }) ?? job;
      expect([job.enabled, job.state.nextRunAtMs !== undefined]).toEqual([true, true]);
    }
    job = after(job, { ...ran, status: "error" }) ?? job;
    expect([job.enabled, job.state.nextRunAtMs]).toEqual([false, undefined]);
  });

  test("one that has run once is disabled, or removed; its history says so", () => {
    const once = jobOf({ kind: "at", atMs: DUE_MS });
    expect(after(once, ran)).toMatchObject({ enabled: false, state: { runs: 1, lastStatus: "ok" } });
    const removed = afterRun({ ...once, deleteAfterRun: true }, ran);
    expect(removed.job).toBeUndefined();
    expect(removed.entry).toMatchObject({ jobId: "j", action: "finished", status: "ok", runAtMs: DUE_MS });
    expect(after({ ...once, deleteAfterRun: true }, { ...ran, status: "error" })?.enabled).toBe(true);
  });
});
