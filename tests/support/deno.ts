import { join } from "node:path";
import { deno } from "../../scripts/tools.ts";
import { tempDir } from "./temp.ts";
import type { Wire } from "./transcript.ts";
import { socketWire } from "./wires.ts";

const ROOT = join(import.meta.dir, "../..");
const START_MS = 30_000;

/** What `deno task gateway` runs, wherever it is started. */
export async function onDeno(...args: string[]): Promise<string[]> {
  const { tasks } = (await Bun.file(join(ROOT, "deno.json")).json()) as { tasks: { gateway: string } };
  const [, run = "", ...flags] = tasks.gateway.split(" ");
  const main = join(ROOT, flags.pop() ?? "");
  return [await deno(), run, `--config=${join(ROOT, "deno.json")}`, ...flags, main, ...args];
}

/** The gateway on Deno, started by the project's own task, in a process of its own and an empty home. */
export async function startDenoGateway(): Promise<{ readonly wire: Wire; close(): Promise<void> }> {
  const home = tempDir();
  const child = Bun.spawn(
    [await deno(), "task", "--quiet", "gateway", "run", "--port", "0", "--log-format", "json"],
    {
      cwd: ROOT,
      env: { PATH: process.env["PATH"] ?? "", HOME: home, DENO_NO_UPDATE_CHECK: "1" },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  const url = await listeningUrl(child.stderr);
  const token = (await Bun.file(join(home, ".clawdbot/gateway.token")).text()).trim();
  return {
    wire: socketWire(url, token),
    async close() {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}

/**
 * Reads the log until the gateway says where it listens, and goes on reading so that it never waits for us.
 */
async function listeningUrl(stderr: ReadableStream<Uint8Array>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const timer = setTimeout(() => reject(new Error(`not listening within ${START_MS} ms: ${text}`)), START_MS);
  let text = "";
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of stderr) {
      text = (text + decoder.decode(chunk, { stream: true })).slice(-20_000);
      const url = /"url":"(http:[^"]+)"/.exec(text)?.[1];
      if (url !== undefined) resolve(url);
    }
    reject(new Error(`ended before it listened: ${text}`));
  };
  void read().catch(reject);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
