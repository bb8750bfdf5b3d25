import { EXIT } from "../gateway/errors.ts";
import type { Platform } from "../ports.ts";
import { parseArguments, usage } from "./args.ts";
import { CliError } from "./errors.ts";
import { commandHelp, findCommand, type Found, programHelp, usageLine } from "./help.ts";
import { programName } from "./program.ts";
import { createScreen, type Screen } from "./screen.ts";

/** Runs the command that was typed. Never rejects. @returns the exit code, when all output has left */
export async function runCli(platform: Platform): Promise<number> {
  const { stdout, stderr } = platform.process;
  const screen = createScreen(platform.process);
  const code = await dispatch(platform, screen);
  await Promise.all([stdout.flush(), stderr.flush()]);
  return code;
}

/** What was understood of the call so far. */
type Called = { chosen: Pick<Found, "name" | "command"> | undefined; isJson: boolean };
type Failed = Called & { readonly screen: Screen; readonly program: string };

async function dispatch(platform: Platform, screen: Screen): Promise<number> {
  const called: Called = { chosen: undefined, isJson: false };
  try {
    const { args: typed } = platform.process;
    const [first = "run"] = typed;
    if (first === "--help" || first === "-h") return print(screen, programHelp(screen));
    const isVersion = first === "--version" || first === "-v" || first === "-V";
    const isRun = typed.length === 0 || (first.startsWith("-") && !isVersion);
    const words = isVersion ? ["version", ...typed.slice(1)] : isRun ? ["run", ...typed] : typed;
    const { name, command, rest } = findCommand(words);
    called.chosen = { name, command };
    const args = parseArguments(rest, command.options);
    called.isJson = args.has("json");
    if (args.has("help") || !("load" in command)) return print(screen, commandHelp(name, command, screen));
    const extra = args.positional[command.wordsMax ?? 0];
    if (extra !== undefined) throw usage(`Cannot use "${extra}": gateway ${name} takes no such word`);
    const run = await command.load();
    return await run({ platform, screen, args });
  } catch (error) {
    return report(error, { screen, program: programName(platform), ...called });
  }
}

function print(screen: Screen, text: string): number {
  screen.write(text);
  return EXIT.ok;
}

/** Says what went wrong, and for a mistake in the call how it is called. */
function report(error: unknown, { screen, program, chosen, isJson }: Failed): number {
  if (!(error instanceof CliError)) {
    screen.problem(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return EXIT.failed;
  }
  const { exitCode, message, hint, code } = error;
  if (isJson) {
    screen.problem(JSON.stringify({ error: { code, message, hint }, exitCode }));
    return exitCode;
  }
  screen.problem(message);
  if (hint) screen.problem(hint);
  if (exitCode === EXIT.usage) {
    if (chosen) screen.problem(`Usage: ${usageLine(chosen.name, chosen.command)}`);
    screen.problem(`See: ${program} help${chosen ? ` ${chosen.name}` : ""}`);
  }
  return exitCode;
}
