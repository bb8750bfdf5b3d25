import { afterAll, beforeAll, describe, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type GatewayServer, startGatewayServer } from "../../src/gateway.ts";
import { createBunPlatform } from "../../src/platform/bun.ts";
import type { Platform } from "../../src/ports.ts";
import { startDenoGateway } from "../support/deno.ts";
import { tempDir } from "../support/temp.ts";
import { playTranscript, type Wire } from "../support/transcript.ts";
import { memoryPlatform, socketWire } from "../support/wires.ts";

const NAMES = readdirSync(import.meta.dir).filter((name) => name.endsWith(".txt"));

/** A quiet gateway of its own: no model to look for, no configuration but its defaults. */
function quiet(base: Platform): Platform {
  const home = tempDir();
  return { ...base, process: { ...base.process, env: {}, home, stderr: { ...base.process.stderr, write: () => {} } } };
}

type Started = { readonly wire: Wire; close(): Promise<void> };

async function startMemory(): Promise<Started> {
  const { platform, wire } = memoryPlatform(quiet(createBunPlatform()));
  const gateway = await startGatewayServer(0, { platform });
  await gateway.ready;
  return { wire: wire(gateway), close: () => gateway.close({ drainMs: 0 }) };
}

async function startBun(): Promise<Started> {
  const gateway: GatewayServer = await startGatewayServer(0, { platform: quiet(createBunPlatform()) });
  await gateway.ready;
  return { wire: socketWire(gateway.urls[0], gateway.token?.value ?? ""), close: () => gateway.close({ drainMs: 0 }) };
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
