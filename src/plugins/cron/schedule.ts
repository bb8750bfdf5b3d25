import { Cron } from "croner";
import type { Entry, Job } from "./job.ts";

const MINUTE_MS = 60_000;

/** Pauses after failures in a row; one that is to run only once is given up after the last. */
const PAUSES_MS = [30_000, MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, 60 * MINUTE_MS] as const;
const PAUSE_MS_MAX = PAUSES_MS[4];

/** Later than this a run is one that was missed. */
const LATE_MS = 2 * MINUTE_MS;
/** A job may run again only so long after it began, whatever its schedule says. */
const DISTANCE_MS = 10_000;

/** A clock before this has not been set yet: a small computer has none that goes on while it is off. */
const CLOCK_SET_MS = Date.UTC(2025, 0, 1);

export function isClockSet(nowMs: number): boolean {
  return nowMs >= CLOCK_SET_MS;
}

/** The first time of a job after a moment, in ms since 1970. @throws what its expression or zone has wrong */
export function nextAfter(
  { schedule, createdAtMs }: Pick<Job, "schedule" | "createdAtMs">,
  afterMs: number,
): number | undefined {
  if (schedule.kind === "at") {
    const atMs = schedule.atMs ?? Date.parse(schedule.at ?? "");
    return atMs > afterMs ? atMs : undefined;
  }
  if (schedule.kind === "every") {
    const { everyMs, anchorMs = createdAtMs } = schedule;
    return afterMs < anchorMs
      ? anchorMs
      : anchorMs + (Math.floor((afterMs - anchorMs) / everyMs) + 1) * everyMs;
  }
  const { expr, tz } = schedule;
  const pattern = new Cron(expr, { paused: true, ...(tz !== undefined && { timezone: tz }) });
  return pattern.nextRun(new Date(afterMs))?.getTime();
}

/** What is to be done about a job. */
export type Step =
  | { readonly kind: "wait"; readonly nextMs: number | undefined }
  /** The clock has been set, or was wrong: its next time is another one. */
  | { readonly kind: "plan"; readonly nextMs: number }
  | { readonly kind: "run" | "miss"; readonly dueMs: number };

/** For an enabled job that does not run. */
export function stepOf(job: Job, nowMs: number, catchUp: "once" | "skip"): Step {
  const { nextRunAtMs: dueMs } = job.state;
  if (dueMs !== undefined && dueMs <= nowMs)
    return { kind: catchUp === "skip" && nowMs - dueMs > LATE_MS ? "miss" : "run", dueMs };
  const isNear = dueMs !== undefined && dueMs <= nowMs + PAUSE_MS_MAX;
  const nextMs = isNear ? undefined : nextAfter(job, nowMs);
  if (nextMs === undefined || (dueMs !== undefined && nextMs + PAUSE_MS_MAX >= dueMs))
    return { kind: "wait", nextMs: dueMs };
  return { kind: "plan", nextMs };
}

/** `isResumed`: it was begun before a restart, and what came due since has been missed. */
type Ended = Omit<Entry, "jobId" | "action" | "nextRunAtMs"> & { readonly isResumed?: boolean };

/** A job after a run of it, or without it when it is to be removed; and the line of its history. */
export function afterRun(
  job: Job,
  { isResumed = false, ...ended }: Ended,
): { job: Job | undefined; entry: Entry } {
  const { ts: endedMs, runAtMs: startedMs } = ended;
  const isOnce = job.schedule.kind === "at";
  const failures = ended.status === "error" ? job.state.failures + 1 : 0;
  const pauseMs = PAUSES_MS[Math.min(failures, PAUSES_MS.length) - 1];
  const againMs = pauseMs === undefined ? undefined : endedMs + pauseMs;
  const fromMs = Math.max(isResumed ? startedMs : endedMs, startedMs + DISTANCE_MS - 1);
  // One time that is still to come was not what this run was for: it was run by hand, or is another time now.
  const slotMs = nextAfter(job, isOnce ? ended.dueAtMs : fromMs);
  const isLast = !isOnce || failures > PAUSES_MS.length;
  const nextMs = slotMs === undefined ? (isLast ? undefined : againMs) : Math.max(slotMs, againMs ?? 0);
  const next = nextMs === undefined || !job.enabled ? {} : { nextRunAtMs: nextMs };
  const entry: Entry = { ...ended, jobId: job.id, action: "finished", ...next };
  const isOver = isOnce && nextMs === undefined;
  if (isOver && ended.status === "ok" && job.deleteAfterRun) return { job: undefined, entry };
  const last = { lastRunAtMs: startedMs, lastStatus: ended.status, lastDurationMs: ended.durationMs };
  const error = ended.error === undefined ? {} : { lastError: ended.error };
  const state = { ...next, ...last, ...error, failures, runs: job.state.runs + 1 };
  return { job: { ...job, enabled: job.enabled && !isOver, state }, entry };
}
