import { valueFromText } from "../../config/env.ts";
import { settingsOf } from "../../config/judge.ts";
import { parseKey } from "../../config/key.ts";
import { isObject, schemaAt } from "../../config/leaves.ts";
import type { Path } from "../../config/leaves.ts";
import { valueAt } from "../../config/layers.ts";
import { redactValue } from "../../config/show/redact.ts";
import { configSections } from "../../features/contracts.ts";
import { EXIT } from "../../gateway/errors.ts";
import { usage } from "../args.ts";
import type { RunCommand } from "../command.ts";
import { CliError } from "../errors.ts";
import { withDesk } from "./desk.ts";
import { type Difference, differences } from "./differences.ts";
import { problemsOf } from "./failures.ts";
import { tellOutcome } from "./outcome.ts";

type Settings = ReturnType<typeof settingsOf>;

/** Writes one value into the file. */
export const set: RunCommand = async (input) => {
  const { platform, args } = input;
  const [key, typed] = args.positional;
  if (key === undefined) throw usage("Cannot set a value: no key is named");
  if (typed === undefined) throw usage(`Cannot set "${key}": there is no value`);
  const path = pathOf(key, "set");
  const text = typed === "-" ? await readAll(platform.process.lines()) : typed;
  const settings = settingsOf(configSections());
  const { value, error } = valueFromText(settings, path, text);
  if (error !== undefined) throw usage(`Cannot set "${key}": ${error}`);
  return withDesk(input, async (desk) => {
    const { parsed, config } = await desk.call("config.get", {});
    const outcome = await desk.call("config.set", { key, value }).catch((error: unknown) => {
      throw aboutTyped(error, key);
    });
    const before = valueAt(parsed, path);
    const rows = rowsOf(settings, path, { before, value });
    // A secret that replaces another looks the same.
    const isHidden = rows.length === 0 && outcome.changed.length > 0;
    const told = isHidden ? [{ path, before, after: before }] : rows;
    return tellOutcome(input, desk, { outcome, rows: told, inForce: config });
  });
};

/** Takes one key out of the file. */
export const unset: RunCommand = async (input) => {
  const [key] = input.args.positional;
  if (key === undefined) throw usage("Cannot unset a value: no key is named");
  const path = pathOf(key, "unset");
  return withDesk(input, async (desk) => {
    const { parsed, config } = await desk.call("config.get", {});
    const outcome = await desk.call("config.unset", { key });
    const rows = differences(valueAt(parsed, path), undefined, path);
    return tellOutcome(input, desk, { outcome, rows, inForce: config });
  });
};

function pathOf(key: string, verb: string): Path {
  const path = parseKey(key);
  if (path) return path;
  throw usage(`Cannot ${verb} "${key}": it is no key, which is written like gateway.port`);
}

async function readAll(lines: AsyncIterable<string>): Promise<string> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all.join("\n");
}

/** What was typed is in no file: where in one it would have been helps nobody. */
function aboutTyped(error: unknown, key: string): unknown {
  const problems = problemsOf(error);
  const isTyped = problems.length > 0 && problems.every((problem) => isInside(problem.key, key));
  if (!isTyped) return error;
  const message = problems.map((problem) => problem.message).join("\n");
  return new CliError(EXIT.config, message, { code: "invalid_params" });
}

function isInside(key: string, around: string): boolean {
  return key === around || key.startsWith(`${around}.`);
}

/** @param before as it may be shown */
function rowsOf(
  { schema }: Settings,
  path: Path,
  { before, value }: { readonly before: unknown; readonly value: unknown },
): Difference[] {
  const last = path.at(-1) ?? "";
  // Its name may be what makes it a secret, so it is looked at together with that.
  const around = redactValue(schemaAt(schema, path.slice(0, -1)), { [last]: value });
  const after = isObject(around) ? around[last] : undefined;
  return differences(before, after, path);
}
