import { definePlugin, type Handlers, type PluginContext, type z } from "../api.ts";
import { Book } from "./book.ts";
import { type Action, events, methods, settings, type Which } from "./contract.ts";
import { Job, JOBS_MAX } from "./job.ts";
import { isClockSet, nextAfter, type Step } from "./schedule.ts";
import { Scheduler } from "./scheduler.ts";

// oxlint-disable-next-line import/no-default-export -- how a plugin's module says what it is
export default definePlugin({
  id: "cron",
  apiVersion: 1,
  config: settings,
  methods,
  events,
  start(ctx) {
    const book = new Book(ctx.store, ctx.log);
    const tell = (jobId: string, action: Action, more: object = {}): void => {
      try {
        ctx.publish("cron.changed", { ...more, jobId, action });
      } catch (error) {
        // What it tells of is done, whether anybody hears of it or not.
        ctx.log.debug("change not told", { jobId, action, error: String(error) });
      }
    };
    const scheduler = new Scheduler({ ctx, book, settings: ctx.config(), tell });
    ctx.service("schedule", (signal) => {
      if (!ctx.config().enabled) return;
      scheduler.begin();
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    });
    return { handlers: answer({ book, scheduler, tell, clock: ctx.clock, isOn: ctx.config().enabled }) };
  },
});

interface Desk extends Pick<PluginContext, "clock"> {
  readonly book: Book;
  readonly scheduler: Scheduler;
  readonly tell: (jobId: string, action: Action, more?: object) => void;
  readonly isOn: boolean;
}
type Fail = (code: "invalid_params", message: string) => never;

function answer({ book, scheduler, tell, clock, isOn }: Desk): Handlers<typeof methods> {
  const changed = (job: Job, action: Action): Job => {
    tell(job.id, action, job.state.nextRunAtMs === undefined ? {} : { nextRunAtMs: job.state.nextRunAtMs });
    scheduler.look();
    return job;
  };
  return {
    "cron.list": async ({ includeDisabled }) => ({
      jobs: (await book.jobs()).filter(({ enabled }) => enabled || includeDisabled),
    }),
    "cron.status": async () => {
      const jobs = await book.jobs();
      const times = isOn ? jobs.map(({ state }) => state.nextRunAtMs ?? Infinity) : [];
      const nextWakeAtMs = Math.min(...times);
      const wake = nextWakeAtMs === Infinity ? {} : { nextWakeAtMs };
      return { enabled: isOn, storePath: "the gateway's database", jobs: jobs.length, ...wake };
    },
    "cron.add": async ({ idempotencyKey: _, ...fields }, { fail }) => {
      const nowMs = clock.now();
      const made = { id: crypto.randomUUID(), createdAtMs: nowMs, state: { failures: 0, runs: 0 } };
      const job = edited(made, { enabled: true, ...fields }, { nowMs, fail });
      if ((await book.jobs()).length >= JOBS_MAX)
        fail("busy", `Cannot add job "${job.name}": there are ${JOBS_MAX} already`);
      await book.change(job.id, () => ({ job }));
      return changed(job, "added");
    },
    "cron.update": async ({ patch, ...which }, { fail }) => {
      const id = idOf(which, fail);
      const facts = { nowMs: clock.now(), fail };
      const change = await book.change(id, (old) => old && { job: edited(old, patch, facts) });
      return change
        ? changed(change.job, "updated")
        : fail("not_found", `Cannot update job "${id}": there is none`);
    },
    "cron.remove": async (which, { fail }) => {
      const id = idOf(which, fail);
      const removed = await book.remove(id);
      if (removed) tell(id, "removed");
      return { ok: true, removed };
    },
    "cron.run": async ({ mode, ...which }, { fail }) => {
      const id = idOf(which, fail);
      const nowMs = clock.now();
      const step = await scheduler.step(id, ({ state }): Step => {
        const dueMs = state.runningDueMs ?? (mode === "due" ? state.nextRunAtMs : nowMs) ?? Infinity;
        return dueMs > nowMs ? { kind: "wait", nextMs: undefined } : { kind: "run", dueMs };
      });
      if (!step) return fail("not_found", `Cannot run job "${id}": there is none`);
      if (step.kind === "run") return { ok: true, ran: true };
      return { ok: true, ran: false, reason: step.kind === "running" ? "already-running" : "not-due" };
    },
    "cron.runs": async ({ limit, ...which }, { fail }) => ({
      entries: await book.runs(idOf(which, fail), limit),
    }),
  };
}

function idOf({ id, jobId }: Which, fail: Fail): string {
  return id ?? jobId ?? fail("invalid_params", "Cannot find job: id is missing");
}

/** A job as `fields` change it, with its next time where that has changed. */
function edited(
  old: Partial<Job>,
  fields: z.output<(typeof methods)["cron.update"]["params"]>["patch"],
  { nowMs, fail }: { readonly nowMs: number; readonly fail: Fail },
): Job {
  const refuse = (state: string): never =>
    fail("invalid_params", `Cannot write job "${fields.name ?? old.name}": ${state}`);
  const merged = { enabled: true, wakeMode: "now", ...old, ...fields, updatedAtMs: nowMs };
  const fits = merged.payload?.kind === "agentTurn" ? "isolated" : "main";
  if ((merged.sessionTarget ?? fits) !== fits) refuse("main takes a systemEvent, isolated an agentTurn");
  const job = Job().parse({ ...merged, sessionTarget: fits });
  if (fields.schedule === undefined && fields.enabled === undefined) return job;
  const { nextRunAtMs: _, ...state } = job.state;
  try {
    const nextMs = nextAfter(job, nowMs);
    if (!job.enabled || !isClockSet(nowMs)) return { ...job, state };
    if (nextMs !== undefined) return { ...job, state: { ...state, failures: 0, nextRunAtMs: nextMs } };
  } catch (error) {
    refuse(error instanceof Error ? error.message : String(error));
  }
  return refuse("it has no time to come");
}
