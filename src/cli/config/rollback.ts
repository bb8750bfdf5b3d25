import { keyOf } from "../../config/leaves.ts";
import { EXIT } from "../../gateway/errors.ts";
import { usage } from "../args.ts";
import type { CommandInput, RunCommand } from "../command.ts";
import { CliError } from "../errors.ts";
import { ageOf, type Backups, openBackups } from "./backups.ts";
import { type Desk, withDesk } from "./desk.ts";
import { tellOutcome } from "./outcome.ts";

/** Puts a backup back, or lists them. */
export const rollback: RunCommand = (input) =>
  withDesk(input, (desk) => (input.args.has("list") ? list(input, desk) : putBack(input, desk)));

async function putBack(input: CommandInput, desk: Desk): Promise<number> {
  const [named] = input.args.positional;
  const { config } = await desk.call("config.get", {});
  const backup = named ?? (await desk.call("config.backups", {})).backups[0];
  if (backup === undefined) throw new CliError(EXIT.failed, "Cannot roll back: there is no backup");
  const backups = await openBackups(input, desk);
  // What cannot be compared can still be put back: that may be just why.
  const compared = await backups?.compare(backup).catch(unreadable);
  const outcome = await desk.call("config.rollback", { backup });
  const { platform, screen, args } = input;
  if (!args.has("json"))
    screen.line(screen.dim(screen.foreign(`backup ${backup} (${ageOf(backup, platform)})`)));
  return tellOutcome(input, desk, { outcome, rows: compared?.rows ?? [], inForce: config });
}

function unreadable(error: unknown): undefined {
  if (error instanceof CliError && error.exitCode === EXIT.config) return undefined;
  throw error;
}

async function list(input: CommandInput, desk: Desk): Promise<number> {
  const { platform, screen, args } = input;
  if (args.positional.length > 0) throw usage("Cannot list one backup: gateway config diff BACKUP shows it");
  const { backups: names } = await desk.call("config.backups", {});
  const backups = await openBackups(input, desk);
  const found = await Promise.all(
    names.map(async (name) => ({ name, age: ageOf(name, platform), ...(await differsIn(backups, name)) })),
  );
  if (args.has("json")) {
    screen.line(JSON.stringify({ backups: found }));
    return EXIT.ok;
  }
  if (found.length === 0) screen.line("there is no backup yet: each write makes one");
  const width = Math.max(0, ...found.map(({ age }) => age.length));
  for (const { name, age, differs } of found) {
    const what = differs ? describeKeys(differs) : backups ? "cannot be compared" : "";
    screen.line(`${screen.bold(name)}  ${age.padEnd(width)}  ${screen.foreign(what)}`.trimEnd());
  }
  return EXIT.ok;
}

/** Keys of a backup that say something else now; none when it cannot be told. */
async function differsIn(
  backups: Backups | undefined,
  name: string,
): Promise<{ readonly differs?: readonly string[] }> {
  const compared = await backups?.compare(name).catch(unreadable);
  return compared ? { differs: compared.rows.map(({ path }) => keyOf(path)) } : {};
}

const KEYS_SHOWN_MAX = 4;

function describeKeys(keys: readonly string[]): string {
  if (keys.length === 0) return "the same settings";
  const more = keys.length - KEYS_SHOWN_MAX;
  return `${keys.slice(0, KEYS_SHOWN_MAX).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
