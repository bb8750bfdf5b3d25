import { messageOf } from "../contract/errors.ts";
import type { Config } from "../config/schema.ts";
import type { Log, Stop } from "../ports.ts";

/** As much of a running gateway as a restart has to do with. */
export interface Restartable {
  /** Runs that go on or wait. */
  busy(): number;
  /** Called when that may have changed. */
  onBusy(work: () => void): Stop;
  stop(reason: string): Promise<void>;
}

interface RestartsOptions<T extends Restartable> {
  /** Starts on the configuration in force, in the place of one that has stopped. */
  readonly start: (stopped: T | undefined) => Promise<T>;
  /** Rejects when a restart on this configuration would fail; nothing has been stopped by then. */
  readonly check: (target: Config) => Promise<void>;
  /** The configuration to restart on, and the one to go back to. */
  readonly target: () => Config;
  readonly current: () => Config;
  readonly use: (config: Config) => void;
  /** It runs again; with a problem when that is with the configuration of before. */
  readonly onRestarted: (problem?: string) => Promise<void>;
  readonly log: Log;
}

/** The gateway that runs now, and how another one takes its place in the same process. */
export class Restarts<T extends Restartable> {
  readonly #options: RestartsOptions<T>;
  readonly #failed = Promise.withResolvers<never>();
  #running: T | undefined;
  #wanted: "idle" | "now" | undefined;
  #isStillWanted: () => boolean = always;
  /** What can not be interrupted: one stops, another starts. */
  #work: Promise<void> | undefined;
  #attempt: Promise<void> | undefined;
  #isStopping = false;
  /** What the next one starts with is still open: another wish for a restart is a part of this one. */
  #isOpen = false;
  #stopWatch: Stop = () => {};
  #isClosed = false;

  constructor(options: RestartsOptions<T>) {
    this.#options = options;
    // Whoever runs the program listens; a program that embeds it may not care.
    this.#failed.promise.catch(() => {});
  }

  /** The first start. @throws what it threw */
  async begin(): Promise<void> {
    const work = this.#options.start(undefined);
    this.#work = work.then(
      () => {},
      () => {},
    );
    try {
      this.#running = await work;
    } finally {
      this.#work = undefined;
    }
    this.#check();
  }

  /** Rejects should a restart fail for good: not even as it was could it start. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  get hasStarted(): boolean {
    return this.#running !== undefined;
  }

  get running(): T {
    if (!this.#running) throw new Error("Cannot reach the gateway: it has not started");
    return this.#running;
  }

  /** The one that runs is stopping, and what the next one starts with is still open. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Resolves when no restart is going on. */
  async settled(): Promise<void> {
    // Behind one may be the next.
    while (this.#work) await this.#work;
  }

  /**
   * @param isNow without waiting for the runs to end
   * @param isStillWanted asked when its time has come, unless somebody wants it in any case
   */
  request(isNow: boolean, isStillWanted = always): void {
    if (this.#isClosed || this.#isOpen) return;
    const wasWanted = this.#wanted !== undefined;
    if (!wasWanted || this.#isStillWanted !== always) this.#isStillWanted = isStillWanted;
    this.#wanted = isNow ? "now" : (this.#wanted ?? "idle");
    const busy = this.#running?.busy() ?? 0;
    if (!wasWanted && !isNow && busy > 0) this.#options.log.info("restart waits for runs", { runs: busy });
    this.#check();
  }

  /** No restart begins from here on; resolves when the one that goes on has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopWatch();
    await this.#work;
    await this.#attempt;
  }

  #check(): void {
    if (this.#wanted === undefined || this.#work || this.#attempt || this.#isClosed) return;
    this.#stopWatch();
    const { running } = this;
    if (this.#wanted === "idle" && running.busy() > 0) {
      this.#stopWatch = running.onBusy(() => this.#check());
      return;
    }
    this.#wanted = undefined;
    if (!this.#isStillWanted()) return;
    this.#attempt = this.#try().finally(() => {
      this.#attempt = undefined;
      this.#check();
    });
  }

  /** The one that runs is stopped only for what has a chance. */
  async #try(): Promise<void> {
    const { target, onRestarted, log } = this.#options;
    this.#isOpen = true;
    let config = target();
    let hopeless = await this.#problem(config);
    // Whoever asks meanwhile is answered by this one, so it has to look at what they have changed.
    for (; hopeless !== undefined && target() !== config; hopeless = await this.#problem(config)) {
      config = target();
    }
    if (this.#isClosed || hopeless !== undefined) this.#isOpen = false;
    if (this.#isClosed) return;
    if (hopeless !== undefined) {
      log.error("no restart: it would fail", { error: hopeless });
      return onRestarted(hopeless);
    }
    this.#work = this.#restart().finally(() => (this.#work = undefined));
    await this.#work;
  }

  async #restart(): Promise<void> {
    const { current, target, use, onRestarted, log } = this.#options;
    this.#isStopping = true;
    log.info("gateway restarting");
    await this.running.stop("gateway restarting").finally(() => {
      this.#isStopping = false;
      this.#isOpen = false;
    });
    const before = current();
    use(target());
    const problem = await this.#startAgain();
    if (problem === undefined) return onRestarted();
    log.error("restart failed, going back to the configuration of before", { error: problem });
    use(before);
    const again = await this.#startAgain();
    if (again === undefined) await onRestarted(problem);
    else this.#failed.reject(new Error(again));
  }

  #startAgain(): Promise<string | undefined> {
    return problemOf(async () => {
      this.#running = await this.#options.start(this.#running);
    });
  }

  #problem(config: Config): Promise<string | undefined> {
    return problemOf(() => this.#options.check(config));
  }
}

/** What went wrong with it, in words. */
async function problemOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

const always = (): boolean => true;
