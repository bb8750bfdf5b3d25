import { problemOf } from "../../features/config/problems.ts";
import { EXIT } from "../../gateway/errors.ts";
import type { CommandInput, RunCommand } from "../command.ts";
import { type Desk, type Problem, type ResultOf, withDesk } from "./desk.ts";
import { formatProblem } from "../problem.ts";
import { isUnset, openConfigFiles, unsetNames } from "./files.ts";
import { everyKey } from "./texts.ts";

type Plan = ResultOf<"config.validate">["plan"];

interface Verdict {
  readonly path: string;
  readonly valid: boolean;
  readonly errors: readonly Problem[];
  readonly warnings: readonly Problem[];
  /** What the running gateway would do with it; undefined without one. */
  readonly plan?: Plan | undefined;
}

/** Looks for mistakes, and asks the gateway what it would do. */
export const validate: RunCommand = (input) =>
  withDesk(input, async (desk) => {
    const { screen, args } = input;
    const [file] = args.positional;
    const verdict = file === undefined ? await judgeOwn(desk) : await judgeFile(input, desk, file);
    if (args.has("json")) screen.line(JSON.stringify(verdict));
    else describe(input, verdict);
    return verdict.valid ? EXIT.ok : EXIT.config;
  });

async function judgeOwn({ call, gateway, warnings: unset }: Desk): Promise<Verdict> {
  const { path } = await call("config.get", {});
  const { valid, errors, warnings, plan } = await call("config.validate", {});
  if (gateway) return { path, valid, errors, warnings, plan: valid ? plan : undefined };
  return withoutUnset({ path, errors, warnings }, unset());
}

/** As if it were the configuration, wherever it is. */
async function judgeFile(
  input: CommandInput,
  { call, gateway, place }: Desk,
  path: string,
): Promise<Verdict> {
  const { store, unset } = openConfigFiles(input, { ...place, configPath: path });
  const snapshot = await store.readConfigFileSnapshot();
  const errors = snapshot.valid ? [] : snapshot.errors.map(problemOf);
  const warnings = snapshot.warnings.map(problemOf);
  const verdict = withoutUnset({ path, errors, warnings }, unset());
  const raw = snapshot.source?.texts.get(path);
  if (!verdict.valid || !gateway || raw === undefined) return verdict;
  const { parsed } = await call("config.get", {});
  const known = await call("config.validate", { raw, drop: everyKey(parsed) });
  return { ...verdict, plan: known.valid ? known.plan : undefined };
}

/** The service that runs the gateway has other variables than this terminal. */
function withoutUnset(
  { path, errors, warnings }: Pick<Verdict, "path" | "errors" | "warnings">,
  unset: readonly Problem[],
): Verdict {
  const mistakes = errors.filter((problem) => !isUnset(problem));
  const valid = mistakes.length === 0;
  return { path, valid, errors: mistakes, warnings: [...warnings, ...unset.map(notHere)] };
}

function notHere(problem: Problem): Problem {
  const [name = ""] = unsetNames([problem]);
  const message = `Cannot check "${problem.key}": the variable ${name} is not set here, the gateway may have it`;
  return { ...problem, message };
}

function describe({ screen }: CommandInput, { path, valid, errors, warnings, plan }: Verdict): void {
  for (const error of errors) screen.problem(formatProblem(error));
  for (const warning of warnings) screen.problem(`warning: ${formatProblem(warning)}`);
  if (!valid) return;
  screen.line(screen.foreign(`${path} is valid`));
  if (!plan) return;
  const rows: readonly (readonly [string, readonly string[]])[] = [
    ["in force at once", plan.applied],
    ["starts anew", plan.features],
    [plan.restarts ? "when no run is active, a restart for" : "waits for a restart", plan.restartOwed],
  ];
  const told = rows.filter(([, names]) => names.length > 0);
  if (told.length === 0) screen.line("the gateway runs on it");
  for (const [label, names] of told) screen.line(screen.foreign(`${label}: ${names.join(", ")}`));
}
