import type { Platform } from "../ports.ts";

type Caller = { readonly runtime: string; readonly process: { readonly env: Platform["process"]["env"] } };

/** How this program was called, so that a line shown can be typed as it is. */
export function programName({ runtime, process: { env } }: Caller): string {
  const runner = env["npm_config_user_agent"]?.split("/", 1)[0] ?? "";
  // Deno sets no name of the task; there is only this one.
  const script = env["npm_lifecycle_event"] ?? (runner === "deno" ? "gateway" : "");
  if (script !== "gateway") return "gateway";
  if (runner === "bun") return "bun run gateway";
  if (runner === "deno") return "deno task gateway";
  // npx and `npm run` look the same from here; this line works where either did.
  return runner === "npm" ? `npx --yes ${runtime.replace(" ", "@")} run gateway` : "gateway";
}
