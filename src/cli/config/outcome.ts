import { valueAt } from "../../config/layers.ts";
import { keyOf } from "../../config/leaves.ts";
import { REDACTED } from "../../config/show/secrets.ts";
import { EXIT } from "../../gateway/errors.ts";
import type { CommandInput } from "../command.ts";
import { programName } from "../program.ts";
import { restartGateway, tellRestart } from "../restart.ts";
import type { Screen } from "../screen.ts";
import type { Desk, Problem, ResultOf } from "./desk.ts";
import type { Difference } from "./differences.ts";
import { unsetNames } from "./files.ts";

type Outcome = ResultOf<"config.set">;

/** A write, and what it has changed in the files. */
export interface Change {
  readonly outcome: Outcome;
  readonly rows: readonly Difference[];
  /** The configuration that was in force before. */
  readonly inForce: unknown;
}

/**
 * Says what a write has done, and restarts the gateway if that is wanted and needed. @returns the exit code
 */
export async function tellOutcome(
  input: CommandInput,
  desk: Desk,
  { outcome, rows, inForce }: Change,
): Promise<number> {
  const { screen, args } = input;
  const restarts = args.has("now") && outcome.restartOwed.length > 0 ? desk.gateway : undefined;
  if (!args.has("json")) {
    describe(input, { outcome, rows, inForce, isDown: !desk.gateway, restarts: Boolean(restarts) });
  }
  if (!desk.gateway) tellDown(screen, desk.warnings(), { outcome, rows, inForce });
  const restarted = restarts && (await restartGateway(input, restarts, true));
  if (args.has("json")) screen.line(JSON.stringify({ ...outcome, ...(restarted && { restarted }) }));
  else if (restarted) tellRestart(screen, restarted);
  return restarted?.problem === undefined ? EXIT.ok : EXIT.failed;
}

interface Told extends Change {
  readonly isDown: boolean;
  readonly restarts: boolean;
}

function describe({ platform, screen }: CommandInput, told: Told): void {
  const { outcome, rows } = told;
  const program = programName(platform);
  const others = othersOf(told);
  const isNothing = changesNothing(told);
  const lines = [
    ...describeRows(rows, screen),
    ...others.map((key) => screen.bold(key)),
    ...outcome.notes.map((note) => `note: ${note}`),
    ...(isNothing ? ["nothing has changed"] : []),
    ...(told.isDown || isNothing ? [] : effects(told, program)),
    ...(outcome.backup === undefined
      ? []
      : [screen.dim(`to undo: ${program} config rollback ${outcome.backup}`)]),
  ];
  for (const line of lines) screen.line(line);
}

function othersOf({ outcome, rows }: Change): string[] {
  return outcome.changed.filter((key) => !rows.some(({ path }) => isAround(key, keyOf(path))));
}

function changesNothing(change: Change): boolean {
  const { outcome, rows } = change;
  return rows.length === 0 && othersOf(change).length === 0 && outcome.backup === undefined;
}

/** One of two keys is the other, or a part of it. */
function isAround(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}.`) || b.startsWith(`${a}.`);
}

function effects({ outcome, inForce, restarts }: Told, program: string): string[] {
  const { changed, restartOwed } = outcome;
  const owed = changed.filter((key) => restartOwed.includes(key));
  const now = changed.filter((key) => !restartOwed.includes(key));
  const isMixed = owed.length > 0 && now.length > 0;
  const names = (keys: readonly string[]): string => (isMixed ? `: ${keys.join(", ")}` : "");
  const mode = valueAt(inForce, ["gateway", "reload", "mode"]);
  const comes = mode === "hybrid" || mode === "restart" ? ", which comes when no run is active" : "";
  if (changed.length === 0) return ["what is in force stays as it is"];
  return [
    ...(now.length > 0 ? [`takes effect at once${names(now)}`] : []),
    ...(owed.length > 0 && !restarts
      ? [`waits for a restart${comes} (${program} restart --now)${names(owed)}`]
      : []),
  ];
}

const KEY_CHARS_MAX = 48;

/** `KEY  OLD → NEW`, one below the other. */
export function describeRows(
  rows: readonly Difference[],
  screen: Pick<Screen, "bold" | "dim" | "foreign">,
): string[] {
  const keys = rows.map(({ path }) => screen.foreign(keyOf(path)));
  const width = Math.min(Math.max(0, ...keys.map((key) => key.length)), KEY_CHARS_MAX);
  return rows.map(({ before, after }, index) => {
    const key = keys[index] ?? "";
    const space = " ".repeat(Math.max(width - key.length, 0));
    const old = screen.dim(screen.foreign(valueText(before)));
    return `${screen.bold(key)}${space}  ${old} → ${screen.foreign(valueText(after))}`;
  });
}

const VALUE_CHARS_MAX = 72;

/** A value on a part of a line; the end of a long one is left out. */
export function valueText(value: unknown, charsMax = VALUE_CHARS_MAX): string {
  const text = value === REDACTED ? REDACTED : (JSON.stringify(value) ?? "not set");
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1)}…`;
}

function tellDown(screen: Screen, warnings: readonly Problem[], change: Change): void {
  const { path } = change.outcome;
  if (changesNothing(change)) return screen.problem(`gateway not running: the file ${path} stays as it is`);
  screen.problem(`gateway not running: written to the file ${path}`);
  if (warnings.length === 0) return;
  const names = unsetNames(warnings).join(", ");
  screen.problem(`warning: not checked, as the gateway may have variables that are not set here: ${names}`);
}
