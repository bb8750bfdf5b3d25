import type { Config } from "../config/schema.ts";
import { errorText } from "../contract/errors.ts";
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
  readonly first: T;
  /** Starts on the configuration in force, in the place of one that has stopped. */
  readonly start: (stopped: T) => Promise<T>;
  /** The configuration to restart on, and the one to go back to. */
  readonly target: () => Config;
  readonly current: () => Config;
  readonly use: (config: Config) => void;
  /** It runs again; with a problem when that is with the configuration of before. */
  readonly onRestarted: (problem?: string) => Promise<void>;
  /** It could not even start as it was. */
  readonly onFailed: (error: unknown) => void;
  readonly log: Log;
}

/** The gateway that runs now, and how another one takes its place in the same process. */
export class Restarts<T extends Restartable> {
  readonly #options: RestartsOptions<T>;
  #running: T;
  #wanted: "idle" | "now" | undefined;
  #work: Promise<void> | undefined;
  /** The restart that goes on has yet to look at what it restarts on. */
  #isOpen = false;
  #stopWatch: Stop = () => {};
  #isClosed = false;

  constructor(options: RestartsOptions<T>) {
    this.#options = options;
    this.#running = options.first;
  }

  get running(): T {
    return this.#running;
  }

  /** Resolves when no restart is going on. */
  async settled(): Promise<void> {
    await this.#work;
  }

  /** @param isNow without waiting for the runs to end */
  request(isNow: boolean): void {
    if (this.#isClosed || this.#isOpen) return;
    const wasWanted = this.#wanted !== undefined;
    this.#wanted = isNow ? "now" : (this.#wanted ?? "idle");
    const busy = this.#running.busy();
    if (!wasWanted && !isNow && busy > 0) this.#options.log.info("restart waits for runs", { runs: busy });
    this.#check();
  }

  /** No restart begins from here on; resolves when the one that goes on has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopWatch();
    await this.#work;
  }

  #check(): void {
    if (this.#wanted === undefined || this.#work || this.#isClosed) return;
    this.#stopWatch();
    if (this.#wanted === "idle" && this.#running.busy() > 0) {
      this.#stopWatch = this.#running.onBusy(() => this.#check());
      return;
    }
    this.#wanted = undefined;
    this.#work = this.#restart().finally(() => {
      this.#work = undefined;
      this.#check();
    });
  }

  async #restart(): Promise<void> {
    const { current, target, use, start, onRestarted, onFailed, log } = this.#options;
    const before = current();
    this.#isOpen = true;
    log.info("gateway restarting");
    await this.#running.stop("gateway restarting").finally(() => (this.#isOpen = false));
    try {
      use(target());
      this.#running = await start(this.#running);
      return await onRestarted();
    } catch (error) {
      log.error("restart failed, going back to the configuration of before", { error: errorText(error) });
      use(before);
      try {
        this.#running = await start(this.#running);
        await onRestarted(error instanceof Error ? error.message : String(error));
      } catch (again) {
        onFailed(again);
      }
    }
  }
}
