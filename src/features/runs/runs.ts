import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Publish } from "../../feature.ts";
import type { AgentEvent, Clock, Crypto, Log, Runner, Stop, Timers } from "../../ports.ts";
import { internalError } from "../../rpc/internal.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { ChatStream } from "./chat-stream.ts";
import type { RunFailure, runsContract } from "./contract.ts";
import type { Journal, RunEnd, StoredRun } from "./journal.ts";
import {
  type AbortReason,
  bytesOf,
  contentOf,
  createRun,
  failureOf,
  repeat,
  type Run,
  type RunSettings,
  type SendRequest,
  timedOut,
  tooLong,
  tooManyWait,
} from "./run.ts";
import { type Ending, type Outcome, RunNews } from "./run-news.ts";

interface RunsPorts {
  readonly journal: Journal;
  readonly sessions: Sessions;
  readonly runner: Runner;
  readonly publish: Publish<(typeof runsContract)["events"]>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly crypto: Crypto;
  readonly log: Log;
  readonly settings: () => RunSettings;
}

type Ended = Pick<StoredRun, "status" | "startedAt" | "endedAt" | "error">;
/**
 * All runs: one at a time in a session, in order of arrival, several sessions side by side.
 *
 * A run ends once and at once, whatever its agent still does: an abort does not wait for the agent.
 */
export class Runs {
  readonly #ports: RunsPorts;
  readonly #stream: ChatStream;
  readonly #news: RunNews;
  /** By session id: the first one runs or is next, the others wait. */
  readonly #lanes = new Map<string, Run[]>();
  /** Sessions whose first run may start when there is room, in order of arrival. */
  readonly #ready = new Set<string>();
  readonly #waiters = new Map<string, Set<(ended: Ended) => void>>();
  readonly #idleWaiters: (() => void)[] = [];
  readonly #watchers = new Set<() => void>();
  #active = 0;
  #isStopping = false;

  constructor(ports: RunsPorts) {
    this.#ports = ports;
    this.#stream = new ChatStream(ports);
    this.#news = new RunNews(ports);
  }

