import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type GatewayServer, startGatewayServer } from "../../src/gateway.ts";
import { createBunPlatform } from "../../src/platform/bun.ts";
import type { Platform } from "../../src/ports.ts";
import { tempDir } from "./temp.ts";

export interface QuietOptions {
  /** Text of the configuration file. */
  readonly config?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly home?: string;
}

/** The real platform with a home of its own, none of our environment, and a log that goes to `log`. */
export function quietPlatform(options: QuietOptions = {}): {
  platform: Platform;
  home: string;
  log: string[];
} {
  const base = createBunPlatform();
  const home = options.home ?? tempDir();
  const log: string[] = [];
  if (options.config !== undefined) {
    mkdirSync(join(home, ".clawdbot"), { recursive: true, mode: 0o700 });
    writeFileSync(join(home, ".clawdbot/moltbot.json"), options.config);
  }
  const stderr = { isTerminal: false, write: (text: string) => void log.push(text), flush: async () => {} };
  return {
    platform: { ...base, process: { ...base.process, env: options.env ?? {}, home, stderr } },
    home,
    log,
  };
}

/** A gateway in this process, on a port of the system's choice. */
export async function startQuiet(
  options: QuietOptions = {},
): Promise<{ gateway: GatewayServer; url: string; token: string; home: string; log: string[] }> {
  const { platform, home, log } = quietPlatform(options);
  const gateway = await startGatewayServer(0, { platform });
  await gateway.ready;
  return { gateway, url: gateway.urls[0], token: gateway.token?.value ?? "", home, log };
}
