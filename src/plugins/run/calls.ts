import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Timers } from "../../ports.ts";
import { seconds } from "./time.ts";

/** Calls of one version of a plugin that have not been answered, each bounded in time, all in number. */
export class Calls {
  readonly #id: string;
  readonly #timers: Timers;
  #open = 0;

  constructor(id: string, timers: Timers) {
    this.#id = id;
    this.#timers = timers;
  }

  get active(): number {
    return this.#open;
  }

  /**
   * What `work` answers. What answers at once costs nothing.
   *
   * @throws RpcError `busy` with `LIMITS.pluginCallsMax` open, `timeout` after `LIMITS.pluginCallMs`
   */
  count<T>(work: () => T | Promise<T>): T | Promise<T> {
    this.checkRoom();
    return this.counted(work());
  }

  /** The answer of a call that there was room for, open until it has come. */
  counted<T>(answer: T | Promise<T>): T | Promise<T> {
    return answer instanceof Promise ? this.#bounded(answer) : answer;
  }

  /** What an agent says, which may take as long as its run. @throws RpcError `busy` */
  async *follow<T>(work: () => AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    this.checkRoom();
    this.#open++;
    try {
      yield* work();
    } finally {
      this.#open--;
    }
  }

  /** @throws RpcError `busy` */
  checkRoom(): void {
    if (this.#open >= LIMITS.pluginCallsMax)
      throw new RpcError("busy", `Cannot call plugin "${this.#id}": ${this.#open} calls of it go on`);
  }

  #bounded<T>(answer: Promise<T>): Promise<T> {
    this.#open++;
    return new Promise((resolve, reject) => {
      const stop = this.#timers.after(LIMITS.pluginCallMs, () =>
        reject(
          new RpcError(
            "timeout",
            `Cannot call plugin "${this.#id}": no answer within ${seconds(LIMITS.pluginCallMs)}`,
          ),
        ),
      );
      answer.then(resolve, reject).finally(() => {
        stop();
        this.#open--;
      });
    });
  }
}
