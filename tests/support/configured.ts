import { createHash } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { GatewayServer } from "../../src/gateway.ts";
import { type QuietOptions, startQuiet } from "./gateway.ts";
import { listen, type Listener, type Told } from "./sdk.ts";

/** A gateway in this process that follows its file, and a client of it. */
export interface Configured {
  readonly gateway: GatewayServer;
  readonly home: string;
  readonly path: string;
  readonly stateDir: string;
  readonly url: string;
  readonly token: string;
  readonly log: string[];
  readonly person: Listener;
}

/** What `config.changed` and `config.rejected` say of the files. */
export type ConfigTold = Told & { readonly payload: { readonly hash: string; readonly restartOwed?: unknown } };

/** Starts it on this text. Whoever starts it closes it: `await using` does. */
export async function startConfigured(
  config: string | undefined,
  options: Omit<QuietOptions, "config"> = {},
): Promise<Configured & AsyncDisposable> {
  // No model server of this machine's is asked what it has: port 9 is nobody's.
  const env = { OLLAMA_HOST: "127.0.0.1:9", ...options.env };
  const quiet = await startQuiet({ ...options, env, ...(config !== undefined && { config }) });
  const { gateway, home } = quiet;
  const person = await listen(quiet, { token: quiet.token });
  return {
    ...quiet,
    path: join(home, ".clawdbot/moltbot.json"),
    stateDir: gateway.stateDir,
    person,
    async [Symbol.asyncDispose]() {
      await gateway.close();
    },
  };
}

/** The hash of a configuration that is one file. */
export function hashOfText(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Resolves when the gateway has told that a configuration with this hash is in force. */
export function changedTo({ until }: Listener, text: string): Promise<Told> {
  const hash = hashOfText(text);
  return until(`config.changed to ${hash}`, isTold("config.changed", hash));
}

/** Resolves when the gateway has told that it does not use these files. */
export function rejected({ until }: Listener, text: string): Promise<Told> {
  const hash = hashOfText(text);
  return until(`config.rejected of ${hash}`, isTold("config.rejected", hash));
}

function isTold(event: string, hash: string): (told: Told) => boolean {
  return (told) => told.event === event && told.payload["hash"] === hash;
}

let temporaries = 0;

/** As an editor that writes beside the file and renames. */
export function renameOver(path: string, text: string): void {
  const temporary = `${path}.edit-${++temporaries}`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}

/** The times a client lost its connection. */
export function breaksOf({ told }: Listener): readonly Told[] {
  return told.filter(({ event, payload }) => event === "state" && payload["name"] !== "ready");
}

/** A real-size file; `pair` stands at both its ends, in two settings that always change together. */
export function pairedText(pair: number): string {
  return `${PAIRED_HEAD}
    "defaults": {
      "model": "echo/echo",
      // Seconds one answer may take.
      "timeoutSeconds": ${600 + pair},
      "systemPrompt": "You help at home. Answer in short sentences.",
    },${PAIRED_LIST}
  },
  "models": {
    "providers": {
      "ollama": {
        "baseUrl": "http://127.0.0.1:9/v1",
        "apiKey": "not-used-${pair}",
      },
    },
  },
  "env": { "vars": { "GREETING": "hello" } },
  /* how much of the past stays */
  "sessions": { "keepMax": ${500 + pair} },
}
`;
}

const PAIRED_HEAD = `// The gateway in the cupboard.
// Edited by hand; keep the order.
{
  "gateway": {
    "port": 0, // the system chooses
    "bind": "loopback",
    "reload": { "mode": "hybrid", "debounceMs": 10 },
    "allowedHosts": ["cupboard.local", "cupboard.example"],
    "trustedProxies": ["192.0.2.1", "192.0.2.2"],
    "log": { "level": "info" },
  },
  "agents": {`;

const PAIRED_LIST = `
    "list": [
      { "id": "main", "default": true },
      { "id": "kitchen", "systemPrompt": "You know recipes, and what is in the larder." },
      { "id": "garden", "systemPrompt": "You know when to sow and what to water." },
      // Not yet: { "id": "cellar" }
      { "id": "workshop", "model": { "primary": "echo/echo", "fallbacks": [] } },
    ],`;
