import { errorText, RpcError } from "../../contract/errors.ts";
import type { Publish } from "../../feature.ts";
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
import { isStopWord, resetWordIn } from "../sessions/resets.ts";
import type { Sessions, StoredSession } from "../sessions/sessions.ts";
import type { Writer } from "../storage/writer.ts";
import { Acceptance, type Accepted, type Asked } from "./acceptance.ts";
import { ChatStream } from "./chat-stream.ts";
import { compactNow } from "./compact-now.ts";
import { Contexts } from "./compaction.ts";
import type { runsContract, SendStatus } from "./contract.ts";
import { Endings } from "./endings.ts";
import type { Journal } from "./journal.ts";
import { Lanes } from "./lanes.ts";
import { Performance } from "./performance.ts";
import { Pieces } from "./pieces.ts";
import { resetQuietly } from "./reset-word.ts";
import { createRun, type AbortReason, type Run, stopping, timedOut } from "./run.ts";
import { type Ending, RunNews } from "./run-news.ts";
import { type Ended, Waits } from "./waits.ts";

export interface RunsPorts {
  readonly journal: Journal;
  readonly writer: Writer;
  readonly sessions: Sessions;
  readonly runner: Runner;
  readonly publish: Publish<(typeof runsContract)["events"]>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly crypto: Crypto;
  readonly log: Log;
  /** Runs at the same time over all sessions. */
  readonly activeMax: () => number;
  /** Tokens of a context window kept free for the answer. */
  readonly reserveTokens: () => number;
  /** Words that begin a session anew. */
  readonly resetTriggers: () => readonly string[];
  /** Is there a provider of models by this name? */
  readonly isProvider: (name: string) => boolean;
  readonly environmentOf: (session: StoredSession) => SessionEnvironment;
  readonly approve: (
    run: Pick<Run, "id" | "sessionDbId" | "sessionKey">,
    request: ApprovalRequest,
    signal: AbortSignal,
  ) => Promise<ApprovalDecision>;
}

/** What `chat.send` answers. */
export interface Sent {
  /** Who answers; after a word alone, the run that was stopped, or one that says nothing. */
  readonly runId: string;
  readonly sessionKey: string;
  readonly status: SendStatus;
}

/** Who stops a run, and why. */
export interface Stopped {
  readonly reason: AbortReason;
  readonly by?: string | undefined;
}

/**
 * All runs, whoever asked for them: one at a time in a session, in order of arrival, several sessions side by
 * side. A run ends once and at once, whatever its agent still does: an abort does not wait for the agent.
 */
export class Runs {
  readonly #contexts: Contexts;
  readonly #ports: RunsPorts;
  readonly #lanes = new Lanes();
  readonly #stream: ChatStream;
  readonly #news: RunNews;
  readonly #waits: Waits;
  readonly #pieces: Pieces;
  readonly #acceptance: Acceptance;
  readonly #endings: Endings;
  readonly #performance: Performance;
  /** Who waits for some runs to be gone, or for all of them. */
  readonly #idleWaiters: { readonly isDone: () => boolean; readonly resolve: () => void }[] = [];
  readonly #watchers = new Set<() => void>();
  #isStopping = false;

