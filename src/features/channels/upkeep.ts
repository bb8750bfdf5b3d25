import { errorText, messageOf } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Clock, Log, Stop, Timers } from "../../ports.ts";
import type { Answers } from "./answers.ts";
import type { Deliveries } from "./deliveries.ts";
import type { Insistence } from "./insist.ts";
import type { Outgoing } from "./outgoing.ts";

interface UpkeepPorts {
  readonly deliveries: Deliveries;
  readonly insistence: Insistence;
  readonly outgoing: Pick<Outgoing, "add" | "giveUpOld">;
  readonly answers: Pick<Answers, "follow">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

/** How long a message is known: handed over again by then, it is not answered twice. */
const KEPT_MS = 2 * LIMITS.deliveryMsMax;
const SWEEP_MS = 60 * 60_000;

/** Takes up what the last gateway left, and gives up and forgets what is too old. */
export class Upkeep {
  readonly #ports: UpkeepPorts;
  #stopSweeps: Stop | undefined;
  #stopAgain: Stop | undefined;

  constructor(ports: UpkeepPorts) {
    this.#ports = ports;
  }

  /** With the first channel, or the first who asks about them; later calls change nothing. Never throws. */
  begin(): void {
    if (this.#stopSweeps) return;
    const { timers, log } = this.#ports;
    const sweep = (): void =>
      void this.#sweep().catch((error: unknown) =>
        log.error("deliveries not tidied", { error: errorText(error) }),
      );
    this.#stopSweeps = timers.every(SWEEP_MS, sweep);
    this.#takeUp();
    sweep();
  }

  stop(): void {
    this.#stopSweeps?.();
    this.#stopAgain?.();
  }

  /** What is sent or followed twice is so once: whoever comes second finds it done. */
  #takeUp(): void {
    const { deliveries, outgoing, answers, timers, log } = this.#ports;
    try {
      for (const { id, chat, state } of deliveries.open()) {
        if (state === "due") outgoing.add(chat, id);
        else answers.follow(id, chat);
      }
    } catch (error) {
      log.warn("deliveries not taken up yet", { reason: messageOf(error) });
      this.#stopAgain = timers.after(LIMITS.deliveryPauseMsMin, () => this.#takeUp());
    }
  }

  async #sweep(): Promise<void> {
    const { outgoing, insistence, deliveries, clock } = this.#ports;
    await outgoing.giveUpOld();
    await insistence.write(() => deliveries.pruneIn(clock.now() - KEPT_MS));
  }
}
