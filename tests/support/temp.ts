import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const made: string[] = [];

/** A directory of its own, removed when the tests are done. */
export function tempDir(): string {
  const path = mkdtempSync(join(tmpdir(), "gateway-test-"));
  made.push(path);
  return path;
}

// Hooks of the runner belong to the one file that loads this module first.
process.on("exit", () => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});
