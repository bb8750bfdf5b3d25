import { errorText, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Log, Timers } from "../../ports.ts";
import type { Writer } from "../storage/writer.ts";

interface InsistPorts {
  readonly writer: Pick<Writer, "write">;
  readonly timers: Timers;
  readonly log: Log;
}

/** Writes what has happened already: a disk that takes nothing is asked again until it does. */
export class Insistence {
  readonly #ports: InsistPorts;
  readonly #waiting = new Set<() => void>();
  #isStopped = false;

  constructor(ports: InsistPorts) {
    this.#ports = ports;
  }

  /** @returns undefined when it could not be written: we are stopping, or the work itself is refused */
  async write<T>(work: () => T, bytes?: number): Promise<T | undefined> {
    for (;;) {
      try {
        return await this.#ports.writer.write(work, bytes);
      } catch (error) {
        const isPassing =
          error instanceof RpcError && (error.code === "unavailable" || error.code === "busy");
        if (!isPassing) {
          this.#ports.log.error("delivery not written", { error: errorText(error) });
          return undefined;
        }
        if (this.#isStopped) return undefined;
        await this.#pause();
      }
    }
  }

  /** What is being written is tried once more. */
  stop(): void {
    this.#isStopped = true;
    for (const wake of [...this.#waiting]) wake();
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.#waiting.delete(wake);
        resolve();
      };
      const cancel = this.#ports.timers.after(LIMITS.writeRetryMs, wake);
      this.#waiting.add(wake);
    });
  }
}
