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
  const [name] = args.positional;
  screen.write(name === undefined ? programHelp(screen) : commandHelp(...findCommand(name), screen));
  return Promise.resolve(EXIT.ok);
};

/** @throws CliError usage, naming the nearest command */
export function findCommand(name: string): [name: string, command: Command] {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command) return [name, command];
  const near = nearest(name, Object.keys(COMMANDS));
  const hint = near ? undefined : `A method of the gateway is called with: gateway call ${name}`;
  throw usage(`Cannot run "${name}": no such command${near ? `, did you mean ${near}` : ""}`, hint);
}

/** The commands and the exit codes. */
export function programHelp({ bold }: Style): string {
  const rows = Object.entries(COMMANDS).map(
    ([name, { takes, summary }]) => [withWords(name, takes), summary] as const,
  );
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
  const { summary, about = [], options, examples = [] } = command;
  const rows = Object.entries(options).map(
    ([key, option]) => [spelled(key, option), option.summary] as const,
  );
  return [
    summary,
    "",
    `${bold("Usage")}  ${usageLine(name, command)}`,
    ...(about.length > 0 ? ["", ...about] : []),
    "",
    bold("Options"),
    ...columns(rows),
    ...(examples.length > 0 ? ["", bold("Examples"), ...examples.map((example) => `  ${example}`)] : []),
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
