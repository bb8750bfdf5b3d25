import { resolvePaths } from "../config/paths.ts";
import type { Process } from "../ports.ts";
import type { Arguments } from "./args.ts";

/** The state directory that options and environment name, or the usual one. */
export function stateDirOf(
  { env, home }: Pick<Process, "env" | "home">,
  args: Pick<Arguments, "text">,
): string {
  return resolvePaths({ env, home, stateDir: args.text("state-dir") }).stateDir;
}
