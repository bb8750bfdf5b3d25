import { RESET_TRIGGERS } from "../../config/values.ts";
import type { Clock } from "../../ports.ts";
import { channelOf, kindOf } from "./keys.ts";

interface ResetSettings {
  readonly mode?: "daily" | "idle" | undefined;
  readonly atHour?: number | undefined;
  readonly idleMinutes?: number | undefined;
}

/** What the configuration says about resets. */
export interface ResetConfig {
  readonly reset: ResetSettings;
  /** By `dm`, `group` or `thread`. */
  readonly resetByType: Readonly<Record<string, ResetSettings>>;
  readonly resetByChannel: Readonly<Record<string, ResetSettings>>;
  /** Older spelling of `reset.idleMinutes`. */
  readonly idleMinutes?: number | undefined;
}

/** When a session begins anew; with both, whichever comes first. */
export interface ResetRule {
  /** Local hour of the day. */
  readonly atHour?: number;
  readonly idleMinutes?: number;
}

/** @source PEER F21, F22 */
const AT_HOUR = 4;
const IDLE_MINUTES = 60;
/** The first look at the time zone costs milliseconds and MiB: not for a conversation that goes on. */
const RECENT_MS = 60_000;

/** The rule of a session: its channel's before its type's before the general one. @source PEER F23 */
export function resetRuleOf(key: string, config: ResetConfig): ResetRule {
  const channel = channelOf(key);
  const own = channel === undefined ? undefined : config.resetByChannel[channel];
  if (own) return toRule(own, {}, "daily");
  const byType = typeSettings(key, config.resetByType) ?? {};
  const isSet =
    Object.values(config.reset).some((value) => value !== undefined) ||
    Object.keys(config.resetByType).length > 0;
  const { idleMinutes } = config;
  const general = { ...config.reset, idleMinutes: config.reset.idleMinutes ?? idleMinutes };
  return toRule(byType, general, !isSet && idleMinutes !== undefined ? "idle" : "daily");
}

function typeSettings(key: string, byType: ResetConfig["resetByType"]): ResetSettings | undefined {
  const kind = kindOf(key);
  if (kind === "group" || kind === "thread") return byType[kind];
  return byType["dm"] ?? byType["direct"];
}

function toRule(own: ResetSettings, general: ResetSettings, otherwise: "daily" | "idle"): ResetRule {
  const mode = own.mode ?? general.mode ?? otherwise;
  const minutes = own.idleMinutes ?? general.idleMinutes;
  if (mode === "idle") return { idleMinutes: minutes ?? IDLE_MINUTES };
  const atHour = own.atHour ?? general.atHour ?? AT_HOUR;
  return { atHour, ...(minutes !== undefined && { idleMinutes: minutes }) };
}

/** Does a message at `ts` begin the session anew, `lastMs` being when it was last used? */
export function isResetDue(
  { atHour, idleMinutes }: ResetRule,
  { lastMs, ts }: { readonly lastMs: number; readonly ts: number },
  clock: Pick<Clock, "dayStart">,
): boolean {
  const quietMs = ts - lastMs;
  if (idleMinutes !== undefined && quietMs >= idleMinutes * 60_000) return true;
  return atHour !== undefined && quietMs > RECENT_MS && lastMs < clock.dayStart(ts, atHour);
}

const MODEL = /^([a-z0-9][\w.-]*)\/\S+$/i;

/**
 * The word that begins a session anew, where a message starts with one: what comes after it, and the model
 * that it names.
 *
 * @param triggers none: those of {@link RESET_TRIGGERS}
 * @param isProvider tells a model from words with a slash between them; absent: whatever looks like one
 * @source PEER F24
 */
export function resetWordIn(
  message: string,
  triggers: readonly string[],
  isProvider: (name: string) => boolean = () => true,
): { rest: string; model?: string } | undefined {
  const text = message.trim();
  const lower = text.toLowerCase();
  const words = triggers.length === 0 ? RESET_TRIGGERS : triggers;
  const longestFirst = words.map((word) => word.trim()).sort((a, b) => b.length - a.length);
  const found = longestFirst.find((word) => word !== "" && startsWithWord(lower, word.toLowerCase()));
  if (found === undefined) return undefined;
  const rest = text.slice(found.length).trim();
  const [first = ""] = rest.split(/\s/, 1);
  const provider = MODEL.exec(first)?.[1];
  if (provider === undefined || !isProvider(provider)) return { rest };
  return { rest: rest.slice(first.length).trim(), model: first };
}

function startsWithWord(text: string, word: string): boolean {
  return text.startsWith(word) && (text.length === word.length || /\s/.test(text.charAt(word.length)));
}
