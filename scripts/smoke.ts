// The built gateway where nothing else is: an empty folder, an empty home, no packages.
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./tools.ts";
import type { Outcome } from "./tools.ts";

const READY_MS = 10_000;
const STOP_MS = 10_000;
const POLL_MS = 20;

/** Starts it, asks it for its health twice, by HTTP and by its own command line, and stops it. */
export async function smoke(binary: string): Promise<Outcome> {
  const home = await mkdtemp(join(tmpdir(), "gateway-smoke-"));
  const port = await freePort();
  const env = { HOME: home, PATH: "/usr/bin:/bin", CLAWDBOT_GATEWAY_PORT: String(port) };
  const gateway = Bun.spawn([binary, "run", "--port", String(port)], {
    cwd: home,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = Promise.all([new Response(gateway.stdout).text(), new Response(gateway.stderr).text()]);
  let problem = await converse(binary, port, { cwd: home, env });
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
  binary: string,
  port: number,
  place: { cwd: string; env: Record<string, string> },
): Promise<string | undefined> {
  if (!(await isReady(port))) return `Cannot get an answer from "/healthz": none in ${READY_MS} ms`;
  const call = await run([binary, "call", "health"], place);
  return call.code === 0 ? undefined : `Cannot call "health": exit code ${call.code}\n${call.output}`;
}

async function isReady(port: number): Promise<boolean> {
  const deadline = performance.now() + READY_MS;
  while (performance.now() < deadline) {
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined);
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
