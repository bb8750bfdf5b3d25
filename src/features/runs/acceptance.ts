import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { AgentMessage, Clock, Crypto } from "../../ports.ts";
import type { SessionEnvironment } from "../sessions/environment.ts";
import type { SessionOptions, Sessions, StoredSession } from "../sessions/sessions.ts";
import type { Writer } from "../storage/writer.ts";
import type { Budget } from "./budget.ts";
import type { Attachment, Origin, SendStatus } from "./contract.ts";
import type { Image } from "./entries.ts";
import { toImages } from "./images.ts";
import type { Answered, Journal } from "./journal.ts";
import type { StoredRun } from "./rows.ts";
import type { Lanes } from "./lanes.ts";
import { type Place, placeOf } from "./queue.ts";
import { createRun, keyUsed, type Run, type RunOptions, type Steered, stopping, tooManyWait } from "./run.ts";
import { type Traces, writeTraced } from "./traces.ts";

/** A message that somebody wants answered. */
export interface Asked {
  readonly sessionKey: string;
  readonly message: string;
  readonly attachments?: readonly Attachment[] | undefined;
  readonly idempotencyKey: string;
  readonly origin: Origin;
  /** Gets the run's events without asking for them. */
  readonly owner: string;
  readonly options: RunOptions;
  /** For a session that has to be made. */
  readonly session?: SessionOptions;
}

/** What became of it. */
export interface Accepted {
  readonly runId: string;
  readonly session: StoredSession;
  readonly status: SendStatus;
  readonly acceptedAt: number;
  /** It was here before, under the same key: nothing has changed. */
  readonly isRepeat: boolean;
  readonly created: boolean;
  readonly wasReset: boolean;
  /** To be stopped now, as its session wants it. */
  readonly interrupts?: Run | undefined;
}

interface AcceptancePorts {
  readonly writer: Writer;
  readonly journal: Journal;
  readonly sessions: Sessions;
  readonly lanes: Lanes;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly environmentOf: (session: StoredSession) => SessionEnvironment;
  readonly activeMax: () => number;
  /** Nothing new is taken. */
  readonly isStopping: () => boolean;
}

/** Takes messages in: on disk first, then in their lane. What the disk refuses leaves no trace. */
export class Acceptance {
  readonly #ports: AcceptancePorts;
  /** Runs that will start as soon as they are on disk. */
  #promised = 0;

  constructor(ports: AcceptancePorts) {
    this.#ports = ports;
  }

  /** @throws RpcError `conflict` same key, other message; `busy` too many wait; `unavailable` the disk; as `Sessions.admit` */
  async accept(asked: Asked): Promise<Accepted> {
    const images = toImages(asked.attachments ?? [], this.#ports.crypto);
    if (asked.message === "" && images.length === 0)
      throw new RpcError(
        "invalid_params",
        `Cannot send to session "${asked.sessionKey}": the message is empty`,
      );
    const bytes = asked.message.length + images.reduce((sum, { data }) => sum + data.length, 1_024);
    return writeTraced(this.#ports.writer, (traces) => this.#acceptIn(asked, images, traces), bytes);
  }

  /** What became of the message when it came before. @throws RpcError `conflict` same key, other message */
  known(asked: Asked): Accepted | undefined {
    const { sessions, journal } = this.#ports;
    const session = sessions.find(asked.sessionKey);
    const answered = session && journal.answered(session.id, asked.idempotencyKey);
    return session && answered?.run && repeat(asked, { answered, run: answered.run, session });
  }

  /** Answers the newest message of a session once more. @throws RpcError `not_found`, `conflict` */
  async retry(sessionKey: string, runId: string | undefined, owner: string): Promise<Accepted> {
    const { sessions, journal, lanes, clock, writer, isStopping } = this.#ports;
    return writeTraced(writer, (traces) => {
      if (isStopping()) throw stopping(sessionKey);
      const session = sessions.find(sessionKey);
      const last = session && journal.last(session.id, session.historyStart);
      const fail = (code: "not_found" | "conflict", state: string): RpcError =>
        new RpcError(code, `Cannot retry in session "${sessionKey}": ${state}`);
      if (!session || !last) throw fail("not_found", "nothing has been said in it");
      if (runId !== undefined && runId !== last.id) {
        const known = journal.find(runId)?.sessionDbId === session.id;
        throw known
          ? fail("conflict", `run "${runId}" is not the last one`)
          : fail("not_found", `no run "${runId}" in it`);
      }
      if (last.status === "queued" || last.status === "running") {
        if (lanes.of(session.id).some(({ id }) => id === last.id))
          throw fail("conflict", "its last run goes on");
        // The disk did not take its end at the time.
        journal.interrupt(last, clock.now());
      }
      if (last.status === "ok") throw fail("conflict", "its last run has answered");
      const { origin, options } = last;
      const run = this.#begin({ session, origin, owner, options, retryOf: last.retryOf ?? last.id }, traces);
      return this.#answer(run, session);
    });
  }

  #acceptIn(asked: Asked, images: readonly Image[], traces: Traces): Accepted {
    const { sessions, journal, lanes, clock, isStopping } = this.#ports;
    const ts = clock.now();
    const known = this.known(asked);
    if (known) return known;
    if (isStopping()) throw stopping(asked.sessionKey);
    const { session, created, wasReset } = sessions.admit(asked.sessionKey, asked.session ?? {}, ts);
    const lane = lanes.of(session.id);
    const isChat = asked.origin === "chat";
    const coming = { isChat, isOpen: isChat && asked.options.timeoutMs === undefined };
    const waiting = lane.reduce((sum, run) => sum + waitingIn(run), 0);
    const place = this.#placeOf(session, lane, coming);
    if (waiting >= LIMITS.runsQueuedPerSessionMax) throw tooManyWait(session.key);

    const { origin, owner, options } = asked;
    const run = place.kind === "own" ? this.#begin({ session, origin, owner, options }, traces) : place.run;
    const status = statusOf(place, run);
    const { idempotencyKey, message: text } = asked;
    const messageId = journal.addMessage({
      sessionDbId: session.id,
      runSeq: run.seq,
      text,
      images,
      idempotencyKey,
      reply: status,
      ts,
    });
    if (place.kind === "joins") join(run, 1, traces);
    if (place.kind === "steers") steer(run, { messageId, message: toMessage(text, images) }, traces);
    return { ...this.#answer(run, session), status, created, wasReset, interrupts: interruptedBy(place) };
  }

  #placeOf(
    session: StoredSession,
    lane: readonly Run[],
    coming: { readonly isChat: boolean; readonly isOpen: boolean },
  ): Place<Run> {
    const { queueMode } = this.#ports.environmentOf(session);
    const waiting = lane.map((run) => ({
      run,
      isRunning: run.startedAt !== undefined && !run.isEnded,
      isOpen: run.isOpen && !run.isEnded,
    }));
    const place = placeOf(queueMode, waiting, coming);
    if (place.kind !== "own") return { kind: place.kind, run: place.run.run };
    return place.interrupts ? { kind: "own", interrupts: place.interrupts.run } : { kind: "own" };
  }

  #begin(
    asked: {
      readonly session: StoredSession;
      readonly origin: Origin;
      readonly owner: string;
      readonly options: RunOptions;
      readonly retryOf?: string;
    },
    traces: Traces,
  ): Run {
    const { journal, lanes, crypto, clock, environmentOf, activeMax } = this.#ports;
    const { session, options } = asked;
    const { limits } = environmentOf(session);
    const isStarted =
      lanes.of(session.id).length === 0 && lanes.counts().active + this.#promised < activeMax();
    const stored: StoredRun = journal.addRun({
      ...asked,
      id: crypto.id(),
      sessionDbId: session.id,
      ts: clock.now(),
      isStarted,
    });
    const budget: Budget = { ...limits, timeoutMs: options.timeoutMs ?? limits.timeoutMs };
    const run = createRun(stored, { sessionKey: session.key, budget, options });
    joinLane(lanes, run, traces);
    if (isStarted) {
      this.#promised++;
      const redeem = (): void => void this.#promised--;
      traces.add(redeem, redeem);
    }
    return run;
  }

