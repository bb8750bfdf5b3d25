import { z } from "zod";
import type { Clock, Log, Stop, Timers } from "../../ports.ts";

interface ConfirmationOptions {
  readonly timers: Timers;
  readonly clock: Clock;
  readonly log: Log;
  /** Resolves when what is in force will not change by itself. */
  readonly settled: () => Promise<void>;
  /** Puts back what was there. */
  readonly revert: (backup: string) => Promise<void>;
  /** Remembers over a restart of the process what waits; undefined: nothing does. */
  readonly keep: (waiting: Waiting | undefined) => Promise<void>;
}

/** A change that is undone unless somebody says that they can still get in. */
export type Waiting = z.output<typeof Waiting>;

export const Waiting = z.strictObject({
  /** What is put back; empty where there was no file. */
  backup: z.string(),
  confirmWithinMs: z.int().positive(),
});

/** One change waits at most; a newer one is confirmed or undone with it, back to before the first. */
export class Confirmation {
  readonly #options: ConfirmationOptions;
  #waiting: Waiting | undefined;
  #stopTimer: Stop = () => {};
  /** `clock.elapsed()` of the moment the change was in force; connections from before prove nothing. */
  #sinceMs: number | undefined;

  constructor(options: ConfirmationOptions) {
    this.#options = options;
  }

  get waiting(): Waiting | undefined {
    return this.#waiting;
  }

  /**
   * A change has been written that has to be confirmed; the time begins with `inForce`.
   *
   * @returns takes it back: the change did not come into force, and what waited before waits again
   */
  async begin(waiting: Waiting): Promise<() => Promise<void>> {
    const first = this.#waiting;
    const takeBack = async (): Promise<void> => {
      await this.#set(first);
      this.inForce();
    };
    await this.#set(first ? { ...waiting, backup: first.backup } : waiting);
    return takeBack;
  }

  /**
   * The change, or what is left of one from before a restart, is in force.
   *
   * @param isStart of a gateway that has started with it: whoever is connected connected to that
   */
  inForce(isStart = false): void {
    if (!this.#waiting || this.#sinceMs !== undefined) return;
    const { timers, clock, log } = this.#options;
    const { confirmWithinMs } = this.#waiting;
    this.#sinceMs = isStart ? Number.NEGATIVE_INFINITY : clock.elapsed();
    this.#stopTimer = timers.after(confirmWithinMs, () => {
      log.warn("configuration not confirmed in time, putting back what was there", { confirmWithinMs });
      void this.revert();
    });
  }

  /** @returns "early" when the connection is older than the change: it does not show that a new one can be made */
  async confirm(connectedMs: number): Promise<"confirmed" | "nothing" | "early"> {
    // A new connection may be quicker than the word that the restart is done.
    if (this.#waiting && this.#sinceMs === undefined) await this.#options.settled();
    if (!this.#waiting) return "nothing";
    if (this.#sinceMs === undefined || connectedMs < this.#sinceMs) return "early";
    await this.#set(undefined);
    return "confirmed";
  }

  /** Undoes what waits, if anything does. Never rejects. */
  async revert(): Promise<void> {
    const waiting = this.#waiting;
    if (!waiting) return;
    const { revert, keep, log } = this.#options;
    this.#stopTimer();
    this.#waiting = undefined;
    this.#sinceMs = undefined;
    await revert(waiting.backup).catch((error: unknown) =>
      log.error("configuration not put back", { backup: waiting.backup, error: String(error) }),
    );
    // Only now, so that a start that follows a crash does it.
    if (this.#waiting === undefined) {
      await keep(undefined).catch((error: unknown) =>
        log.error("configuration would be put back again at the next start", { error: String(error) }),
      );
    }
  }

  /** Forgets the timer; what waits is still waiting when the gateway comes back. */
  stop(): void {
    this.#stopTimer();
  }

  /** What is on disk first: it decides after a crash. */
  async #set(waiting: Waiting | undefined): Promise<void> {
    await this.#options.keep(waiting);
    this.#stopTimer();
    this.#waiting = waiting;
    this.#sinceMs = undefined;
  }
}
