import type { Stop, Timers } from "../../ports.ts";

interface BurstOptions {
  readonly timers: Timers;
  quietMs(): number;
  ended(): void;
}

/** One that never pauses ends after this many times the quiet. */
const quietsMax = 5;

/** Makes one call of many: after some quiet, but not much later for those that never are. */
export class Burst {
  readonly #options: BurstOptions;
  #stopQuiet: Stop | undefined;
  #stopLast: Stop | undefined;

  constructor(options: BurstOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#stopQuiet !== undefined;
  }

  heard(): void {
    const { timers, quietMs } = this.#options;
    const ms = quietMs();
    this.#stopQuiet?.();
    this.#stopQuiet = timers.after(ms, () => this.#end());
    this.#stopLast ??= timers.after(ms * quietsMax, () => this.#end());
  }

  stop(): void {
    this.#stopQuiet?.();
    this.#stopLast?.();
    this.#stopQuiet = this.#stopLast = undefined;
  }

  #end(): void {
    this.stop();
    this.#options.ended();
  }
}
