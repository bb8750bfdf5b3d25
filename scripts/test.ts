// `bun run test [PATHS, FLAGS]`: every set-up, then the tests; the last line is `N passed, N failed`.
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { build } from "./build.ts";
import { deno, ensurePackages, requireBun, TOP } from "./tools.ts";

/** Suites that start processes share a small machine with others; a hung test still ends. */
const TEST_TIMEOUT_MS = 30_000;

/** Suites that run the built binary. */
const NEEDS_BINARY = /scenario|e2e/;

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const NOTHING_RAN: Counts = { passed: 0, failed: 1, skipped: 0 };

async function prepare(args: readonly string[]): Promise<void> {
  requireBun();
  await ensurePackages({ dev: true });
  // Not fatal here: the suites that need it ask again and fail by name.
  await deno().catch((error: unknown) => console.error(error instanceof Error ? error.message : error));
  const paths = args.filter((arg) => !arg.startsWith("-"));
  if (paths.length > 0 && !paths.some((path) => NEEDS_BINARY.test(path))) return;
  const { code, output } = await build();
  if (code !== 0) throw new Error(`Cannot build the binary that the tests run:\n${output.trim()}`);
}

/** Counts from the report, not from the exit code: a test that ends the process ends the run with 0. */
async function runTests(args: readonly string[]): Promise<Counts> {
  const report = join(TOP, ".tools", `junit-${process.pid}.xml`);
  await mkdir(join(TOP, ".tools"), { recursive: true });
  await rm(report, { force: true });
  const flags = [`--timeout=${TEST_TIMEOUT_MS}`, "--reporter=junit", `--reporter-outfile=${report}`];
  const child = Bun.spawn([process.execPath, "test", ...flags, ...args], {
    cwd: TOP,
    stdio: ["ignore", "inherit", "inherit"],
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  const code = await child.exited;
  if (!existsSync(report)) return NOTHING_RAN;
  const counts = toCounts(await Bun.file(report).text());
  await rm(report, { force: true });
  // Errors between tests fail the run and no test.
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

/** Sums of the report's root element; a report without any test counts as a failure. */
export function toCounts(xml: string): Counts {
  const root = /<testsuites\b[^>]*>/.exec(xml)?.[0] ?? "";
  const read = (name: string): number => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(root)?.[1] ?? 0);
  const [all, failed, skipped] = [read("tests"), read("failures") + read("errors"), read("skipped")];
  if (all === 0) return NOTHING_RAN;
  return { passed: Math.max(0, all - failed - skipped), failed, skipped };
}

function toLine({ passed, failed, skipped }: Counts): string {
  const end = skipped > 0 ? `, ${skipped} skipped` : "";
  return `${passed} passed, ${failed} failed${end}`;
}

async function main(args: readonly string[]): Promise<number> {
  let counts = NOTHING_RAN;
  try {
    await prepare(args);
    counts = await runTests(args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
  }
  console.log(toLine(counts));
  return counts.failed === 0 ? 0 : 1;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