  #answer(run: Run, session: StoredSession): Accepted {
    const status = run.startedAt === undefined ? "queued" : "started";
    const acceptedAt = this.#ports.clock.now();
    return { runId: run.id, session, status, acceptedAt, isRepeat: false, created: false, wasReset: false };
  }
}

/** Messages of a run that nobody has read yet. */
function waitingIn({ isEnded, startedAt, joined, steered }: Run): number {
  if (isEnded) return 0;
  return startedAt === undefined ? 1 + joined : steered.length;
}

/** A run in its lane: it may start when it is on disk. */
export function joinLane(lanes: Lanes, run: Run, traces: Traces): void {
  lanes.join(run);
  traces.add(
    () => void (run.isAccepted = true),
    () => lanes.leave(run, false),
  );
}

/** So many messages more for a run that waits. */
export function join(run: Run, count: number, traces: Traces): void {
  run.joined += count;
  traces.add(
    () => {},
    () => void (run.joined -= count),
  );
}

function steer(run: Run, steered: Steered, traces: Traces): void {
  run.steered.push(steered);
  traces.add(
    () => {},
    () => {
      const place = run.steered.indexOf(steered);
      if (place >= 0) run.steered.splice(place, 1);
    },
  );
}

function statusOf({ kind }: Place<Run>, run: Run): SendStatus {
  if (kind === "own") return run.startedAt === undefined ? "queued" : "started";
  return kind === "joins" ? "joined" : "steered";
}

function interruptedBy(place: Place<Run>): Run | undefined {
  return place.kind === "own" ? place.interrupts : undefined;
}

function repeat(
  { sessionKey, idempotencyKey, message }: Asked,
  known: { readonly answered: Answered; readonly run: StoredRun; readonly session: StoredSession },
): Accepted {
  const { answered, run, session } = known;
  // One that is damaged tells nothing but that it came.
  if (answered.text !== undefined && answered.text !== message) throw keyUsed(sessionKey, idempotencyKey);
  const { id: runId, acceptedAt } = run;
  return {
    runId,
    session,
    status: answered.reply,
    acceptedAt,
    isRepeat: true,
    created: false,
    wasReset: false,
  };
}

function toMessage(text: string, images: readonly Image[]): AgentMessage {
  const parts = images.map(({ mimeType, data }) => ({ type: "image" as const, mimeType, data }));
  return { role: "user", parts: [...(text === "" ? [] : [{ type: "text" as const, text }]), ...parts] };
}
