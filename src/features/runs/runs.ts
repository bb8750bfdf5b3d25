import { type ErrorCode, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Publish } from "../../feature.ts";
import type { AgentEvent, Clock, Crypto, Log, Runner, Stop, Timers } from "../../ports.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { ChatStream } from "./chat-stream.ts";
import type { Message, runsContract } from "./contract.ts";
import type { Journal, RunEnd, StoredRun } from "./journal.ts";
import {
  type AbortReason,
  contentOf,
  createRun,
  repeat,
  type Run,
  type SendRequest,
  timedOut,
  tooLong,
  tooManyWait,
} from "./run.ts";

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

/** What the configuration says about runs; read when one starts. */
export interface RunSettings {
  readonly activeMax: number;
  readonly timeoutMs: number;
  /** The agent of a session: its model, the first of several to try, and what it is told first. */
  agent(agentId: string | undefined): {
    readonly models: readonly string[];
    readonly systemPrompt: string | undefined;
  };
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
  /** By session id: the first one runs or is next, the others wait. */
  readonly #lanes = new Map<string, Run[]>();
  /** Sessions whose first run may start when there is room, in order of arrival. */
  readonly #ready = new Set<string>();
  readonly #waiters = new Map<string, Set<(ended: Ended) => void>>();
  readonly #idleWaiters: (() => void)[] = [];
  #active = 0;
  #isStopping = false;

  constructor(ports: RunsPorts) {
    this.#ports = ports;
    this.#stream = new ChatStream(ports);
  }

  counts(): { active: number; queued: number } {
    let all = 0;
    for (const lane of this.#lanes.values()) all += lane.length;
    return { active: this.#active, queued: all - this.#active };
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
    sessions.announce(sessionKey, created ? "created" : "updated");
    this.#startReady();
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
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(runId) ?? new Set();
      this.#waiters.set(runId, waiters);
      const settle = (outcome: Ended | "timeout"): void => {
        stopTimer();
        stopGone();
        waiters.delete(settle);
        if (waiters.size === 0) this.#waiters.delete(runId);
        resolve(outcome);
      };
      waiters.add(settle);
      const stopTimer = this.#ports.timers.after(timeoutMs, () => settle("timeout"));
      const stopGone = onGone(() => settle("timeout"));
    });
  }

  /** When a run that has not ended began. */
  startedAt(runId: string): number | undefined {
    return this.#ports.journal.find(runId)?.startedAt;
  }

  /** Takes nothing new, gives what goes on `graceMs`, then cuts it off. Resolves when nothing runs. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    for (const lane of this.#lanes.values())
      for (const run of lane.slice(1).reverse()) this.#abort(run, "shutdown");
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

  #start(run: Run): void {
    const { clock, journal, timers } = this.#ports;
    this.#active++;
    run.startedAt = clock.now();
    journal.start(run.id, run.startedAt);
    this.#stream.begin(run.id);
    this.#agentEvent(run, "lifecycle", { phase: "start" });
    run.stopTimeout = timers.after(run.timeoutMs, () => this.#abort(run, "timeout"));
    void this.#listen(run)
      .catch((error: unknown) => this.#fail(run, error))
      .finally(() => this.#stream.state.abortedRuns.delete(run.id));
  }

  async #listen(run: Run): Promise<void> {
    const { runner, journal, sessions, settings } = this.#ports;
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
    if (event.type === "text") {
      this.#stream.append({ id: run.id, sessionKey: run.sessionKey }, event.text);
      if (this.#stream.text(run.id).length + run.thinking.length > LIMITS.runTextCharsMax) throw tooLong();
    } else if (event.type === "thinking") {
      run.thinking += event.text;
      if (run.thinking.length > LIMITS.runTextCharsMax) throw tooLong();
    } else if (event.type === "tool_call") {
      run.extras.push(event);
      this.#agentEvent(run, "tool", {
        phase: "call",
        toolCallId: event.id,
        name: event.name,
        args: event.args,
      });
    } else if (event.type === "usage") {
      run.usage = { inputTokens: event.inputTokens, outputTokens: event.outputTokens };
    }
  }

  #fail(run: Run, error: unknown): void {
    if (run.isEnded) return;
    const known =
      error instanceof RpcError ? { code: error.code, message: error.message } : this.#internal(run, error);
    this.#end(run, { status: "error", error: known });
  }

  #internal(run: Run, error: unknown): { code: ErrorCode; message: string } {
    const ref = this.#ports.crypto.id().slice(0, 8);
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#ports.log.error("run failed", { run: run.id, ref, error: what });
    return {
      code: "internal",
      message: `Cannot complete run "${run.id}": internal error, log reference ${ref}`,
    };
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
  #end(run: Run, end: Pick<RunEnd, "status" | "error"> & { reason?: AbortReason }): void {
    if (run.isEnded) return;
    run.isEnded = true;
    run.stopTimeout();
    const text = this.#stream.end(run.id);
    const content = contentOf(run, text);
    const endedAt = this.#ports.clock.now();
    try {
      const message = this.#ports.journal.end(run, {
        status: end.status,
        content,
        ts: endedAt,
        error: end.error,
      });
      this.#tell(run, { ...end, message });
    } catch (error) {
      // The disk refused the answer; those who wait for it must still hear of its end.
      const failed = this.#internal(run, error);
      this.#tell(run, { status: "error", error: failed, message: undefined });
    }
    this.#settle(run, {
      status: end.status,
      endedAt,
      ...(run.startedAt !== undefined && { startedAt: run.startedAt }),
      ...(end.error && { error: end.error }),
    });
    this.#leaveLane(run);
  }

  #tell(
    run: Run,
    end: Pick<RunEnd, "status" | "error"> & { reason?: AbortReason; message: Message | undefined },
  ): void {
    const { publish, sessions } = this.#ports;
    const common = { runId: run.id, sessionKey: run.sessionKey };
    const message = end.message && { message: end.message };
    if (run.thinking !== "") this.#agentEvent(run, "thinking", { text: run.thinking });
    if (end.message) this.#agentEvent(run, "assistant", { message: end.message });
    if (end.reason) publish("chat", { ...common, state: "aborted", reason: end.reason, ...message });
    else if (end.error) publish("chat", { ...common, state: "error", error: end.error, ...message });
    else {
      const whole = end.message ?? {
        id: "",
        role: "assistant" as const,
        content: [],
        ts: this.#ports.clock.now(),
      };
      publish("chat", { ...common, state: "final", message: whole, ...(run.usage && { usage: run.usage }) });
    }
    if (end.error) this.#agentEvent(run, "error", { ...end.error });
    this.#agentEvent(run, "lifecycle", { phase: "end", status: end.status });
    sessions.announce(run.sessionKey, "updated");
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
  }

  #agentEvent(
    run: Run,
    stream: "lifecycle" | "assistant" | "tool" | "thinking" | "error",
    data: Record<string, unknown>,
  ): void {
    const ts = this.#ports.clock.now();
    this.#ports.publish("agent", { runId: run.id, sessionKey: run.sessionKey, stream, ts, data });
  }
}
