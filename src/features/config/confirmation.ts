import { z } from "zod";
import type { Clock, Log, Stop, Timers } from "../../ports.ts";

interface ConfirmationOptions {
  readonly timers: Timers;
  readonly clock: Clock;
  readonly log: Log;
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

  /** A change has been written that has to be confirmed; the time begins with `inForce`. */
  async begin(waiting: Waiting): Promise<void> {
    const first = this.#waiting;
    this.#stopTimer();
    this.#sinceMs = undefined;
    this.#waiting = first ? { ...waiting, backup: first.backup } : waiting;
    await this.#options.keep(this.#waiting);
  }

  /** The change, or what is left of one from before a restart, is in force. */
  inForce(): void {
    if (!this.#waiting || this.#sinceMs !== undefined) return;
    const { timers, clock, log } = this.#options;
    const { confirmWithinMs } = this.#waiting;
    this.#sinceMs = clock.elapsed();
    this.#stopTimer = timers.after(confirmWithinMs, () => {
      log.warn("configuration not confirmed in time, putting back what was there", { confirmWithinMs });
      void this.revert();
    });
  }

  /** @returns "early" when the connection is older than the change: it does not show that a new one can be made */
  async confirm(connectedMs: number): Promise<"confirmed" | "nothing" | "early"> {
    if (!this.#waiting) return "nothing";
    if (this.#sinceMs === undefined || connectedMs < this.#sinceMs) return "early";
    await this.#end();
    return "confirmed";
  }

  /** Undoes what waits, if anything does. Never rejects. */
  async revert(): Promise<void> {
    const waiting = this.#waiting;
    if (!waiting) return;
    await this.#end();
    await this.#options.revert(waiting.backup).catch((error: unknown) =>
      this.#options.log.error("configuration not put back", {
        backup: waiting.backup,
        error: String(error),
      }),
    );
  }

  /** Forgets the timer; what waits is still waiting when the gateway comes back. */
  stop(): void {
    this.#stopTimer();
  }

  async #end(): Promise<void> {
    this.#stopTimer();
    this.#waiting = undefined;
    this.#sinceMs = undefined;
    await this.#options.keep(undefined);
  }
}
