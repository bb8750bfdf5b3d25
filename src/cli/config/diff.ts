import { parseKey } from "../../config/key.ts";
import { valueAt } from "../../config/layers.ts";
import { EXIT } from "../../gateway/errors.ts";
import { usage } from "../args.ts";
import type { CommandInput, RunCommand } from "../command.ts";
import { CliError } from "../errors.ts";
import { ageOf, openBackups } from "./backups.ts";
import { type Desk, withDesk } from "./desk.ts";
import { type Difference, toJson } from "./differences.ts";
import { invalid } from "./failures.ts";
import { describeRows } from "./outcome.ts";

/** Shows which settings differ, from a backup to what is written, or from what runs to that. */
export const diff: RunCommand = (input) =>
  withDesk(input, (desk) =>
    input.args.has("in-force") ? diffInForce(input, desk) : diffBackup(input, desk),
  );

async function diffBackup(input: CommandInput, desk: Desk): Promise<number> {
  const { platform, screen, args } = input;
  const backups = await openBackups(input, desk);
  if (!backups) {
    throw new CliError(EXIT.failed, "Cannot compare with a backup: the gateway's are on another machine", {
      hint: "Run it there, or use --in-force",
    });
  }
  const backup = args.positional[0] ?? (await backups.names())[0];
  if (backup === undefined)
    throw new CliError(EXIT.failed, "Cannot compare with a backup: there is none yet");
  const { path, rows, isSame } = await backups.compare(backup);
  const changed = rows.map((row) => ({ ...row, before: row.after, after: row.before }));
  if (args.has("json")) {
    screen.line(JSON.stringify({ backup, path, isSame, changed: changed.map(toJson) }));
    return EXIT.ok;
  }
  screen.line(screen.dim(screen.foreign(`from backup ${backup} (${ageOf(backup, platform)}) to ${path}`)));
  for (const line of describeRows(changed, screen)) screen.line(line);
  if (changed.length === 0) screen.line(isSame ? "no difference" : "only comments or formatting differ");
  return EXIT.ok;
}

async function diffInForce({ screen, args }: CommandInput, desk: Desk): Promise<number> {
  if (args.positional.length > 0)
    throw usage("Cannot compare a backup with what runs: leave one of them out");
  if (!desk.gateway) throw new CliError(EXIT.unreachable, "Cannot compare with what runs: no gateway runs");
  const { valid, errors, plan } = await desk.call("config.validate", {});
  if (!valid) throw invalid(errors);
  const { config, parsed, path } = await desk.call("config.get", {});
  const keys = [...plan.applied, ...plan.restartOwed];
  const rows = await Promise.all(
    keys.map(async (key): Promise<Difference> => {
      const at = parseKey(key) ?? [key];
      const written = valueAt(parsed, at);
      const after = written === undefined ? (await desk.call("config.explain", { key })).default : written;
      return { path: at, before: valueAt(config, at), after };
    }),
  );
  if (args.has("json")) {
    screen.line(JSON.stringify({ path, changed: rows.map(toJson) }));
    return EXIT.ok;
  }
  screen.line(screen.dim(screen.foreign(`from what runs to ${path}`)));
  for (const line of describeRows(rows, screen)) screen.line(line);
  if (rows.length === 0) screen.line("no difference");
  return EXIT.ok;
}
