import { nearest } from "../config/nearest.ts";
import { EXIT } from "../gateway/errors.ts";
import { VERSION } from "../version.ts";
import { type Option, usage } from "./args.ts";
import type { Command, RunCommand } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import type { Screen } from "./screen.ts";

type Style = Pick<Screen, "bold">;

/** Prints help on the program, or on one command. */
export const help: RunCommand = ({ screen, args }) => {
  if (args.positional.length === 0) screen.write(programHelp(screen));
  else {
    const { name, command, rest } = findCommand(args.positional);
    const [extra] = rest;
    if (extra !== undefined) throw usage(`Cannot use "${extra}": gateway ${name} has no commands`);
    screen.write(commandHelp(name, command, screen));
  }
  return Promise.resolve(EXIT.ok);
};

/** A command that was named, and the words behind its name. */
export type Found = { readonly name: string; readonly command: Command; readonly rest: readonly string[] };

/** @throws CliError usage, naming the nearest command */
export function findCommand([first = "", ...rest]: readonly string[]): Found {
  return within({ name: first, command: named(COMMANDS, first, ""), rest });
}

/** Where a command stands for others, the one that the next word names. */
function within(found: Found): Found {
  const { name, command, rest } = found;
  const [word, ...after] = rest;
  if (!("commands" in command) || !command.commands || word === undefined || word.startsWith("-"))
    return found;
  return { name: `${name} ${word}`, command: named(command.commands, word, `${name} `), rest: after };
}

function named(commands: Readonly<Record<string, Command>>, word: string, before: string): Command {
  const command = Object.hasOwn(commands, word) ? commands[word] : undefined;
  if (command) return command;
  const shown = Object.keys(commands).filter((name) => !commands[name]?.isHidden);
  const near = nearest(word, shown);
  const names = shown.join(", ");
  const others =
    before === "" ? `A method of the gateway is called with: gateway call ${word}` : `There are: ${names}`;
  const meant = near === undefined ? "" : `, did you mean ${before}${near}`;
  throw usage(
    `Cannot run "${before}${word}": no such command${meant}`,
    near === undefined ? others : undefined,
  );
}

/** The commands and the exit codes. */
export function programHelp({ bold }: Style): string {
  const rows = Object.entries(COMMANDS)
    .filter(([, { isHidden }]) => !isHidden)
    .map(([name, { takes, summary }]) => [withWords(name, takes), summary] as const);
  const codes = [
    `${EXIT.ok} done`,
    `${EXIT.failed} failed`,
    `${EXIT.usage} called wrongly`,
    `${EXIT.unreachable} gateway not reached`,
    `${EXIT.busy} port or state directory taken`,
    `${EXIT.refused} credential refused`,
    `${EXIT.config} configuration invalid`,
  ];
  return [
    `gateway ${VERSION}: one control plane between your clients and your AI agents`,
    "",
    `${bold("Usage")}  gateway [COMMAND] [OPTIONS]`,
    "",
    bold("Commands"),
    ...columns(rows),
    "",
    "gateway help COMMAND shows its options.",
    "",
    bold("Exit codes"),
    `  ${codes.slice(0, 4).join(", ")},`,
    `  ${codes.slice(4).join(", ")}`,
    "",
  ].join("\n");
}

/** One command: what it does, takes, and an example. */
export function commandHelp(name: string, command: Command, { bold }: Style): string {
  const { summary, about = [], options, examples = [], commands = {} } = command;
  const inner = Object.entries(commands).map(
    ([word, one]) => [withWords(word, one.takes), one.summary] as const,
  );
  const rows = Object.entries(options).map(
    ([key, option]) => [spelled(key, option), option.summary] as const,
  );
  return [
    summary,
    "",
    `${bold("Usage")}  ${usageLine(name, command)}`,
    ...(about.length > 0 ? ["", ...about] : []),
    ...(inner.length > 0 ? ["", bold("Commands"), ...columns(inner)] : []),
    "",
    bold("Options"),
    ...columns(rows),
    ...(examples.length > 0 ? ["", bold("Examples"), ...examples.map((example) => `  ${example}`)] : []),
    ...(inner.length > 0 ? ["", `gateway help ${name} COMMAND shows the options of one.`] : []),
    "",
  ].join("\n");
}

/** `gateway call METHOD [JSON] [OPTIONS]` */
export function usageLine(name: string, { takes }: Command): string {
  return `gateway ${withWords(name, takes)} [OPTIONS]`;
}

function withWords(name: string, takes: string | undefined): string {
  return takes === undefined ? name : `${name} ${takes}`;
}

function spelled(name: string, { value, short }: Option): string {
  return `${short ? `-${short}, ` : "    "}--${name}${value ? ` ${value}` : ""}`;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
