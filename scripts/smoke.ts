// The built gateway where nothing else is: an empty folder, an empty home, no packages.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { run } from "./tools.ts";
import type { Outcome } from "./tools.ts";

const READY_MS = 10_000;
const STOP_MS = 10_000;
const POLL_MS = 20;

/** Where plugins that differ in nothing else run, by id: as the configuration says, and as it is unsaid. */
const PLUGINS = { "smoke-inside": "none", "smoke-apart": "process" } as const;

/** A plugin as its author left it: TypeScript that no runtime takes as it is, and a package of its own. */
const filesOf = (id: string): Readonly<Record<string, string>> => ({
  "gateway.plugin.json": `{ "id": "${id}", "version": "1.0.0", "apiVersion": 1 }`,
  "index.ts": `import { definePlugin, method, z } from "gateway/plugin";
import { double, type Doubled } from "smoke-twice";
import { Mark } from "./mark.ts";

export default definePlugin({
  id: "${id}",
  apiVersion: 1,
  methods: {
    "${id}.twice": method({
      scope: "read",
      summary: "Says it twice",
      params: () => z.strictObject({ word: z.string() }),
      result: () => z.strictObject({ text: z.string(), pid: z.int() }),
    }),
  },
  start: () => ({
    handlers: {
      "${id}.twice": ({ word }) => ({
        text: (double(word) satisfies Doubled) + Mark.End,
        pid: process.pid,
      }),
    },
  }),
});
`,
  "mark.ts": 'export enum Mark { End = "!" }\n',
  "node_modules/smoke-twice/package.json":
    '{ "name": "smoke-twice", "type": "module", "main": "./lib/index.ts" }',
  "node_modules/smoke-twice/lib/index.ts":
    "export type Doubled = string;\nexport const double = (word: string): Doubled => word + word;\n",
});
const CONFIG = {
  plugins: {
    entries: { "smoke-inside": { enabled: true, isolation: "none" }, "smoke-apart": { enabled: true } },
  },
};

/**
 * Starts it with a plugin in its own process and one apart, asks it for its health, by HTTP and by its own
 * command line, calls the plugins, and stops it.
 */
export async function smoke(binary: string): Promise<Outcome> {
  const home = await mkdtemp(join(tmpdir(), "gateway-smoke-"));
  await writePlugins(join(home, ".clawdbot"));
  const port = await freePort();
  const env = { HOME: home, PATH: "/usr/bin:/bin", CLAWDBOT_GATEWAY_PORT: String(port) };
  const gateway = Bun.spawn([binary, "run", "--port", String(port)], {
    cwd: home,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = Promise.all([new Response(gateway.stdout).text(), new Response(gateway.stderr).text()]);
  let problem = await converse([binary, gateway.pid], port, { cwd: home, env });
  gateway.kill("SIGTERM");
  const code = await Promise.race([gateway.exited, Bun.sleep(STOP_MS).then(() => undefined)]);
  if (code === undefined) gateway.kill("SIGKILL");
  if (code !== 0) problem ??= `Cannot stop the gateway cleanly: exit code ${code ?? "none in time"}`;
  const output = (await printed).join("");
  await rm(home, { recursive: true, force: true });
  return problem === undefined ? { code: 0, output } : { code: 1, output: `${output}\n${problem}` };
}

/** What went wrong, if anything did. */
async function converse(
  [binary, pid]: readonly [path: string, pid: number],
  port: number,
  place: { cwd: string; env: Record<string, string> },
): Promise<string | undefined> {
  if (!(await isReady(port))) return `Cannot get an answer from "/healthz": none in ${READY_MS} ms`;
  const call = await run([binary, "call", "health"], place);
  if (call.code !== 0) return `Cannot call "health": exit code ${call.code}\n${call.output}`;
  if (!(await isReady(port, "/readyz"))) return `Cannot get an answer from "/readyz": none in ${READY_MS} ms`;
  for (const [id, where] of Object.entries(PLUGINS)) {
    const { code, output } = await run([binary, "call", "--json", `${id}.twice`, '{"word":"ha"}'], place);
    if (code !== 0) return `Cannot call the plugin "${id}": exit code ${code}\n${output}`;
    const isInside = output.includes(`"pid":${pid}}`);
    if (!output.includes('"haha!"') || isInside !== (where === "none"))
      return `Cannot take the answer of the plugin "${id}", in the process "${where}" of ${pid}: ${output}`;
  }
  return undefined;
}

/** For its owner alone, as the gateway wants it. */
async function writePlugins(stateDir: string): Promise<void> {
  for (const id of Object.keys(PLUGINS)) {
    for (const [path, text] of Object.entries(filesOf(id))) {
      const file = join(stateDir, "plugins", id, path);
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await writeFile(file, text, { mode: 0o600 });
    }
  }
  await writeFile(join(stateDir, "moltbot.json"), JSON.stringify(CONFIG), { mode: 0o600 });
}

async function isReady(port: number, path = "/healthz"): Promise<boolean> {
  const deadline = performance.now() + READY_MS;
  while (performance.now() < deadline) {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
    if (answer?.ok) return true;
    await Bun.sleep(POLL_MS);
  }
  return false;
}

/** One that the system has just picked and given back. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("Cannot pick a port: no address");
  return address.port;
}
