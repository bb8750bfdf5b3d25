import { messageOf, type RpcError } from "../../contract/errors.ts";
import type { Publish } from "../../feature.ts";
import type { HookEvent, Hooks } from "../../hooks.ts";
import type {
  ApprovalDecision,
  ApprovalRequest,
  Clock,
  Crypto,
  Log,
  Runner,
  Stop,
  Timers,
} from "../../ports.ts";
import type { SessionEnvironment } from "../sessions/environment.ts";
import type { Sessions, StoredSession } from "../sessions/sessions.ts";
import type { Writer } from "../storage/writer.ts";
import { ChatStream } from "./chat-stream.ts";
import type { Contexts } from "./compaction.ts";
import type { runsContract } from "./contract.ts";
import { Endings } from "./endings.ts";
import type { Journal } from "./journal.ts";
import type { Lanes } from "./lanes.ts";
import { Performance } from "./performance.ts";
import { Pieces } from "./pieces.ts";
import { type AbortReason, type Run, timedOut } from "./run.ts";
import type { Ending, Outcome, RunNews } from "./run-news.ts";
import { textOf } from "./transcript.ts";
import { type Ended, Waits } from "./waits.ts";

/** What every run needs, from outside and of its gateway. */
export interface LifecyclePorts {
  readonly journal: Journal;
  readonly writer: Writer;
  readonly sessions: Sessions;
  readonly runner: Runner;
  readonly hooks: Hooks;
  readonly publish: Publish<(typeof runsContract)["events"]>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly crypto: Crypto;
  readonly log: Log;
  /** Runs at the same time over all sessions. */
  readonly activeMax: () => number;
  readonly environmentOf: (session: StoredSession) => SessionEnvironment;
  readonly approve: (
    run: Pick<Run, "id" | "sessionDbId" | "sessionKey">,
    request: ApprovalRequest,
    signal: AbortSignal,
  ) => Promise<ApprovalDecision>;
}

/** Who stops a run, and why. */
export interface Stopped {
  readonly reason: AbortReason;
  readonly by?: string | undefined;
}

/**
 * A run from the moment it is on disk: it starts when there is room, and ends once and at once, whatever its
 * agent still does. On disk, then told, then the next one of its lane starts.
 */
export class Lifecycle {
  readonly #ports: LifecyclePorts;
  readonly #lanes: Lanes;
  readonly #stream: ChatStream;
  readonly #news: RunNews;
  readonly #waits: Waits;
  readonly #pieces: Pieces;
  readonly #endings: Endings;
  readonly #performance: Performance;
  /** Runs that have ended, and why the disk does not take that. */
  readonly #unkept = new Map<Run, RpcError>();
  /** Who waits for some runs to be gone, or for all of them. */
  readonly #idleWaiters: { readonly isDone: () => boolean; readonly resolve: () => void }[] = [];
  readonly #watchers = new Set<() => void>();
  #isStopping = false;

