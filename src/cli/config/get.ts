import { EXIT } from "../../gateway/errors.ts";
import { usage } from "../args.ts";
import type { CommandInput, RunCommand } from "../command.ts";
import { CliError } from "../errors.ts";
import { type Desk, type ResultOf, withDesk } from "./desk.ts";
import { invalid, warnUnusable } from "./failures.ts";

/** Prints what is in force, or the text of the file. */
export const get: RunCommand = (input) =>
  withDesk(input, (desk) => (input.args.has("file") ? printFile(input, desk) : printValue(input, desk)));

async function printValue({ screen, args }: CommandInput, desk: Desk): Promise<number> {
  const [key] = args.positional;
  const { valid, issues, config } = await desk.call("config.get", key === undefined ? {} : { key });
  // Without a gateway nothing is in force, and nothing can be.
  if (!valid && !desk.gateway) throw invalid(issues);
  if (!valid) warnUnusable(screen, issues);
  if (config === undefined) throw new CliError(EXIT.failed, `Cannot get "${key}": it is not set`);
  screen.line(screen.foreign(textOf(config, args.has("json"))));
  return EXIT.ok;
}

function textOf(value: unknown, isJson: boolean): string {
  if (isJson) return JSON.stringify(value);
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

async function printFile({ screen, args }: CommandInput, desk: Desk): Promise<number> {
  if (args.positional.length > 0) throw usage("Cannot show a part of the file: leave KEY or --file out");
  const result = await desk.call("config.get", {});
  const { path, hash, raw } = result;
  if (raw === null) throw noText(result);
  screen.write(screen.foreign(args.has("json") ? `${JSON.stringify({ path, hash, raw })}\n` : raw));
  return EXIT.ok;
}

function noText({ path, exists, issues }: ResultOf<"config.get">): CliError {
  if (!exists) return new CliError(EXIT.failed, `Cannot show "${path}": there is no such file`);
  if (issues.length > 0) return invalid(issues);
  return new CliError(EXIT.failed, `Cannot show "${path}": it is JSON5, in which secrets cannot be hidden`, {
    hint: "The first write converts it",
  });
}
