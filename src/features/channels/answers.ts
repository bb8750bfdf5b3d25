import { messageOf } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Clock, Crypto, Log, Stop, Timers } from "../../ports.ts";
import type { Journal } from "../runs/journal.ts";
import { intactContent, type StoredRun } from "../runs/rows.ts";
import type { Runs } from "../runs/runs.ts";
import type { Ended } from "../runs/waits.ts";
import { answerText, readableOf } from "./answer-text.ts";
import { type Chat, type Deliveries, type Delivery, keyOfChat } from "./deliveries.ts";
import type { Insistence } from "./insist.ts";
import type { Outgoing } from "./outgoing.ts";
import { pauseAfter } from "./pause.ts";
import type { Typing } from "./typing.ts";

interface AnswersPorts {
  readonly runs: Pick<Runs, "wait">;
  readonly journal: Pick<Journal, "find" | "answered">;
  readonly deliveries: Deliveries;
  readonly insistence: Insistence;
  readonly outgoing: Pick<Outgoing, "add">;
  readonly typing: Pick<Typing, "show">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly crypto: Crypto;
  readonly log: Log;
}

/** Waits for the ends of runs that people began over channels, and has what they said sent. */
export class Answers {
  readonly #ports: AnswersPorts;
  readonly #gone = new Set<() => void>();
  #isStopped = false;

  constructor(ports: AnswersPorts) {
    this.#ports = ports;
  }

  /** @param sessionDbId absent where nobody remembers: after a start */
  follow(id: string, chat: Chat, sessionDbId?: string): void {
    const stopTyping = this.#ports.typing.show(chat);
    void this.#insist(id, sessionDbId).finally(stopTyping);
  }

  /** What has not ended is looked for at the next start. */
  stop(): void {
    this.#isStopped = true;
    for (const gone of [...this.#gone]) gone();
  }

  /** Never rejects. What cannot be read at present is looked at again: nobody else would before a start. */
  async #insist(id: string, sessionDbId: string | undefined): Promise<void> {
    for (let tries = 0; !this.#isStopped; tries++) {
      try {
        return await this.#follow(id, sessionDbId);
      } catch (error) {
        this.#ports.log.warn("answer put off", { id, reason: messageOf(error) });
        await this.#pause(pauseAfter(tries));
      }
    }
  }

  /** Ends with a stop at once. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        forget();
        resolve();
      };
      const cancel = this.#ports.timers.after(ms, end);
      const forget = this.#onGone(end);
    });
  }

  async #follow(id: string, sessionDbId: string | undefined): Promise<void> {
    const { deliveries, insistence, runs, log } = this.#ports;
    let settled: string | undefined;
    for (;;) {
      const delivery = deliveries.find(id);
      if (this.#isStopped || delivery?.state !== "run") return;
      const run = this.#runOf(delivery, sessionDbId);
      // What is settled and still waits would wait for ever.
      if (run && run.id === settled) return log.error("answer of a run not written down", { run: run.id });
      const ended = run && (await runs.wait(run.id, LIMITS.waitMsMax, (gone) => this.#onGone(gone)));
      if (ended === "timeout") continue;
      if (this.#isStopped) return;
      if (run && ended) {
        await this.#settle(run, ended);
        settled = run.id;
        continue;
      }
      // Its session has been deleted.
      await insistence.write(() => deliveries.endIn(id, "silent"));
      return;
    }
  }

  /** A message may have gone to another run since: one that came too late for the first is the next one's. */
  #runOf({ id, runId }: Delivery, sessionDbId: string | undefined): StoredRun | undefined {
    const { journal, deliveries } = this.#ports;
    if (runId !== undefined) return journal.find(runId);
    const session = sessionDbId ?? deliveries.sessionOf(id);
    return session === undefined ? undefined : journal.answered(session, id)?.run;
  }

  /** Each conversation that has a part in the run hears once what was said: its last message is answered. */
  async #settle(run: StoredRun, ended: Ended): Promise<void> {
    const { deliveries, insistence, outgoing, clock } = this.#ports;
    const text = answerText(ended, this.#said(run.seq));
    const work = (): Pick<Delivery, "id" | "chat">[] => {
      const all = deliveries.ofRun(run.seq);
      const answered = new Set(
        all.filter(({ state }) => !QUIET.has(state)).map(({ chat }) => keyOfChat(chat)),
      );
      const due: Pick<Delivery, "id" | "chat">[] = [];
      for (const { id, chat, state } of all.toReversed()) {
        if (state !== "run") continue;
        const key = keyOfChat(chat);
        if (text === undefined || answered.has(key)) {
          deliveries.endIn(id, "silent");
          continue;
        }
        answered.add(key);
        deliveries.dueIn(id, text, clock.now());
        due.push({ id, chat });
      }
      return due;
    };
    const due = await insistence.write(work, (text?.length ?? 0) + 1_024);
    for (const { id, chat } of due ?? []) outgoing.add(chat, id);
  }

  #said(runSeq: number): string {
    const { deliveries, crypto } = this.#ports;
    const rows = deliveries.saidIn(runSeq);
    return readableOf(rows.flatMap((row) => intactContent(row, crypto) ?? []));
  }

  #onGone(work: () => void): Stop {
    this.#gone.add(work);
    return () => void this.#gone.delete(work);
  }
}

/** Nothing was said to a conversation by these. */
const QUIET = new Set<Delivery["state"]>(["run", "silent"]);
