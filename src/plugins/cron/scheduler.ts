import type { PluginContext } from "../api.ts";
import type { Book } from "./book.ts";
import type { Entry, Job } from "./job.ts";
import { perform } from "./runner.ts";
import { afterRun, isClockSet, type Step, stepOf } from "./schedule.ts";

/** So often at least the clock is looked at: it is set, machines sleep, and timers know nothing of that. */
const LOOK_MS = 60_000;

interface SchedulerPorts {
  readonly ctx: Pick<PluginContext, "clock" | "timers" | "sessions" | "send" | "log" | "signal">;
  readonly book: Book;
  readonly settings: { readonly maxConcurrentRuns: number; readonly catchUp: "once" | "skip" };
  /** Never throws. */
  readonly tell: (jobId: string, action: "started" | "finished", entry: Partial<Entry>) => void;
}

/** Starts jobs when they are due: one run of each, so many at once, none while the clock is not set. */
export class Scheduler {
  readonly #ports: SchedulerPorts;
  readonly #running = new Set<string>();
  /** Were due in time, and wait for others to end: late, not missed. */
  readonly #waiting = new Set<string>();
  #state: "off" | "resting" | "looking" = "off";
  #isStale = false;
  #wakeless = (): void => {};

  constructor(ports: SchedulerPorts) {
    this.#ports = ports;
  }

  /** From here on jobs run by themselves, until the plugin stops. */
  begin(): void {
    this.#state = "resting";
    this.look();
  }

  /** Something has changed: does what is due, and rests until the next job is. */
  look(): void {
    this.#isStale = true;
    if (this.#state === "resting" && !this.#ports.ctx.signal.aborted) void this.#lookAll();
  }

  async #lookAll(): Promise<void> {
    const { clock, timers, signal } = this.#ports.ctx;
    this.#state = "looking";
    this.#wakeless();
    let nextMs = Infinity;
    while (this.#isStale && !signal.aborted) {
      this.#isStale = false;
      nextMs = await this.#lookOnce();
    }
    this.#state = "resting";
    const restMs = Math.max(1, Math.min(LOOK_MS, nextMs - clock.now()));
    if (!signal.aborted) this.#wakeless = timers.after(restMs, () => this.look());
  }

  /** @returns when the next one is due */
  async #lookOnce(): Promise<number> {
    const { clock, log, signal } = this.#ports.ctx;
    let nextMs = Infinity;
    const failed = (error: unknown, fields: object = {}): void =>
      log.error("cannot look at jobs", { error: String(error), ...fields });
    try {
      for (const job of isClockSet(clock.now()) ? await this.#ports.book.jobs() : []) {
        if (signal.aborted) break;
        const jobNextMs = await this.#lookAt(job).catch((error) => failed(error, { jobId: job.id }));
        nextMs = Math.min(nextMs, jobNextMs ?? Infinity);
      }
    } catch (error) {
      failed(error);
    }
    return nextMs;
  }

  async #lookAt(job: Job): Promise<number | undefined> {
    const seen = this.#stepOf(job);
    const step = seen.kind === "wait" ? seen : await this.step(job.id, (now) => this.#stepOf(now));
    return step && "nextMs" in step ? step.nextMs : undefined;
  }

  #stepOf(job: Job): Step {
    const { ctx, settings } = this.#ports;
    const { runningAtMs, runningDueMs } = job.state;
    const rest = { kind: "wait", nextMs: undefined } as const;
    const mayRun = this.#running.size < settings.maxConcurrentRuns;
    if (this.#running.has(job.id)) return rest;
    if (runningAtMs !== undefined) return mayRun ? { kind: "run", dueMs: runningDueMs ?? runningAtMs } : rest;
    if (!job.enabled) return rest;
    const catchUp = this.#waiting.has(job.id) ? "once" : (job.catchUp ?? settings.catchUp);
    const step = stepOf(job, ctx.clock.now(), catchUp);
    if (step.kind !== "run" || mayRun) return step;
    this.#waiting.add(job.id);
    return rest;
  }

  /** Does what `decide` says of a job as it is on disk now. A run is begun, not waited for. */
  async step(id: string, decide: (job: Job) => Step): Promise<Step | { kind: "running" } | undefined> {
    let isBegun = false;
    const edit = (job: Job | undefined) => {
      if (!job) return undefined;
      if (this.#running.has(id)) return { job, step: { kind: "running" } as const };
      const step = decide(job);
      if (step.kind === "run") {
        isBegun = true;
        this.#running.add(id);
        this.#waiting.delete(id);
      }
      return { step, ...this.#changed(job, step) };
    };
    try {
      const change = await this.#ports.book.change(id, edit);
      if (change && "entry" in change) {
        this.#ports.tell(id, "finished", change.entry);
        this.look();
      }
      if (change?.job && "isResumed" in change) void this.#run(change.job, change.isResumed);
      return change?.step;
    } catch (error) {
      if (isBegun) this.#running.delete(id);
      throw error;
    }
  }

  #changed(job: Job, step: Step) {
    const { state } = job;
    const nowMs = this.#ports.ctx.clock.now();
    if (step.kind === "wait") return { job };
    if (step.kind === "plan") return { job: { ...job, state: { ...state, nextRunAtMs: step.nextMs } } };
    const { dueMs } = step;
    if (step.kind === "miss") {
      const error = `missed: it was due ${new Date(dueMs).toISOString()}`;
      const times = { ts: nowMs, runAtMs: nowMs, dueAtMs: dueMs, durationMs: 0 };
      return afterRun(job, { status: "skipped", error, ...times });
    }
    const isResumed = state.runningAtMs !== undefined;
    const marks = { runningAtMs: nowMs, runningDueMs: dueMs };
    return { job: isResumed ? job : { ...job, state: { ...state, ...marks } }, isResumed };
  }

  /** Never rejects. What the disk does not take now is tried again with the next look: it is the same run. */
  async #run(job: Job, isResumed: boolean): Promise<void> {
    const { ctx, book, tell } = this.#ports;
    const { id } = job;
    const { runningAtMs: runAtMs = ctx.clock.now(), runningDueMs: dueAtMs = runAtMs } = job.state;
    const begunMs = ctx.clock.elapsed();
    if (!isResumed) tell(id, "started", { runAtMs });
    const note = (marks: Partial<Job["state"]>) =>
      book.change(id, (now) => now && { job: { ...now, state: { ...now.state, ...marks } } });
    try {
      const outcome = await perform(ctx, job, { dueMs: dueAtMs, note });
      // Whoever comes after this plugin, or after a restart, goes on where it ended.
      if (!outcome) return;
      const times = { runAtMs, dueAtMs, durationMs: Math.round(ctx.clock.elapsed() - begunMs) };
      const ended = { ts: ctx.clock.now(), ...outcome, ...times, isResumed };
      const change = await book.change(id, (now) => now && afterRun(now, ended));
      if (change) tell(id, "finished", change.entry);
      if (outcome.status === "error") ctx.log.warn("job failed", { jobId: id, error: outcome.error });
      this.#running.delete(id);
      this.look();
    } catch (error) {
      ctx.log.error("cannot run job", { jobId: id, error: String(error) });
    } finally {
      this.#running.delete(id);
    }
  }
}
