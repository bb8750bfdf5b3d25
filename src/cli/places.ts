import { resolvePaths } from "../config/paths.ts";
import type { Process } from "../ports.ts";
import type { Arguments } from "./args.ts";

/** Files of a state directory that clients read, by the names the gateway writes them under. */
export const STATE_FILE = "gateway.json";
export const TOKEN_FILE = "gateway.token";

/** The state directory that options and environment name, or the usual one. */
export function stateDirOf(
  { env, home }: Pick<Process, "env" | "home">,
  args: Pick<Arguments, "text">,
): string {
  return resolvePaths({ env, home, stateDir: args.text("state-dir") }).stateDir;
}
