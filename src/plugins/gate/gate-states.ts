import { LIMITS } from "../../contract/limits.ts";
import type { Stop, Timers } from "../../ports.ts";
import type { PluginGate } from "../running.ts";

type Told = Parameters<PluginGate["state"]>;

/** What comes sooner after the one before waits so long, and the newest of each part is told then. */
const PAUSE_MS = 1_000;

/** Parts whose newest state may wait; a plugin has fewer. */
const PARTS_MAX = 1_000;

/** So many are told at once. */
const AT_ONCE_MAX = 50;

/** The states of a plugin's accounts and services: each change of it once, and none of them without end. */
export class GateStates {
  readonly #timers: Timers;
  readonly #tell: PluginGate["state"];
  readonly #last = new Map<string, string>();
  readonly #waiting = new Map<string, Told>();
  #told = 0;
  #stopPause: Stop | undefined;

  constructor({ timers }: { readonly timers: Timers }, tell: PluginGate["state"]) {
    this.#timers = timers;
    this.#tell = tell;
  }

  tell(...[part, now]: Told): void {
    const key = JSON.stringify([part.kind, part.channel, part.id]);
    const isKnown = this.#last.has(key) || this.#waiting.has(key);
    if (!isKnown && this.#last.size + this.#waiting.size >= PARTS_MAX) return;
    const { state, detail } = now;
    const kept = { state, ...(detail !== undefined && { detail: cut(detail) }) };
    this.#stopPause ??= this.#timers.after(PAUSE_MS, () => this.#flush());
    if (this.#told >= AT_ONCE_MAX) return void this.#waiting.set(key, [part, kept]);
    this.#waiting.delete(key);
    this.#say(key, [part, kept]);
  }

  close(): void {
    this.#stopPause?.();
    this.#waiting.clear();
  }

  #flush(): void {
    this.#stopPause = undefined;
    this.#told = 0;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [, told] of waiting) this.tell(...told);
  }

  #say(key: string, [part, now]: Told): void {
    const said = JSON.stringify(now);
    if (this.#last.get(key) === said) return;
    this.#last.set(key, said);
    this.#told++;
    this.#tell(part, now);
  }
}

function cut(text: string): string {
  return String(text).slice(0, LIMITS.logFieldCharsMax).toWellFormed();
}
