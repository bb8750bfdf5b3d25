// The gateway, and what it holds: each line on standard input is answered with what `answer` says.
import { heapStats } from "bun:jsc";
import { readdirSync } from "node:fs";
import { runCli } from "../../src/cli/main.ts";
import { createBunPlatform } from "../../src/platform/bun.ts";

const platform = createBunPlatform();
const { process } = platform;

/** After all garbage is gone; what the second pass frees are things that the first only let go. */
async function collect(): Promise<void> {
  for (let pass = 0; pass < 3; pass += 1) {
    Bun.gc(true);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function answer(): Promise<void> {
  for await (const _line of process.lines()) {
    await collect();
    const descriptors = readdirSync("/proc/self/fd").length;
    const { objectCount: objects } = heapStats();
    process.stdout.write(`${JSON.stringify({ rssBytes: process.rssBytes(), objects, descriptors })}\n`);
  }
}

void answer();
process.exit(await runCli(platform));
