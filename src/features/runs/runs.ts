import { errorText, RpcError } from "../../contract/errors.ts";
import { isStopWord } from "../../contract/stop-words.ts";
import type { Stop } from "../../ports.ts";
import { resetWordIn } from "../sessions/resets.ts";
import type { StoredSession } from "../sessions/sessions.ts";
import { Acceptance, type Accepted, type Asked } from "./acceptance.ts";
import { compactNow } from "./compact-now.ts";
import { Contexts } from "./compaction.ts";
import type { SendStatus } from "./contract.ts";
import { Lanes } from "./lanes.ts";
import { Lifecycle, type LifecyclePorts, type Stopped } from "./lifecycle.ts";
import { resetQuietly } from "./reset-word.ts";
import { createRun, type Run, stopping } from "./run.ts";
import { RunNews } from "./run-news.ts";
import type { Ended } from "./waits.ts";

export interface RunsPorts extends LifecyclePorts {
  /** Tokens of a context window kept free for the answer. */
  readonly reserveTokens: () => number;
  /** Words that begin a session anew. */
  readonly resetTriggers: () => readonly string[];
  /** Is there a provider of models by this name? */
  readonly isProvider: (name: string) => boolean;
}

/** What `chat.send` answers. */
export interface Sent {
  /** Who answers; after a word alone, the run that was stopped, or one that says nothing. */
  readonly runId: string;
  readonly sessionKey: string;
  readonly status: SendStatus;
}

/**
 * All runs, whoever asked for them: one at a time in a session, in order of arrival, several sessions side by
 * side. Messages come in here, {@link Lifecycle} has the runs from there on.
 */
export class Runs {
  readonly #ports: RunsPorts;
  readonly #contexts: Contexts;
  readonly #lanes = new Lanes();
  readonly #news: RunNews;
  readonly #lifecycle: Lifecycle;
  readonly #acceptance: Acceptance;
  /** What goes on without being a run ends by this. */
  readonly #stopped = new AbortController();

  constructor(ports: RunsPorts) {
    this.#ports = ports;
    this.#contexts = new Contexts(ports);
    this.#news = new RunNews(ports);
    const lanes = this.#lanes;
    this.#lifecycle = new Lifecycle(ports, { lanes, news: this.#news, contexts: this.#contexts });
    this.#acceptance = new Acceptance({ ...ports, lanes, isStopping: () => this.#lifecycle.isStopping });
  }

  counts(): { active: number; queued: number } {
    return this.#lanes.counts();
  }

  /** Called after a run came, began or ended. */
  onCounts(work: () => void): Stop {
    return this.#lifecycle.onCounts(work);
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
      return { runId: id, sessionKey, startedAt, text: this.#lifecycle.sentText(id) };
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
    const reset = await this.#reset(asked, { model: word.model, by });
    return isWordOnly ? reset : this.#sent(await this.begin(rest));
  }

  /**
   * Takes a message: it is on disk when this resolves. The same key answers with the same run.
   *
   * @throws RpcError `conflict` same key, other message; `busy` too many wait; `unavailable` stopping, or the
   *   disk takes nothing; `not_found` no such agent
   */
  async begin(asked: Asked): Promise<Accepted> {
    if (this.#lifecycle.isStopping) throw stopping(asked.sessionKey);
    return this.#accepted(await this.#acceptance.accept(asked));
  }

  /** Answers the last message again whose run was cut. @throws RpcError `not_found`, `conflict`, `unavailable` */
  async retry(sessionKey: string, runId: string | undefined, owner: string): Promise<Accepted> {
    if (this.#lifecycle.isStopping) throw stopping(sessionKey);
    return this.#accepted(await this.#acceptance.retry(sessionKey, runId, owner));
  }

  /** Sums up all but the newest part of a session's context. @throws RpcError `conflict` while a run goes on */
  async compact(session: StoredSession): Promise<{ compacted: number; kept: number }> {
    if (this.isActive(session.id))
      throw new RpcError("conflict", `Cannot compact session "${session.key}": a run goes on in it`);
    return compactNow(this.#ports, this.#contexts, { session, signal: this.#stopped.signal });
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
    for (const run of runs.toReversed()) this.#lifecycle.abort(run, stopped);
    return runs.map((run) => run.id);
  }

  /** As {@link Lifecycle.endAll}. @throws RpcError `unavailable` */
  endAll(sessionDbId: string, stopped: Stopped): Promise<void> {
    return this.#lifecycle.endAll(sessionDbId, stopped);
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
    return this.#lifecycle.wait(runId, timeoutMs, onGone);
  }

  /** Takes nothing new, gives what goes on `graceMs`, then cuts it off. Resolves when nothing runs. */
  async stop(graceMs: number): Promise<void> {
    const message = "Cannot compact session: the gateway is stopping";
    this.#stopped.abort(new RpcError("unavailable", message));
    await this.#lifecycle.stop(graceMs);
  }

  #sent({ runId, session, status }: Accepted): Sent {
    return { runId, sessionKey: session.key, status };
  }

  #accepted(accepted: Accepted): Accepted {
    const { session, created, wasReset, interrupts, isRepeat } = accepted;
    if (isRepeat) return accepted;
    if (wasReset) this.#letGo(session.key);
    this.#news.sessionChanged(session.key, created ? "created" : wasReset ? "reset" : "updated");
    if (interrupts) this.#lifecycle.abort(interrupts, { reason: "interrupted" });
    this.#lifecycle.startReady();
    return accepted;
  }

  /** The word is answered by a run that says nothing: whoever waits for one is told, and can ask later. */
  async #reset(
    asked: Asked,
    { model, by }: { model: string | undefined; by: string | undefined },
  ): Promise<Sent> {
    const { journal, clock, crypto, environmentOf } = this.#ports;
    const { origin, owner, options } = asked;
    const id = crypto.id();
    let answer: Run | undefined;
    const sessionKey = await resetQuietly(this.#ports, {
      sessionKey: asked.sessionKey,
      options: asked.session ?? {},
      model,
      endAll: (sessionDbId) => this.endAll(sessionDbId, { reason: "reset", by }),
      isStopping: () => this.#lifecycle.isStopping,
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
}
