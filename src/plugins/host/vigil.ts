import { LIMITS } from "../../contract/limits.ts";
import type { PluginProcess, Stop, Timers } from "../../ports.ts";
import { seconds } from "../run/time.ts";

const MISSED_MAX = LIMITS.hostSilentMs / LIMITS.hostPingMs;

/** What grows by this part of its bound between two looks is looked at so many times as often. */
const GROWTH = 1 / 32;
const HURRY = 10;

interface VigilPorts {
  readonly timers: Timers;
  /** Asks it for a sign of life; may throw. */
  readonly ping: () => void;
  readonly kill: (why: string) => void;
}

/** Looks after a process of plugins: that it answers, and what memory it uses. */
export class Vigil {
  rssBytes: number | undefined;
  readonly #ports: VigilPorts;
  #missed = 0;
  #stopPings: Stop | undefined;
  #stopLooks: Stop | undefined;
  #isOver = false;

  constructor(ports: VigilPorts) {
    this.#ports = ports;
  }

  /** It hears us from here on. */
  pings(): void {
    this.#stopPings ??= this.#ports.timers.every(LIMITS.hostPingMs, () => this.#ping());
  }

  looksAt(process: PluginProcess, afterMs: number = LIMITS.hostMemoryLookMs): void {
    if (this.#isOver) return;
    this.#stopLooks = this.#ports.timers.after(afterMs, () => void this.#look(process));
  }

  /** It has said something. */
  heard(): void {
    this.#missed = 0;
  }

  stop(): void {
    this.#isOver = true;
    this.#stopPings?.();
    this.#stopLooks?.();
  }

  /** Counted in pings, and not by the clock: a machine that sleeps misses none. */
  #ping(): void {
    const { kill, ping } = this.#ports;
    if (this.#missed >= MISSED_MAX) return kill(`did not answer for ${seconds(LIMITS.hostSilentMs)}`);
    this.#missed++;
    try {
      ping();
    } catch {
      // It does not take what was said before, and will be found silent.
    }
  }

  async #look(process: PluginProcess): Promise<void> {
    const { rssBytes: before = 0 } = this;
    this.rssBytes = (await process.rssBytes()) ?? this.rssBytes;
    const { rssBytes: now = 0 } = this;
    const bound = LIMITS.hostMemoryBytesMax;
    if (now > bound) return this.#ports.kill(`used more than ${bound / 2 ** 20} MiB`);
    const isGrowing = now - before > bound * GROWTH;
    this.looksAt(process, LIMITS.hostMemoryLookMs / (isGrowing ? HURRY : 1));
  }
}
