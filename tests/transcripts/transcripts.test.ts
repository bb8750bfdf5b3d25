import { afterAll, beforeAll, describe, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startGatewayServer } from "../../src/gateway.ts";
import { startDenoGateway } from "../support/deno.ts";
import { quietPlatform, startQuiet } from "../support/gateway.ts";
import { playTranscript, type Wire } from "../support/transcript.ts";
import { memoryPlatform, socketWire } from "../support/wires.ts";

const NAMES = readdirSync(import.meta.dir).filter((name) => name.endsWith(".txt"));

type Started = { readonly wire: Wire; close(): Promise<void> };

async function startMemory(): Promise<Started> {
  const { platform, wire } = memoryPlatform(quietPlatform().platform);
  const gateway = await startGatewayServer(0, { platform });
  await gateway.ready;
  return { wire: wire(gateway), close: () => gateway.close({ drainMs: 0 }) };
}

async function startBun(): Promise<Started> {
  const { gateway, url, token } = await startQuiet();
  return { wire: socketWire(url, token), close: () => gateway.close({ drainMs: 0 }) };
}

describe.each([
  ["in memory", startMemory],
  ["over Bun's socket", startBun],
  ["over Deno's socket", startDenoGateway],
] as const)("%s", (_where, start) => {
  let started: Started;
  beforeAll(async () => {
    started = await start();
  }, 60_000);
  afterAll(() => started.close());

  test.each(NAMES)(
    "%s",
    async (name) => {
      const text = readFileSync(join(import.meta.dir, name), "utf8");
      await playTranscript(text, started.wire);
    },
    30_000,
  );
});
