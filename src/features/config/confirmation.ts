import { z } from "zod";
import type { Clock, Log, Stop, Timers } from "../../ports.ts";

interface ConfirmationOptions {
  readonly timers: Timers;
  readonly clock: Clock;
  readonly log: Log;
  /** Resolves when what is in force will not change by itself. */
  readonly settled: () => Promise<void>;
  /**
   * Puts back what was there, and is tried again when it rejects.
   *
   * @param isStillWanted asked when nothing else is being written: somebody may have confirmed
   */
  readonly revert: (waiting: Waiting, isStillWanted: () => boolean) => Promise<void>;
  /** Remembers over a restart of the process what waits; undefined: nothing does. */
  readonly keep: (waiting: Waiting | undefined) => Promise<void>;
}

/** A change that is undone unless somebody says that they can still get in. */
export type Waiting = z.output<typeof Waiting>;

export const Waiting = z.strictObject({
  /** What is put back; empty where there was no file. */
  backup: z.string(),
  /** Of the files as the change left them. */
  hash: z.string(),
  confirmWithinMs: z.int().positive(),
});

const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 60_000;

/** One change waits at most; a newer one is confirmed or undone with it, back to before the first. */
export class Confirmation {
  readonly #options: ConfirmationOptions;
  #waiting: Waiting | undefined;
  #stopTimer: Stop = () => {};
  /** `clock.elapsed()` of the moment the change was in force; connections from before prove nothing. */
  #sinceMs: number | undefined;
  /** `clock.elapsed()` of the moment it is undone. */
  #dueMs: number | undefined;
  #retryMs = RETRY_MS_MIN;
  #undoing: Promise<void> | undefined;
  #undoingOf: Waiting | undefined;
  /** What is undone already, but for the note of it. */
  #undone: Waiting | undefined;
  #isStopped = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: ConfirmationOptions) {
    this.#options = options;
  }

  get waiting(): Waiting | undefined {
    return this.#waiting;
  }

  /** How long until what waits is undone; undefined when that is not known. */
  get leftMs(): number | undefined {
    const leftMs = this.#dueMs === undefined ? 0 : this.#dueMs - this.#options.clock.elapsed();
    return this.#waiting && leftMs > 0 ? leftMs : undefined;
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
    this.#dueMs = clock.elapsed() + confirmWithinMs;
    this.#stopTimer = timers.after(confirmWithinMs, () => {
      log.warn("configuration not confirmed in time, putting back what was there", { confirmWithinMs });
      void this.revert();
    });
  }

  /**
   * @returns "early" when the connection is older than the change: it does not show that a new one can be
   * made; "late" when it is just being undone
   */
  async confirm(connectedMs: number): Promise<"confirmed" | "nothing" | "early" | "late"> {
    // A new connection may be quicker than the word that the restart is done.
    if (this.#waiting && this.#sinceMs === undefined) await this.#options.settled();
    if (!this.#waiting) return "nothing";
    const waiting = this.#waiting;
    if (this.#undoingOf === waiting) return "late";
    if (this.#sinceMs === undefined || connectedMs < this.#sinceMs) return "early";
    // A newer one, begun meanwhile, is newer than the connection.
    return (await this.#set(undefined, () => this.#waiting === waiting)) ? "confirmed" : "early";
  }

  /** Somebody has undone what waits. */
  async end(): Promise<void> {
    await this.#set(undefined);
  }

  /** Undoes what waits, if anything does; what cannot be undone now is tried again later. Never rejects. */
  revert(): Promise<void> {
    // It may be an older one that is just being undone.
    if (this.#undoing) return this.#undoing.then(() => this.revert());
    const waiting = this.#waiting;
    if (!waiting) return Promise.resolve();
    this.#stopTimer();
    this.#undoingOf = waiting;
    this.#undoing = this.#revert(waiting).finally(() => {
      this.#undoing = undefined;
      this.#undoingOf = undefined;
    });
    return this.#undoing;
  }

  async #revert(waiting: Waiting): Promise<void> {
    const { revert, log, timers } = this.#options;
    const isStillWanted = (): boolean => this.#waiting === waiting;
    try {
      if (this.#undone !== waiting) await revert(waiting, isStillWanted);
      this.#undone = waiting;
      // Only now, so that a start that follows a crash does it.
      await this.#set(undefined, isStillWanted);
    } catch (error) {
      if (!isStillWanted() || this.#isStopped) return;
      const retryMs = this.#retryMs;
      log.error("configuration not put back, trying again", {
        backup: waiting.backup,
        retryMs,
        error: String(error),
      });
      this.#retryMs = Math.min(2 * retryMs, RETRY_MS_MAX);
      this.#stopTimer = timers.after(retryMs, () => void this.revert());
    }
  }

  /** Forgets the timer; what waits is still waiting when the gateway comes back. */
  stop(): void {
    this.#isStopped = true;
    this.#stopTimer();
  }

  /** What is on disk first: it decides after a crash. One at a time. @returns whether it was wanted */
  #set(waiting: Waiting | undefined, isWanted = (): boolean => true): Promise<boolean> {
    const result = this.#last.then(async () => {
      if (!isWanted()) return false;
      await this.#options.keep(waiting);
      this.#stopTimer();
      this.#waiting = waiting;
      this.#sinceMs = undefined;
      this.#dueMs = undefined;
      this.#retryMs = RETRY_MS_MIN;
      this.#undone = undefined;
      return true;
    });
    this.#last = result.catch(() => {});
    return result;
  }
}
