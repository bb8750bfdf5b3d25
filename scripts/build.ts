// `bun run build [--target=bun-linux-arm64]`: one file that needs nothing else.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensurePackages, requireBun, run, TOP } from "./tools.ts";
import type { Outcome } from "./tools.ts";

/** The built gateway. */
export const BINARY = join(TOP, "dist", "gateway");

/**
 * Each answers to a default that we do not want: `.env` and `bunfig.toml` would be read where it starts, and
 * without splitting what is imported on first use would be loaded with the rest.
 */
const FLAGS = [
  "--compile",
  "--minify",
  "--bytecode",
  "--format=esm",
  "--splitting",
  "--compile-autoload-package-json",
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  // Of package.json's imports: what was made for this.
  "--conditions=built",
];

/** What plugins import as zod; see platform/bun-plugins.ts. */
const ZOD = [
  "--minify",
  "--format=esm",
  "--target=bun",
  "--outfile",
  join(TOP, "dist", "plugin-zod.js"),
  "zod",
];

/** Builds `dist/gateway`, for this machine or for the target. */
export async function build(target?: string): Promise<Outcome> {
  const zod = await run([process.execPath, "build", ...ZOD]);
  if (zod.code !== 0) return zod;
  const chosen = target === undefined ? [] : [`--target=${target}`];
  return run([process.execPath, "build", ...FLAGS, ...chosen, "src/main.ts", "--outfile", BINARY]);
}

async function main(args: readonly string[]): Promise<number> {
  const [target, ...rest] = args;
  if (rest.length > 0 || (target !== undefined && !target.startsWith("--target="))) {
    console.error(`Cannot use the arguments "${args.join(" ")}": only --target=NAME is known`);
    return 2;
  }
  requireBun();
  await ensurePackages({ dev: false });
  const { code, output } = await build(target?.slice("--target=".length));
  if (code !== 0 || !existsSync(BINARY)) {
    console.error(output.trim());
    return code === 0 ? 1 : code;
  }
  console.log(`dist/gateway, ${(Bun.file(BINARY).size / 1e6).toFixed(1)} MB`);
  return 0;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