  constructor(
    ports: LifecyclePorts,
    parts: { readonly lanes: Lanes; readonly news: RunNews; readonly contexts: Contexts },
  ) {
    const { lanes, news } = parts;
    this.#ports = ports;
    this.#lanes = lanes;
    this.#news = news;
    this.#stream = new ChatStream(ports);
    this.#waits = new Waits(ports.timers);
    this.#pieces = new Pieces(ports);
    this.#endings = new Endings({
      ...ports,
      lanes,
      isStopping: () => this.#isStopping,
      onRefused: (run, refusal) => this.#refused(run, refusal),
    });
    this.#performance = new Performance({
      ...ports,
      ...parts,
      stream: this.#stream,
      fail: (run, error) => this.#fail(run, error),
    });
  }

  /** Nothing new is taken. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Called after a run came, began or ended. */
  onCounts(work: () => void): Stop {
    this.#watchers.add(work);
    return () => void this.#watchers.delete(work);
  }

  /** What clients have been told of a running answer: where the next piece begins. */
  sentText(runId: string): string {
    return this.#stream.sentText(runId);
  }

  /** Who waits for the end of a run that goes on. */
  wait(runId: string, timeoutMs: number, onGone: (work: () => void) => Stop): Promise<Ended | "timeout"> {
    return this.#waits.wait(runId, timeoutMs, onGone);
  }

  /** Runs came, or there is more room: starts as many as there is room for. */
  startReady(): void {
    for (;;) {
      const run = this.#lanes.next(this.#ports.activeMax());
      if (!run) break;
      this.#start(run);
    }
    for (const work of this.#watchers) work();
  }

  abort(run: Run, { reason, by }: Stopped): void {
    if (run.isEnded) return;
    if (run.hasStarted) this.#stream.state.abortedRuns.add(run.id);
    const error = reason === "timeout" ? { code: "timeout" as const, message: timedOut(run) } : undefined;
    this.#end(run, { status: reason === "shutdown" ? "interrupted" : "aborted", error, reason, by });
    run.controller.abort();
  }

  /**
   * Stops all that a session has now. Resolves when that is on disk, and told.
   *
   * @throws RpcError `unavailable` when the disk does not take the end of one; that is tried again all the same
   */
  async endAll(sessionDbId: string, stopped: Stopped): Promise<void> {
    const runs = [...this.#lanes.of(sessionDbId)];
    for (const run of runs.toReversed()) this.abort(run, stopped);
    const refusal = (): RpcError | undefined => runs.flatMap((run) => this.#unkept.get(run) ?? [])[0];
    await this.#until(() => {
      const left = this.#lanes.of(sessionDbId);
      return !runs.some((run) => left.includes(run)) || refusal() !== undefined;
    });
    const refused = refusal();
    if (refused) throw refused;
  }

  /** Takes nothing new, gives what goes on `graceMs`, then cuts it off. Resolves when nothing runs. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    const waiting = this.#lanes.all().filter((run) => run.startedAt === undefined);
    for (const run of waiting.toReversed()) this.abort(run, { reason: "shutdown" });
    if (this.#lanes.isEmpty) return;
    const idle = this.#until(() => this.#lanes.isEmpty);
    const stopTimer = this.#ports.timers.after(graceMs, () => {
      for (const run of this.#lanes.all()) this.abort(run, { reason: "shutdown" });
    });
    await idle;
    stopTimer();
  }

  #start(run: Run): void {
    const { clock, timers, journal, writer, log } = this.#ports;
    if (run.startedAt === undefined) {
      const startedAt = clock.now();
      run.startedAt = startedAt;
      // Nobody waits for this to be on disk: its end says the same and more.
      writer
        .write(() => journal.start(run.id, startedAt))
        .catch((error: unknown) => log.debug("start of a run not written", { error: messageOf(error) }));
    }
    run.hasStarted = true;
    this.#stream.begin(run.id);
    this.#pieces.begin(run);
    run.stopTimeout = timers.after(run.budget.timeoutMs, () => this.abort(run, { reason: "timeout" }));
    this.#news.started(run);
    void this.#performance
      .of(run)
      .then(() => this.#end(run, { status: "ok" }))
      .catch((error: unknown) => this.#fail(run, error))
      .finally(() => this.#stream.state.abortedRuns.delete(run.id));
  }

  /** Its agent may not have noticed, and may not be one that listens: nobody waits for its last words. */
  #fail(run: Run, error: unknown): void {
    if (run.isEnded) return;
    this.#end(run, { status: "error", error: this.#endings.failure(run, error) });
    run.controller.abort();
  }

  #end(run: Run, ending: Ending): void {
    if (run.isEnded) return;
    run.isEnded = true;
    run.stopTimeout();
    this.#stream.end(run.id);
    this.#pieces.end(run);
    void this.#endings.keep(run, ending).then((outcome) => this.#kept(run, ending, outcome));
  }

  /** Whoever listens waits for an end that may be a minute away. */
  #refused(run: Run, refusal: RpcError): void {
    if (!this.#unkept.has(run)) this.#news.unkept(run, refusal);
    this.#unkept.set(run, refusal);
    this.#wakeIdle();
  }

  #kept(run: Run, { reason, by }: Ending, outcome: Outcome): void {
    this.#unkept.delete(run);
    this.#news.ended(run, outcome);
    const { status, error, ts: endedAt } = outcome;
    if (this.#ports.hooks.has("run_end")) this.#ports.hooks.tell("run_end", told(run, outcome));
    this.#waits.settle(run.id, {
      status,
      endedAt,
      ...(run.startedAt !== undefined && { startedAt: run.startedAt }),
      ...(error && { error }),
      ...(reason && { stoppedBy: by ?? reason }),
    });
    this.#lanes.leave(run, run.hasStarted);
    if (this.#isStopping)
      for (const next of this.#lanes.all()) if (!next.hasStarted) this.abort(next, { reason: "shutdown" });
    this.#news.sessionChanged(run.sessionKey, "updated");
    this.#wakeIdle();
    this.startReady();
  }

  /** Resolves when that is so, which is looked at after each end. */
  #until(isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve();
    return new Promise((resolve) => void this.#idleWaiters.push({ isDone, resolve }));
  }

  #wakeIdle(): void {
    for (const waiter of this.#idleWaiters.splice(0)) {
      if (waiter.isDone()) waiter.resolve();
      else this.#idleWaiters.push(waiter);
    }
  }
}

function told(run: Run, { status, error, content }: Outcome): HookEvent<"run_end"> {
  const { id, sessionKey, origin } = run;
  const failure = error && { error: error.message };
  return { runId: id, sessionKey, origin, status, text: textOf(content), ...failure };
}
