// `bun run ok [STEP...]`: all that must hold before a change goes in, cheapest first, up to the first
// failure.
import { join } from "node:path";
import { BINARY, build } from "./build.ts";
import { smoke } from "./smoke.ts";
import { deno, ensurePackages, requireBun, run, script, TOP } from "./tools.ts";
import type { Outcome } from "./tools.ts";

type Step = () => Promise<Outcome>;

const bun = (...args: string[]): Promise<Outcome> => run([process.execPath, ...args]);

/** In the order in which they run. CI runs the first four, then the tests. */
const STEPS: Readonly<Record<string, Step>> = {
  format: () => bun("fmt", "--no-script", "--check"),
  lint: () => run([...oxlint(), "--type-aware", "--deny-warnings", "--report-unused-disable-directives"]),
  types: () => inTurn([() => check("tsconfig.json"), () => check("tsconfig.pure.json"), checkDeno]),
  generated: () => run(script("gen", "--check")),
  tests: () => run(script("test")),
  build: () => build(),
  smoke: () => smoke(BINARY),
};

/** What needs no run of the gateway itself. */
const STATIC = ["format", "lint", "types", "generated"];

/** Its own launcher asks for Node; the file behind it does not. */
function oxlint(): string[] {
  return [process.execPath, "--bun", join(TOP, "node_modules", "oxlint", "bin", "oxlint")];
}

function check(project: string): Promise<Outcome> {
  return bun("check", "--no-script", "--no-pretty", "-p", project);
}

async function checkDeno(): Promise<Outcome> {
  return run([await deno(), "check", "--quiet", "src/main.deno.ts"]);
}

async function inTurn(steps: readonly Step[]): Promise<Outcome> {
  let output = "";
  for (const step of steps) {
    const outcome = await step();
    output += outcome.output;
    if (outcome.code !== 0) return { code: outcome.code, output };
  }
  return { code: 0, output };
}

/** One line for the step; what it printed only when it failed. */
async function report(name: string, step: Step): Promise<boolean> {
  const start = performance.now();
  const { code, output } = await step().catch((error: unknown) => ({ code: 1, output: String(error) }));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  if (code === 0) {
    const counts = /^\d+ passed, \d+ failed.*$/m.exec(output)?.[0] ?? "";
    console.log(`ok   ${name.padEnd(10)} ${seconds} s ${counts}`.trimEnd());
    return true;
  }
  console.log(`FAIL ${name.padEnd(10)} ${seconds} s`);
  console.log(output.trimEnd());
  console.log(`Cannot pass "${name}": exit code ${code}`);
  return false;
}

async function main(args: readonly string[]): Promise<number> {
  const names = args.flatMap((arg) => (arg === "static" ? STATIC : [arg]));
  const unknown = names.find((name) => !(name in STEPS));
  if (unknown !== undefined) {
    console.error(`Cannot run the step "${unknown}": use static, ${Object.keys(STEPS).join(", ")}`);
    return 2;
  }
  requireBun();
  await ensurePackages({ dev: true });
  for (const [name, step] of Object.entries(STEPS)) {
    if (names.length > 0 && !names.includes(name)) continue;
    if (!(await report(name, step))) return 1;
  }
  return 0;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
