import { messageOf } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Clock, Log, LogFields, Stop, Timers } from "../../ports.ts";
import { Flood } from "./flood.ts";
import { seconds } from "../run/time.ts";

interface GateLogPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

const LEVELS = ["debug", "info", "warn", "error"] as const;
type Level = (typeof LEVELS)[number];

const FIELDS_MAX = 20;
const NAME_CHARS_MAX = 64;

/**
 * Longer than the log shows, which looks for secrets before it cuts: cut here to what it shows, half a secret
 * would be left at the end.
 */
const TEXT_CHARS_MAX = 16 * 1024;

/** How often it is looked whether lines are still being left out. */
const LOOK_MS = 1_000;

/** The log as one version of a plugin has it: its lines say whose they are, and are so many a second. */
export class GateLog {
  readonly #ports: GateLogPorts;
  readonly #plugin: string;
  readonly #onFlood: (error: Error) => void;
  readonly #lines: Flood;
  #left = 0;
  #leftSinceMs = 0;
  #stopLooking: Stop | undefined;
  #hasFlooded = false;
  #isClosed = false;

  constructor(ports: GateLogPorts, plugin: string, onFlood: (error: Error) => void) {
    this.#ports = ports;
    this.#plugin = plugin;
    this.#onFlood = onFlood;
    this.#lines = new Flood(
      { perSecondMax: LIMITS.pluginLogLinesPerSecondMax, floodMs: LIMITS.pluginFloodMs },
      ports.clock.elapsed(),
    );
  }

  /** @returns whether it was written: not past `LIMITS.pluginLogLinesPerSecondMax` */
  write(level: Level, message: string, fields: LogFields = {}): boolean {
    const { clock, log } = this.#ports;
    const nowMs = clock.elapsed();
    if (!this.#lines.take(nowMs)) {
      this.#leaveOut(nowMs);
      return false;
    }
    log[levelOf(level)](textOf(message), { ...cleanFields(fields), plugin: this.#plugin });
    return true;
  }

  /** What is written from here on are the last words; of those that are left out nobody is told. */
  close(): void {
    this.#isClosed = true;
    this.#stopLooking?.();
    this.#stopLooking = undefined;
    this.#sayLeft();
  }

  #leaveOut(nowMs: number): void {
    if (this.#isClosed) return;
    if (this.#left === 0) this.#leftSinceMs = nowMs;
    this.#left++;
    this.#stopLooking ??= this.#ports.timers.every(LOOK_MS, () => this.#look());
    if (this.#hasFlooded || !this.#lines.isFlood(nowMs)) return;
    this.#hasFlooded = true;
    const { pluginLogLinesPerSecondMax: bound, pluginFloodMs } = LIMITS;
    this.#onFlood(new Error(`it wrote more than ${bound} log lines a second for ${seconds(pluginFloodMs)}`));
  }

  #look(): void {
    const nowMs = this.#ports.clock.elapsed();
    const isAtRest = this.#lines.isAtRest(nowMs);
    if (isAtRest || nowMs - this.#leftSinceMs >= LIMITS.pluginFloodMs) this.#sayLeft();
    if (!isAtRest) return;
    this.#stopLooking?.();
    this.#stopLooking = undefined;
  }

  #sayLeft(): void {
    if (this.#left === 0) return;
    this.#ports.log.warn("plugin log lines left out", { plugin: this.#plugin, count: this.#left });
    this.#left = 0;
  }
}

/** A plugin without types may ask for any. */
export function levelOf(level: unknown): Level {
  return LEVELS.find((one) => one === level) ?? "info";
}

/**
 * What a log line takes; the rest in words. Control characters and secrets are the log's own matter. Names
 * are ours: with a space in one there would be another field behind it, such as whose line it is.
 */
export function cleanFields(fields: unknown): LogFields {
  if (typeof fields !== "object" || fields === null) return {};
  const entries = Object.entries(fields).slice(0, FIELDS_MAX);
  return Object.fromEntries(
    entries.map(([name, value]: [string, unknown]) => [nameOf(name), fieldOf(value)]),
  );
}

function nameOf(name: string): string {
  return name.slice(0, NAME_CHARS_MAX).replace(/[^\p{L}\p{N}_.-]/gu, "_");
}

function fieldOf(value: unknown): string | number | boolean | undefined {
  if (value === undefined || typeof value === "number" || typeof value === "boolean") return value;
  return textOf(value);
}

export function textOf(value: unknown): string {
  return wordsOf(value).slice(0, TEXT_CHARS_MAX).toWellFormed();
}

function wordsOf(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    if (value instanceof Error || typeof value !== "object") return messageOf(value);
    return JSON.stringify(value) ?? "";
  } catch (error) {
    return `[${messageOf(error)}]`;
  }
}
