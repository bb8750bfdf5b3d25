import { type ErrorCode, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Clock, Crypto, Log, Timers } from "../../ports.ts";
import { internalError } from "../../rpc/internal.ts";
import type { Sessions } from "../sessions/sessions.ts";
import type { Writer } from "../storage/writer.ts";
import { dayOf } from "../usage/day.ts";
import type { Content, RunFailure } from "./contract.ts";
import type { RunEnd } from "./entries.ts";
import type { Journal } from "./journal.ts";
import type { StoredRun } from "./rows.ts";
import { join, joinLane } from "./acceptance.ts";
import type { Lanes } from "./lanes.ts";
import { createRun, failureOf, type Run } from "./run.ts";
import { type Traces, writeTraced } from "./traces.ts";
import type { Ending, Outcome } from "./run-news.ts";

interface EndingsPorts {
  readonly writer: Writer;
  readonly journal: Journal;
  readonly sessions: Sessions;
  readonly lanes: Lanes;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly crypto: Crypto;
  readonly log: Log;
  /** Nobody is waited for any more, the disk included. */
  readonly isStopping: () => boolean;
  /** The disk takes the end of this run not yet; told each time, before it is asked again. */
  readonly onRefused: (run: Run, refusal: RpcError) => void;
}

/** Reasons after which what came during a run is not answered by another one: somebody wanted quiet. */
const QUIET = new Set<Ending["reason"]>(["request", "shutdown", "deleted", "reset"]);

/** The disk takes nothing, or not yet. */
const TRY_AGAIN = new Set<ErrorCode>(["unavailable", "busy"]);

/** Writes ends down: the answer is on disk before anybody hears of it. */
export class Endings {
  readonly #ports: EndingsPorts;

  constructor(ports: EndingsPorts) {
    this.#ports = ports;
  }

  /**
   * How the run has ended, on disk. A disk that takes nothing is tried again for a while: nothing of an
   * answer is lost to a full disk that somebody clears. If it goes on refusing, those who wait must hear
   * that, and not that all is well.
   */
  async keep(run: Run, ending: Ending): Promise<Outcome> {
    const { clock, writer } = this.#ports;
    const content = run.transcript.content();
    const ts = clock.now();
    const untilMs = clock.elapsed() + LIMITS.endRetryMs;
    const bytes = run.transcript.bytes + 1_024;
    for (;;) {
      try {
        const end = { ...ending, content, ts };
        const message = await writeTraced(writer, (traces) => this.#endIn(run, end, traces), bytes);
        return { ...ending, content, message, ts };
      } catch (refusal) {
        const isWorthIt = refusal instanceof RpcError && TRY_AGAIN.has(refusal.code);
        if (isWorthIt && !this.#ports.isStopping() && clock.elapsed() < untilMs) {
          this.#ports.onRefused(run, refusal);
          await this.#pause(LIMITS.writeRetryMs);
          continue;
        }
        return {
          status: "error",
          error: this.failure(run, refusal),
          content,
          message: lost(run, content, ts),
          ts,
        };
      }
    }
  }

  /** What a run's failure is called; what is not ours to tell gets a reference into the log. */
  failure(run: Run, error: unknown): RunFailure {
    if (error instanceof RpcError) return failureOf(error);
    const failure = {
      logged: "run failed",
      fields: { run: run.id },
      said: `Cannot complete run "${run.id}"`,
    };
    const { code, message, extra } = internalError(this.#ports, failure, error);
    return { code, message: `${message}, log reference ${extra.ref}` };
  }

  #endIn(run: Run, end: Ending & Pick<RunEnd, "content" | "ts">, traces: Traces) {
    const { journal, sessions } = this.#ports;
    const { model, usage, transcript } = run;
    const session = sessions.byId(run.sessionDbId);
    // Deleted while it ended.
    if (!session) return undefined;
    const { reason, by } = end;
    const message = journal.end(run, {
      status: end.status,
      content: end.content,
      ts: end.ts,
      error: end.error,
      stoppedBy: reason && (by ?? reason),
      model,
      usage,
      toolCalls: transcript.toolCalls,
      contextTokens: run.contextTokens,
    });
    const day = dayOf(end.ts);
    if (usage) journal.addUsage(day, { agentId: session.agentId, model: model ?? "unknown" }, usage);
    if (run.steered.length > 0 && !QUIET.has(reason)) this.#passOn(run, end.ts, traces);
    return message;
  }

  /** Messages that came during the run and joined it nowhere are answered by the next. */
  #passOn(run: Run, ts: number, traces: Traces): void {
    const { journal, lanes, crypto } = this.#ports;
    const ids = run.steered.map(({ messageId }) => messageId);
    const waiting = lanes
      .of(run.sessionDbId)
      .find((other) => other !== run && other.isOpen && !other.isEnded);
    if (waiting) {
      journal.moveMessages(ids, waiting.seq);
      return join(waiting, ids.length, traces);
    }
    const { sessionDbId, sessionKey, origin, owner, budget } = run;
    const stored: StoredRun = journal.addRun({
      id: crypto.id(),
      sessionDbId,
      origin,
      owner,
      options: {},
      ts,
      isStarted: false,
    });
    journal.moveMessages(ids, stored.seq);
    const next = createRun(stored, { sessionKey, budget, options: {} });
    joinLane(lanes, next, traces);
    join(next, ids.length - 1, traces);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#ports.timers.after(ms, resolve));
  }
}

/** What had been said, for those who listen: there is no more of it anywhere. */
function lost(run: Run, content: readonly Content[], ts: number): Outcome["message"] {
  if (content.length === 0) return undefined;
  return { id: "", role: "assistant", content: [...content], ts, runId: run.id, status: "error" };
}
