import type { Process } from "../ports.ts";
import type { Arguments } from "./args.ts";

/** Files of a state directory that clients read. The gateway writes them. */
export const STATE_FILE = "gateway.json";
export const TOKEN_FILE = "gateway.token";

export const PORT_DEFAULT = 18789;

/** The state directory as `resolvePaths` has it, without the configuration's schema that comes with it. */
export function stateDirOf(
  { env, home }: Pick<Process, "env" | "home">,
  args: Pick<Arguments, "text">,
): string {
  const named =
    args.text("state-dir") ?? (env["MOLTBOT_STATE_DIR"]?.trim() || env["CLAWDBOT_STATE_DIR"]?.trim());
  const path = named || "~/.clawdbot";
  const full = path === "~" || path.startsWith("~/") ? home + path.slice(1) : path;
  return full.length > 1 && full.endsWith("/") ? full.slice(0, -1) : full;
}
