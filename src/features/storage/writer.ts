import { errorText, messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Clock, Database, Log, Stop, Timers } from "../../ports.ts";
import { databaseUnavailable, isDamage, isOutage } from "../../rpc/database-failures.ts";

export interface WriterParts {
  readonly db: Database;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly log: Log;
  /** Told once when something in the file turns out to be unreadable. */
  readonly onDamage?: () => void;
}

interface Waiting {
  readonly work: () => unknown;
  readonly bytes: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type Outcome = { readonly value: unknown } | { readonly error: unknown };

/** What most works write, for those that do not say. */
const workBytes = 1_024;

/**
 * The one who writes to the database: what comes within a moment goes to the disk as one transaction, with
 * one `fsync`.
 */
export class Writer {
  readonly #parts: WriterParts;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #cancelNext: Stop | undefined;
  /** `Clock.elapsed()` before which no commit begins: the loop has at least half of the time. */
  #pausedUntilMs = 0;
  #isStopped = false;
  #outage: { readonly sentence: string; readonly sinceMs: number; readonly refused: number } | undefined;
  #damage: string | undefined;
  readonly #idle: (() => void)[] = [];

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** Why nothing can be written at present, or what turned out to be unreadable. */
  get problem(): string | undefined {
    return this.#outage?.sentence ?? this.#damage;
  }

  /**
   * Runs `work` with those that came before it; resolves with what it returns when that is on disk.
   *
   * @param work synchronous; what it throws takes back only its own writes and is what this rejects with
   * @param bytes about what it writes, where that may be much
   * @throws RpcError `unavailable` when the disk refuses, `busy` when too much waits for it
   */
  write<T>(work: () => T, bytes = workBytes): Promise<T> {
    const refusal = this.#refusal(bytes);
    if (refusal) return Promise.reject(refusal);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    // What `work` returned is a T: nobody else calls it.
    this.#queue.push({ work, bytes, resolve: (value) => resolve(value as T), reject });
    this.#queuedBytes += bytes;
    this.#schedule();
    return promise;
  }

  /** Resolves when all that was given before has been written or refused. */
  settled(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Writes what waits, at once, and takes no more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelNext?.();
    while (this.#queue.length > 0) this.#commit();
  }

  #refusal(bytes: number): RpcError | undefined {
    const retryAfterMs = LIMITS.writeRetryMs;
    if (this.#isStopped) {
      return new RpcError("unavailable", "Cannot write to the database: the gateway is stopping", {
        retryAfterMs,
      });
    }
    const isFull =
      this.#queue.length >= LIMITS.writesQueuedMax || this.#queuedBytes + bytes > LIMITS.writesQueuedBytesMax;
    // A single one that is larger than all may be waits for nobody.
    if (!isFull || this.#queue.length === 0) return undefined;
    return new RpcError("busy", "Cannot write to the database: too much waits for the disk", {
      retryAfterMs,
    });
  }

  #schedule(): void {
    if (this.#cancelNext || this.#isStopped) return;
    const waitMs = Math.max(0, this.#pausedUntilMs - this.#parts.clock.elapsed());
    this.#cancelNext = this.#parts.timers.after(waitMs, () => this.#commit());
  }

  #commit(): void {
    this.#cancelNext = undefined;
    const beganMs = this.#parts.clock.elapsed();
    const group = this.#queue;
    const { outcomes, failure } = this.#write(group, beganMs + LIMITS.writeGroupMsMax);
    // When the disk refuses, nobody waits for it to refuse once more.
    const count = failure ? group.length : outcomes.length;
    this.#queue = group.slice(count);
    const done = group.slice(0, count);
    for (const { bytes } of done) this.#queuedBytes -= bytes;
    const refusal = failure && this.#refused(failure.error, count);
    if (!refusal && outcomes.some((outcome) => "value" in outcome)) this.#recovered();
    done.forEach((waiting, place) => settle(waiting, refusal ? { error: refusal } : outcomes[place]));

    const endedMs = this.#parts.clock.elapsed();
    this.#pausedUntilMs = endedMs + Math.min(endedMs - beganMs, LIMITS.writeGatherMsMax);
    if (this.#queue.length > 0) return this.#schedule();
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** One transaction: all of the works, or as many as its time allows. */
  #write(group: readonly Waiting[], untilMs: number): Written {
    const { db, clock } = this.#parts;
    const outcomes: Outcome[] = [];
    try {
      db.transaction(() => {
        for (const { work } of group) {
          outcomes.push(this.#attempt(work));
          if (clock.elapsed() >= untilMs) return;
        }
      });
      return { outcomes, failure: undefined };
    } catch (error) {
      return { outcomes, failure: { error } };
    }
  }

  /** @throws what is nobody's mistake, and the end of the whole transaction */
  #attempt(work: () => unknown): Outcome {
    try {
      return { value: this.#parts.db.savepoint(work) };
    } catch (error) {
      // SQLite refuses to commit after it has met damage, whoever met it.
      if (isOutage(error) || isDamage(error)) throw error;
      return { error };
    }
  }

  #refused(error: unknown, count: number): RpcError {
    const { clock, log } = this.#parts;
    const refusal = unavailable(error);
    if (isDamage(error)) {
      this.#damaged(error);
      return refusal;
    }
    if (!this.#outage) {
      this.#outage = { sentence: refusal.message, sinceMs: clock.elapsed(), refused: 0 };
      // A full disk is no fault of ours to be traced; what has no name may be.
      const text = isOutage(error) ? messageOf(error) : errorText(error);
      log.warn("database takes nothing", { reason: refusal.message, error: text });
    }
    this.#outage = { ...this.#outage, sentence: refusal.message, refused: this.#outage.refused + count };
    return refusal;
  }

  #recovered(): void {
    if (!this.#outage) return;
    const { sinceMs, refused } = this.#outage;
    this.#outage = undefined;
    const outageMs = Math.round(this.#parts.clock.elapsed() - sinceMs);
    this.#parts.log.info("database can be written again", { outageMs, refused });
  }

  #damaged(error: unknown): void {
    if (this.#damage !== undefined) return;
    this.#damage = unavailable(error).message;
    this.#parts.log.error("database is damaged", { error: errorText(error) });
    this.#parts.onDamage?.();
  }
}

interface Written {
  readonly outcomes: readonly Outcome[];
  readonly failure: { readonly error: unknown } | undefined;
}

function unavailable(error: unknown): RpcError {
  return databaseUnavailable("write to", error);
}

function settle({ resolve, reject }: Waiting, outcome: Outcome | undefined): void {
  if (outcome && "value" in outcome) resolve(outcome.value);
  else reject(outcome?.error);
}
