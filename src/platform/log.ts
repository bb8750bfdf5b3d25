import { createHider } from "../config/show/hider.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Clock, Log, LogFields, TextSink } from "../ports.ts";
import { bare, quoted } from "./escape.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFormat = "json" | "text";

export type LogOptions = {
  /** One that counts what it had to drop gets a line that says so. */
  readonly sink: TextSink & { readonly dropped?: number };
  /** Asked for with every line, like the level. */
  format(): LogFormat;
  /** Entries below it are not written. */
  level(): LogLevel;
  readonly clock: Pick<Clock, "now">;
  /** Texts that no line may hold; asked for with every line, so that new ones count at once. */
  secrets(): readonly string[];
};

type Entry = {
  readonly atMs: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: readonly (readonly [string, string | number | boolean])[];
};

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** Shorter ones would hide half of every ordinary line. */
const secretCharsMin = LIMITS.hiddenCharsMin;

/** One line for each entry, whatever it holds: no control characters, no secrets, no field without end. */
export function createLog({ sink, format, level, clock, secrets }: LogOptions): Log {
  const line = (entry: Entry): string => (format() === "json" ? jsonLine(entry) : textLine(entry));
  const hider = createSecretHider();
  let droppedSaid = 0;

  const write = (entryLevel: LogLevel, message: string, fields: LogFields = {}): void => {
    if (LEVELS.indexOf(entryLevel) < LEVELS.indexOf(level())) return;
    sayDropped();
    sink.write(line(clean({ level: entryLevel, message, fields })));
  };

  const sayDropped = (): void => {
    const { dropped = 0 } = sink;
    if (dropped === droppedSaid) return;
    const count = dropped - droppedSaid;
    droppedSaid = dropped;
    sink.write(
      line(clean({ level: "warn", message: "log lines lost: the reader was too slow", fields: { count } })),
    );
  };

  const clean = (entry: { level: LogLevel; message: string; fields: LogFields }): Entry => {
    const hide = hider(secrets());
    const fields = Object.entries(entry.fields).flatMap(([name, value]) =>
      value === undefined ? [] : [[hide(name), cleanValue(value, hide)] as const],
    );
    return { atMs: clock.now(), level: entry.level, message: cut(hide(entry.message)), fields };
  };

  return {
    debug: (message, fields) => write("debug", message, fields),
    info: (message, fields) => write("info", message, fields),
    warn: (message, fields) => write("warn", message, fields),
    error: (message, fields) => write("error", message, fields),
  };
}

// Written out by hand: a field called `__proto__` or `ts` is a field like any other, and repeats nothing.
function jsonLine({ atMs, level, message, fields }: Entry): string {
  const ts = new Date(atMs).toISOString();
  const taken = new Set(["ts", "level", "msg"]);
  const rest = fields.map(
    ([name, value]) => `,${quoted(taken.has(name) ? `${name}_` : name)}:${jsonValue(value)}`,
  );
  return `{"ts":"${ts}","level":"${level}","msg":${quoted(message)}${rest.join("")}}\n`;
}

function jsonValue(value: string | number | boolean): string {
  if (typeof value === "string") return quoted(value);
  // Infinity and NaN are no JSON.
  return typeof value === "number" && !Number.isFinite(value) ? quoted(String(value)) : String(value);
}

function textLine({ atMs, level, message, fields }: Entry): string {
  // UTC: the first look at the local time zone costs a start 6 ms and 4 MiB.
  const time = `${new Date(atMs).toISOString().slice(11, 19)}Z`;
  const rest = fields.map(([name, value]) => ` ${bare(name)}=${textValue(value)}`);
  return `${time} ${level.padEnd(5)} ${bare(message)}${rest.join("")}\n`;
}

function textValue(value: string | number | boolean): string {
  const text = String(value);
  return /^[\w.:/@+,-]+$/.test(text) ? text : quoted(text);
}

function cleanValue(
  value: string | number | boolean,
  hide: (text: string) => string,
): string | number | boolean {
  if (typeof value === "boolean") return value;
  const hidden = hide(String(value));
  // A number may be a password too.
  return typeof value === "number" && hidden === String(value) ? value : cut(hidden);
}

/** Replaces every secret, also as it looks inside JSON text or a URL. Made anew when the list is another. */
function createSecretHider(): (secrets: readonly string[]) => (text: string) => string {
  let known: readonly string[] = [];
  let hide = createHider([], "***");
  return (secrets) => {
    // Compared whole: it is the same list with other texts in it.
    if (secrets.length === known.length && secrets.every((secret, at) => secret === known[at])) return hide;
    known = [...secrets];
    const forms = known
      .filter((secret) => secret.length >= secretCharsMin)
      .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), inUrl(secret)]);
    hide = createHider(forms, "***");
    return hide;
  };
}

function inUrl(secret: string): string {
  return encodeURIComponent(secret.toWellFormed());
}

function cut(text: string): string {
  if (text.length <= LIMITS.logFieldCharsMax) return text;
  return `${text.slice(0, LIMITS.logFieldCharsMax - 1).toWellFormed()}…`;
}

/** Warnings for who waits at a terminal, where no gateway is and no configuration says how. */
export function createPlainLog({ sink, clock }: Pick<LogOptions, "sink" | "clock">): Log {
  return createLog({ sink, clock, format: () => "text", level: () => "warn", secrets: () => [] });
}
