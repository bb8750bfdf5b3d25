import { EXIT } from "../gateway/errors.ts";
import type { Platform } from "../ports.ts";
import { parseArguments, usage } from "./args.ts";
import type { Command } from "./command.ts";
import { CliError } from "./errors.ts";
import { commandHelp, findCommand, programHelp, usageLine } from "./help.ts";
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
type Called = { chosen: [name: string, command: Command] | undefined; isJson: boolean };
type Failed = Called & { readonly screen: Screen; readonly program: string };

async function dispatch(platform: Platform, screen: Screen): Promise<number> {
  const called: Called = { chosen: undefined, isJson: false };
  try {
    const [first = "run", ...rest] = platform.process.args;
    if (first === "--help" || first === "-h") return print(screen, programHelp(screen));
    const isOption = first.startsWith("-");
    const isVersion = first === "--version" || first === "-v" || first === "-V";
    const [name, command] = findCommand(isVersion ? "version" : isOption ? "run" : first);
    called.chosen = [name, command];
    const words = isOption && name === "run" ? platform.process.args : rest;
    const args = parseArguments(words, command.options);
    called.isJson = args.has("json");
    if (args.has("help")) return print(screen, commandHelp(name, command, screen));
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
    if (chosen) screen.problem(`Usage: ${usageLine(...chosen)}`);
    screen.problem(`See: ${program} help${chosen ? ` ${chosen[0]}` : ""}`);
  }
  return exitCode;
}