  constructor(ports: RunsPorts) {
    this.#ports = ports;
    this.#stream = new ChatStream(ports);
    this.#news = new RunNews(ports);
    this.#waits = new Waits(ports.timers);
    this.#pieces = new Pieces(ports);
    this.#contexts = new Contexts(ports);
    const isStopping = (): boolean => this.#isStopping;
    this.#acceptance = new Acceptance({ ...ports, lanes: this.#lanes, isStopping });
    this.#endings = new Endings({ ...ports, lanes: this.#lanes, isStopping });
    this.#performance = new Performance({
      ...ports,
      contexts: this.#contexts,
      stream: this.#stream,
      news: this.#news,
      approve: (run, request, signal) => ports.approve(run, request, signal),
    });
  }

  counts(): { active: number; queued: number } {
    return this.#lanes.counts();
  }

  /** Called after a run came, began or ended. */
  onCounts(work: () => void): Stop {
    this.#watchers.add(work);
    return () => void this.#watchers.delete(work);
  }

  isActive(sessionDbId: string): boolean {
    return this.#lanes.of(sessionDbId).length > 0;
  }

  /** Runs that go on or wait, in the order they came; those of one session where a key is given. */
  list(sessionKey?: string): Run[] {
    const key = sessionKey === undefined ? undefined : this.#ports.sessions.canonical(sessionKey);
    const runs = this.#lanes
      .all()
      .filter((run) => !run.isEnded && (key === undefined || run.sessionKey === key));
    return runs.toSorted((a, b) => a.seq - b.seq);
  }

  /** What clients have been told of the answers that are going on: where the next piece begins. */
  saying(sessionKeys: readonly string[] | "all") {
    const running = this.list().filter(
      ({ startedAt, sessionKey }) =>
        startedAt !== undefined && (sessionKeys === "all" || sessionKeys.includes(sessionKey)),
    );
    return running.map(({ id, sessionKey, startedAt = 0 }) => {
      return { runId: id, sessionKey, startedAt, text: this.#stream.sentText(id) };
    });
  }

  /**
   * A message of a chat, which may also be a word: to stop what goes on, or to begin anew.
   *
   * @throws RpcError as {@link Runs.begin}
   */
  async send(asked: Asked, by?: string): Promise<Sent> {
    const { sessions, resetTriggers, isProvider } = this.#ports;
    const session = sessions.find(asked.sessionKey);
    const isBare = (asked.attachments ?? []).length === 0;
    if (isBare && session && this.isActive(session.id) && isStopWord(asked.message)) {
      const [stopped] = this.abort({ sessionKey: session.key }, { reason: "request", by });
      // None: what was stopped a moment ago is still on its way to the disk.
      const runId = stopped ?? this.#ports.journal.last(session.id, session.historyStart)?.id ?? "";
      return { runId, sessionKey: session.key, status: "stopped" };
    }
    const word = resetWordIn(asked.message, resetTriggers(), isProvider);
    if (!word) return this.#sent(await this.begin(asked));
    const isWordOnly = word.rest === "" && isBare;
    const rest = { ...asked, message: word.rest };
    // The same message once more begins nothing anew: its answer would be gone.
    const known = isWordOnly ? undefined : this.#acceptance.known(rest);
    if (known) return this.#sent(known);
    const reset = await this.#reset(asked, word.model);
    return isWordOnly ? reset : this.#sent(await this.begin(rest));
  }

  /**
   * Takes a message: it is on disk when this resolves. The same key answers with the same run.
   *
   * @throws RpcError `conflict` same key, other message; `busy` too many wait; `unavailable` stopping, or the
   *   disk takes nothing; `not_found` no such agent
   */
  async begin(asked: Asked): Promise<Accepted> {
    if (this.#isStopping) throw stopping(asked.sessionKey);
    return this.#accepted(await this.#acceptance.accept(asked));
  }

  /** Answers the last message again whose run was cut. @throws RpcError `not_found`, `conflict`, `unavailable` */
  async retry(sessionKey: string, runId: string | undefined, owner: string): Promise<Accepted> {
    if (this.#isStopping) throw stopping(sessionKey);
    return this.#accepted(await this.#acceptance.retry(sessionKey, runId, owner));
  }

  /** Sums up all but the newest part of a session's context. @throws RpcError `conflict` while a run goes on */
  async compact(session: StoredSession): Promise<{ compacted: number; kept: number }> {
    if (this.isActive(session.id))
      throw new RpcError("conflict", `Cannot compact session "${session.key}": a run goes on in it`);
    return compactNow(this.#ports, this.#contexts, session);
  }

  /** Stops one run or all of a session. @returns those that were stopped, the first of them first */
  abort(
    which: { readonly sessionKey?: string; readonly runId?: string | undefined },
    stopped: Stopped,
  ): string[] {
    const runs = this.list(which.sessionKey).filter(
      ({ id }) => which.runId === undefined || id === which.runId,
    );
    // Waiting ones first, or the end of the running one would start the next.
    for (const run of runs.toReversed()) this.#abort(run, stopped);
    return runs.map((run) => run.id);
  }

  /** Stops all that a session has now. Resolves when that is on disk, and told. */
  async endAll(sessionDbId: string, stopped: Stopped): Promise<void> {
    const runs = [...this.#lanes.of(sessionDbId)];
    for (const run of runs.toReversed()) this.#abort(run, stopped);
    await this.#until(() => {
      const left = this.#lanes.of(sessionDbId);
      return !runs.some((run) => left.includes(run));
    });
  }

  /** How the run ended; waits at most `timeoutMs`. @returns undefined for a run nobody knows */
  wait(
    runId: string,
    timeoutMs: number,
    onGone: (work: () => void) => Stop,
  ): Promise<Ended | "timeout"> | Ended | undefined {
    const stored = this.#ports.journal.find(runId);
    if (!stored) return undefined;
    if (stored.status !== "queued" && stored.status !== "running") return stored;
    // Its end could not be written: what the next start will say of it is true already.
    if (!this.#lanes.of(stored.sessionDbId).some((run) => run.id === runId))
      return { ...stored, status: "interrupted" };
    return this.#waits.wait(runId, timeoutMs, onGone);
  }

  /** Takes nothing new, gives what goes on `graceMs`, then cuts it off. Resolves when nothing runs. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    const waiting = this.#lanes.all().filter((run) => run.startedAt === undefined);
    for (const run of waiting.toReversed()) this.#abort(run, { reason: "shutdown" });
    if (this.#lanes.isEmpty) return;
    const idle = this.#until(() => this.#lanes.isEmpty);
    const stopTimer = this.#ports.timers.after(graceMs, () => {
      for (const run of this.#lanes.all()) this.#abort(run, { reason: "shutdown" });
    });
    await idle;
    stopTimer();
  }

  // --- from acceptance to the end ---

  #sent({ runId, session, status }: Accepted): Sent {
    return { runId, sessionKey: session.key, status };
  }

  #accepted(accepted: Accepted): Accepted {
    const { session, created, wasReset, interrupts, isRepeat } = accepted;
    if (isRepeat) return accepted;
    if (wasReset) this.#letGo(session.key);
    this.#news.sessionChanged(session.key, created ? "created" : wasReset ? "reset" : "updated");
    if (interrupts) this.#abort(interrupts, { reason: "interrupted" });
    this.#startReady();
    this.#countsChanged();
    return accepted;
  }

  /** The word is answered by a run that says nothing: whoever waits for one is told, and can ask later. */
  async #reset(asked: Asked, model: string | undefined): Promise<Sent> {
    const { journal, clock, crypto, environmentOf } = this.#ports;
    const { origin, owner, options } = asked;
    const id = crypto.id();
    let answer: Run | undefined;
    const sessionKey = await resetQuietly(this.#ports, {
      sessionKey: asked.sessionKey,
      options: asked.session ?? {},
      model,
      endAll: (sessionDbId) => this.endAll(sessionDbId, { reason: "reset", by: asked.owner }),
      isStopping: () => this.#isStopping,
      andIn: (session) => {
        const ts = clock.now();
        const begun = { id, sessionDbId: session.id, origin, owner, options, ts, isStarted: true };
        const stored = journal.addRun(begun);
        journal.end(stored, { status: "ok", content: [], ts });
        answer = createRun(stored, {
          sessionKey: session.key,
          budget: environmentOf(session).limits,
          options,
        });
      },
    });
    this.#letGo(sessionKey);
    this.#news.sessionChanged(sessionKey, "reset");
    if (answer) this.#news.ended(answer, { status: "ok", content: [], ts: clock.now(), message: undefined });
    return { runId: id, sessionKey, status: "reset" };
  }

  /** What the agent of a session holds that began anew. */
  #letGo(sessionKey: string): void {
    const { runner, log } = this.#ports;
    runner
      .close(sessionKey)
      .catch((error: unknown) => log.warn("agent not closed", { error: errorText(error) }));
  }

  /** Resolves when that is so, which is looked at after each run. */
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

  #startReady(): void {
    for (;;) {
      const run = this.#lanes.next(this.#ports.activeMax());
      if (!run) return;
      this.#start(run);
    }
  }

  #countsChanged(): void {
    for (const work of this.#watchers) work();
  }

  #start(run: Run): void {
    const { clock, timers, journal, writer, log } = this.#ports;
    if (run.startedAt === undefined) {
      const startedAt = clock.now();
      run.startedAt = startedAt;
      // Nobody waits for this to be on disk: its end says the same and more.
      writer
        .write(() => journal.start(run.id, startedAt))
        .catch((error: unknown) => log.debug("start of a run not written", { error: String(error) }));
    }
    run.hasStarted = true;
    this.#stream.begin(run.id);
    this.#pieces.begin(run);
    run.stopTimeout = timers.after(run.budget.timeoutMs, () => this.#abort(run, { reason: "timeout" }));
    this.#news.started(run);
    void this.#performance
      .of(run)
      .then(() => this.#end(run, { status: "ok" }))
      .catch((error: unknown) => {
        if (run.isEnded) return;
        run.controller.abort();
        this.#end(run, { status: "error", error: this.#endings.failure(run, error) });
      })
      .finally(() => this.#stream.state.abortedRuns.delete(run.id));
  }

  #abort(run: Run, { reason, by }: Stopped): void {
    if (run.isEnded) return;
    if (run.hasStarted) this.#stream.state.abortedRuns.add(run.id);
    const error = reason === "timeout" ? { code: "timeout" as const, message: timedOut(run) } : undefined;
    this.#end(run, { status: reason === "shutdown" ? "interrupted" : "aborted", error, reason, by });
    run.controller.abort();
  }

  /** The one end of every run: on disk, then told, then the next one starts. */
  #end(run: Run, ending: Ending): void {
    if (run.isEnded) return;
    run.isEnded = true;
    run.stopTimeout();
    this.#stream.end(run.id);
    this.#pieces.end(run);
    void this.#endings.keep(run, ending).then((outcome) => {
      this.#news.ended(run, outcome);
      const { status, error, ts: endedAt } = outcome;
      this.#waits.settle(run.id, {
        status,
        endedAt,
        ...(run.startedAt !== undefined && { startedAt: run.startedAt }),
        ...(error && { error }),
        ...(ending.reason && { stoppedBy: ending.by ?? ending.reason }),
      });
      this.#lanes.leave(run, run.hasStarted);
      if (this.#isStopping)
        for (const next of this.#lanes.all()) if (!next.hasStarted) this.#abort(next, { reason: "shutdown" });
      this.#news.sessionChanged(run.sessionKey, "updated");
      this.#wakeIdle();
      this.#startReady();
      this.#countsChanged();
    });
  }
}