  counts(): { active: number; queued: number } {
    let all = 0;
    for (const lane of this.#lanes.values()) all += lane.length;
    return { active: this.#active, queued: all - this.#active };
  }

  /** Called after a run came, began or ended. */
  onCounts(work: () => void): Stop {
    this.#watchers.add(work);
    return () => void this.#watchers.delete(work);
  }

  isActive(sessionId: string): boolean {
    return this.#lanes.has(sessionId);
  }

  /**
   * Takes a message: it is on disk when this returns. The same key answers with the same run.
   *
   * @throws RpcError `conflict` same key, other message; `busy` too many wait; `unavailable` stopping
   */
  send(request: SendRequest): { runId: string; status: "started" | "queued" } {
    const { journal, sessions, clock, crypto } = this.#ports;
    const { sessionKey, message, idempotencyKey } = request;
    if (this.#isStopping)
      throw new RpcError("unavailable", `Cannot send to session "${sessionKey}": the gateway is stopping`);
    const { session, created } = sessions.ensure(sessionKey);
    const known = journal.accepted(session.id, idempotencyKey);
    if (known) return repeat(known, request);
    const lane = this.#lanes.get(session.id) ?? [];
    if (lane.length > LIMITS.runsQueuedPerSessionMax) throw tooManyWait(sessionKey);

    const reply = lane.length === 0 ? "started" : "queued";
    const id = crypto.id();
    const stored = journal.accept({
      id,
      sessionId: session.id,
      idempotencyKey,
      reply,
      message,
      ts: clock.now(),
    });
    lane.push(createRun(stored, request, this.#ports.settings().timeoutMs));
    this.#lanes.set(session.id, lane);
    if (lane.length === 1) this.#ready.add(session.id);
    this.#news.sessionChanged(sessionKey, created ? "created" : "updated");
    this.#startReady();
    this.#countsChanged();
    return { runId: id, status: reply };
  }

  /** Stops one run or all of a session. @returns those that were stopped */
  abort(sessionKey: string, runId: string | undefined, reason: AbortReason): string[] {
    const session = this.#ports.sessions.find(sessionKey);
    const lane = session ? [...(this.#lanes.get(session.id) ?? [])] : [];
    const chosen = lane.filter((run) => runId === undefined || run.id === runId);
    // Waiting ones first, or the end of the running one would start the next.
    for (const run of chosen.reverse()) this.#abort(run, reason);
    return chosen.map((run) => run.id).reverse();
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
    if (!this.#lanes.get(stored.sessionId)?.some((run) => run.id === runId))
      return { ...stored, status: "interrupted" };
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(runId) ?? new Set();
      this.#waiters.set(runId, waiters);
      let stopGone: Stop = () => {};
      const settle = (outcome: Ended | "timeout"): void => {
        stopTimer();
        stopGone();
        waiters.delete(settle);
        if (waiters.size === 0) this.#waiters.delete(runId);
        resolve(outcome);
      };
      waiters.add(settle);
      const stopTimer = this.#ports.timers.after(timeoutMs, () => settle("timeout"));
      stopGone = onGone(() => settle("timeout"));
    });
  }

  /** When a run that has not ended began. */
  startedAt(runId: string): number | undefined {
    return this.#ports.journal.find(runId)?.startedAt;
  }

  /** Takes nothing new, gives what goes on `graceMs`, then cuts it off. Resolves when nothing runs. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    const waiting = [...this.#lanes.values()].flat().filter((run) => run.startedAt === undefined);
    for (const run of waiting.reverse()) this.#abort(run, "shutdown");
    if (this.#lanes.size === 0) return;
    const idle = new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
    const stopTimer = this.#ports.timers.after(graceMs, () => {
      for (const [first] of [...this.#lanes.values()]) if (first) this.#abort(first, "shutdown");
    });
    await idle;
    stopTimer();
  }

  #startReady(): void {
    for (const sessionId of this.#ready) {
      if (this.#active >= this.#ports.settings().activeMax) return;
      this.#ready.delete(sessionId);
      const run = this.#lanes.get(sessionId)?.[0];
      if (run) this.#start(run);
    }
  }

  #countsChanged(): void {
    for (const work of this.#watchers) work();
  }

  #start(run: Run): void {
    const { clock, timers } = this.#ports;
    this.#active++;
    const startedAt = clock.now();
    run.startedAt = startedAt;
    this.#stream.begin(run.id);
    run.stopTimeout = timers.after(run.timeoutMs, () => this.#abort(run, "timeout"));
    void this.#listen(run, startedAt)
      .catch((error: unknown) => this.#fail(run, error))
      .finally(() => this.#stream.state.abortedRuns.delete(run.id));
  }

  /** Whatever goes wrong in here, the disk included, ends the run and not its lane. */
  async #listen(run: Run, startedAt: number): Promise<void> {
    const { runner, journal, sessions, settings } = this.#ports;
    journal.start(run.id, startedAt);
    this.#news.started(run);
    const session = sessions.find(run.sessionKey);
    const agent = settings().agent(session?.agentId);
    const { runtime } = await runner.open(session?.model === undefined ? agent.models : [session.model]);
    if (run.isEnded) return;
    const prompt = agent.systemPrompt ? [{ role: "system" as const, text: agent.systemPrompt }] : [];
    const turn = {
      runId: run.id,
      sessionKey: run.sessionKey,
      messages: [...prompt, ...journal.context(run)],
    };
    for await (const event of runtime.prompt(turn, run.controller.signal)) {
      if (run.isEnded) return;
      this.#hear(run, event);
    }
    this.#end(run, { status: "ok" });
  }

  #hear(run: Run, event: AgentEvent): void {
    run.bytes += bytesOf(event);
    if (run.bytes > LIMITS.runBytesMax) throw tooLong();
    if (event.type === "text") {
      this.#stream.append({ id: run.id, sessionKey: run.sessionKey }, event.text);
    } else if (event.type === "thinking") {
      run.thinking += event.text;
    } else if (event.type === "tool_call") {
      run.extras.push(event);
      this.#news.toolCalled(run, event);
    } else if (event.type === "usage") {
      run.usage = { inputTokens: event.inputTokens, outputTokens: event.outputTokens };
    }
  }

  #fail(run: Run, error: unknown): void {
    if (run.isEnded) return;
    const known = error instanceof RpcError ? failureOf(error) : this.#internal(run, error);
    this.#end(run, { status: "error", error: known });
  }

  #internal(run: Run, error: unknown): RunFailure {
    const failure = {
      logged: "run failed",
      fields: { run: run.id },
      said: `Cannot complete run "${run.id}"`,
    };
    const { code, message, extra } = internalError(this.#ports, failure, error);
    return { code, message: `${message}, log reference ${extra.ref}` };
  }

  #abort(run: Run, reason: AbortReason): void {
    if (run.isEnded) return;
    const { abortedRuns } = this.#stream.state;
    if (run.startedAt !== undefined) abortedRuns.add(run.id);
    const error = reason === "timeout" ? { code: "timeout" as const, message: timedOut(run) } : undefined;
    this.#end(run, { status: reason === "shutdown" ? "interrupted" : "aborted", error, reason });
    run.controller.abort();
  }

  /** The one end of every run: on disk, then told, then the next one starts. */
  #end(run: Run, end: Ending): void {
    if (run.isEnded) return;
    run.isEnded = true;
    run.stopTimeout();
    const text = this.#stream.end(run.id);
    const content = contentOf(run, text);
    const endedAt = this.#ports.clock.now();
    const outcome = this.#keep(run, end, { content, ts: endedAt });
    this.#news.ended(run, outcome);
    this.#settle(run, {
      status: outcome.status,
      endedAt,
      ...(run.startedAt !== undefined && { startedAt: run.startedAt }),
      ...(outcome.error && { error: outcome.error }),
    });
    this.#leaveLane(run);
  }

  /** Writes the end down. If the disk refuses it, those who wait must hear that, and not that all is well. */
  #keep(run: Run, end: Ending, what: Pick<RunEnd, "content" | "ts">): Outcome {
    const { status, error } = end;
    try {
      return { ...end, message: this.#ports.journal.end(run, { status, error, ...what }) };
    } catch (refusal) {
      return { status: "error", error: this.#internal(run, refusal), message: undefined };
    }
  }

  #settle(run: Run, ended: Ended): void {
    for (const settle of [...(this.#waiters.get(run.id) ?? [])]) settle(ended);
  }

  #leaveLane(run: Run): void {
    const lane = this.#lanes.get(run.sessionId)?.filter((other) => other !== run) ?? [];
    if (lane.length > 0) this.#lanes.set(run.sessionId, lane);
    else this.#lanes.delete(run.sessionId);
    if (run.startedAt !== undefined) {
      this.#active--;
      if (lane.length > 0) this.#ready.add(run.sessionId);
    }
    if (this.#lanes.size === 0) for (const wake of this.#idleWaiters.splice(0)) wake();
    this.#startReady();
    this.#countsChanged();
  }
}
