import { LIMITS } from "../../contract/limits.ts";
import type { Clock, Log, Program, Timers } from "../../ports.ts";

const SECOND_MS = 1_000;

/**
 * What is read in a second, which takes a hundredth of it: past this the process waits for its own noise to
 * be taken, and those that share it wait with it.
 */
const BYTES_PER_SECOND_MAX = 32 * 1024 * 1024;
const LINE_CHARS_MAX = LIMITS.logFieldCharsMax;

export interface NoisePorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  /** Ids of the plugins that may have written it. */
  readonly plugins: () => string;
}

/** Logs what plugins print, some lines in a second, and drops the rest. */
export class Noise {
  readonly #ports: NoisePorts;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #bytes = 0;
  #leftOutBytes = 0;

  constructor(ports: NoisePorts) {
    this.#ports = ports;
  }

  async read({ stdout, stderr }: Program): Promise<void> {
    await Promise.all([this.#readBytes(stdout), this.#readLines(stderr)]);
    this.#tellLeftOut();
  }

  async #readBytes(stdout: Program["stdout"]): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of stdout) {
      this.#look();
      this.#bytes += bytes.length;
      if (this.#lines < LIMITS.pluginLogLinesPerSecondMax) {
        const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
        rest = (lines.pop() ?? "").slice(0, LINE_CHARS_MAX);
        for (const line of lines) this.#line(line);
      } else this.#leftOutBytes += bytes.length;
      if (this.#bytes > BYTES_PER_SECOND_MAX) await this.#nextSecond();
    }
    this.#line(rest);
  }

  async #readLines(stderr: Program["stderr"]): Promise<void> {
    for await (const line of stderr) {
      this.#look();
      this.#line(line);
    }
  }

  #line(line: string): void {
    if (line === "") return;
    this.#lines++;
    const { log, plugins } = this.#ports;
    if (this.#lines > LIMITS.pluginLogLinesPerSecondMax) this.#leftOutBytes += line.length;
    else log.info("plugin wrote", { plugin: plugins(), text: line.slice(0, LINE_CHARS_MAX) });
  }

  #look(): void {
    const nowMs = this.#ports.clock.elapsed();
    if (nowMs - this.#sinceMs < SECOND_MS) return;
    this.#sinceMs = nowMs;
    this.#lines = 0;
    this.#bytes = 0;
    this.#tellLeftOut();
  }

  #tellLeftOut(): void {
    if (this.#leftOutBytes === 0) return;
    const { log, plugins } = this.#ports;
    log.warn("plugin wrote more than is logged", { plugin: plugins(), bytes: this.#leftOutBytes });
    this.#leftOutBytes = 0;
  }

  #nextSecond(): Promise<void> {
    const { clock, timers } = this.#ports;
    const leftMs = Math.max(0, this.#sinceMs + SECOND_MS - clock.elapsed());
    return new Promise((resolve) => void timers.after(leftMs, resolve));
  }
}
