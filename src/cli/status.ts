import type { ResultOf } from "../client/mod.ts";
import { EXIT } from "../gateway/errors.ts";
import type { RunCommand } from "./command.ts";
import { connect, toCliError } from "./connect.ts";
import { formatProblem } from "./problem.ts";
import { modelNote } from "./model.ts";
import type { Screen } from "./screen.ts";

/** Shows how the gateway is doing. */
export const status: RunCommand = async (input) => {
  const { screen, args } = input;
  const { client, target, timeoutMs } = await connect(input, "status");
  try {
    const result = await client.call("status", {}, { timeoutMs });
    if (args.has("json")) screen.line(screen.foreign(JSON.stringify(result)));
    else screen.write(describeStatus(result, target.url, screen));
    return EXIT.ok;
  } catch (error) {
    throw toCliError(error, target);
  } finally {
    await client.close();
  }
};

/** The same facts for people. */
export function describeStatus(
  status: ResultOf<"status">,
  url: string,
  { bold, foreign }: Pick<Screen, "bold" | "foreign">,
): string {
  const { config, runs, memory } = status;
  const rows: readonly (readonly [string, string])[] = [
    ["Model", status.model === "" ? "still looking for one" : status.model + modelNote(status.model)],
    ["Sessions", String(status.sessions)],
    ["Runs", `${runs.active} running, ${runs.queued} waiting`],
    ["Clients", String(status.clients)],
    ["Memory", `${(memory.rssBytes / 1024 / 1024).toFixed(0)} MiB`],
    ["Config", config.hash === "" ? `${config.path} (no such file, defaults apply)` : config.path],
    ...waits(config).map((text) => ["", text] as const),
    ...config.warnings.map((warning) => ["", shortened(warning)] as const),
    ["State", status.stateDir],
    ...storageNotes(status.storage).map((text) => ["", text] as const),
  ];
  const head = `gateway ${status.version} (${status.runtime}) at ${url}, up ${formatDuration(status.uptimeMs)}`;
  const told = rows.map(([name, value]) => `${bold(name.padEnd(8))}  ${foreign(value)}`);
  const alarm = alarms(config).map((line) => (line === "" ? "" : bold(foreign(line))));
  return [...alarm, foreign(head), "", ...told, ""].join("\n");
}

type ConfigStatus = ResultOf<"status">["config"];

/** What nobody may overlook. */
function alarms({ valid, error, safeMode, restartOwed }: ConfigStatus): string[] {
  if (valid && !safeMode) return [];
  if (!safeMode && error?.message.startsWith("Cannot apply configuration")) {
    // Nothing is wrong with how the file is written: what it asks for could not be had.
    const failed =
      restartOwed.length > 0
        ? "RESTART FAILED: what needs one stays as it was"
        : "CONFIGURATION NOT APPLIED: what was in force goes on";
    return [failed, error.message, ""];
  }
  const goesOn = safeMode
    ? "SAFE MODE: started on a copy of the last good configuration"
    : "CONFIGURATION INVALID: the last good configuration goes on";
  return [goesOn, ...(error ? [formatProblem(error)] : []), ""];
}

/** Unreadable or full: whoever looks here wants to know. */
function storageNotes({ movedAside, problem }: ResultOf<"status">["storage"]): string[] {
  return [
    ...(problem === undefined ? [] : [`NOTHING CAN BE WRITTEN: ${problem}`]),
    ...(movedAside === undefined ? [] : [`an older database could not be read and lies at ${movedAside}`]),
  ];
}

function waits({ restartOwed, confirmWithinMs }: ConfigStatus): string[] {
  return [
    ...(restartOwed.length > 0
      ? [`waits for a restart (gateway restart --now): ${shortened(restartOwed.join(", "))}`]
      : []),
    ...(confirmWithinMs === undefined
      ? []
      : [`a change is undone within ${formatDuration(confirmWithinMs)} unless it is confirmed`]),
  ];
}

/** Longer ones list the keys an existing file has and this gateway does not use. */
const WARNING_CHARS_MAX = 160;

/** A warning with its list cut to what a person reads here; the log and `--json` have the whole. */
function shortened(warning: string): string {
  if (warning.length <= WARNING_CHARS_MAX) return warning;
  const items = warning.split(", ");
  const kept = items.filter((_, index) => items.slice(0, index + 1).join(", ").length <= WARNING_CHARS_MAX);
  const rest = items.length - kept.length;
  return kept.length === 0 || rest < 3 ? warning : `${kept.join(", ")} and ${rest} more`;
}

const UNITS = [
  { name: "d", ms: 86_400_000 },
  { name: "h", ms: 3_600_000 },
  { name: "min", ms: 60_000 },
  { name: "s", ms: 1_000 },
] as const;

/** The two largest units: `3 h 12 min`. */
export function formatDuration(ms: number): string {
  const first = UNITS.findIndex((unit) => ms >= unit.ms);
  if (first < 0) return "0 s";
  let rest = ms;
  const parts = UNITS.slice(first, first + 2).map((unit) => {
    const count = Math.floor(rest / unit.ms);
    rest -= count * unit.ms;
    return count === 0 ? "" : `${count} ${unit.name}`;
  });
  return parts.filter((part) => part !== "").join(" ");
}
