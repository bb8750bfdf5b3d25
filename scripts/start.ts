// `bun run gateway`: the gateway from source, on a machine that may have nothing but Bun.
import { execve } from "node:process";
import { stopWithLauncher } from "./launcher.ts";
import { ensurePackages, requireBun } from "./tools.ts";

try {
  requireBun();
  const installed = await ensurePackages({ dev: false });
  // This process looked for packages before there were any, and does not look again: begin anew in its place.
  if (installed)
    execve?.(process.execPath, [process.execPath, "run", "--no-install", ...process.argv.slice(1)]);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
stopWithLauncher();
// In this process, so that signals and the exit code are the gateway's own.
await import("../src/main.ts");
