import { dirname } from "node:path";
import { toClientTypes } from "./gen/client.ts";
import { toDefaults } from "./gen/defaults.ts";
import { readProtocol } from "./gen/protocol.ts";
import { toScaffold } from "./gen/scaffold.ts";

/** A file written from contracts and configuration: its path from the top of the project, and its text. */
type Generated = { readonly path: string; readonly text: string };

const TOP = new URL("../", import.meta.url);

/** Every generated file as it should be. */
export async function generate(): Promise<Generated[]> {
  const protocol = readProtocol(await featureModules());
  return [
    await formatted("src/client/protocol.ts", toClientTypes(protocol)),
    await formatted("src/config/defaults.ts", toDefaults()),
    await formatted("src/cli/plugins/scaffold.json", JSON.stringify(await toScaffold(), null, 2)),
    await formatted("tests/golden/protocol.json", JSON.stringify(protocol, null, 2)),
  ];
}

/** Paths of the files that are not as they should be. */
export async function staleFiles(): Promise<string[]> {
  const stale: string[] = [];
  for (const { path, text } of await generate()) {
    const file = Bun.file(new URL(path, TOP));
    if (!(await file.exists()) || (await file.text()) !== text) stale.push(path);
  }
  return stale;
}

async function featureModules(): Promise<Record<string, unknown>[]> {
  const folder = new URL("src/features/", TOP);
  // What several features share has a folder too, and says nothing to clients.
  const contracts = await Array.fromAsync(new Bun.Glob("*/contract.ts").scan(Bun.fileURLToPath(folder)));
  const names = contracts.map((path) => dirname(path));
  const load = (name: string): Promise<Record<string, unknown>> =>
    import(new URL(`${name}/contract.ts`, folder).href) as Promise<Record<string, unknown>>;
  return Promise.all(names.toSorted().map(load));
}

async function formatted(path: string, text: string): Promise<Generated> {
  const fmt = Bun.spawn([process.execPath, "fmt", `--stdin-filepath=${path}`], {
    cwd: Bun.fileURLToPath(TOP),
    stdin: new Blob([text]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, problem, code] = await Promise.all([
    new Response(fmt.stdout).text(),
    new Response(fmt.stderr).text(),
    fmt.exited,
  ]);
  if (code !== 0) throw new Error(`Cannot format "${path}": ${problem.trim()}`);
  return { path, text: out };
}

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.filter((arg) => arg !== "--check");
  if (unknown.length > 0) {
    console.error(`Cannot use the argument "${unknown[0]}": only --check is known`);
    return 2;
  }
  if (args.includes("--check")) {
    const stale = await staleFiles();
    for (const path of stale) console.error(`${path} is stale: run bun run gen`);
    return stale.length === 0 ? 0 : 1;
  }
  for (const { path, text } of await generate()) {
    await Bun.write(new URL(path, TOP), text);
    console.log(path);
  }
  return 0;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
