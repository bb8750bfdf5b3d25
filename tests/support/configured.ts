import { createHash } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type GatewayServer, startGatewayServer } from "../../src/gateway.ts";
import { type QuietOptions, quietPlatform } from "./gateway.ts";
import { listen, type Listener, type Told } from "./sdk.ts";

/** A gateway in this process that follows its file, and a client of it. */
export interface Configured extends AsyncDisposable {
  readonly gateway: GatewayServer;
  readonly home: string;
  readonly path: string;
  readonly stateDir: string;
  readonly token: string;
  readonly log: readonly string[];
  readonly person: Listener;
  /** Another client, connected anew. */
  enter(): Promise<Listener>;
}

const QUICK = { initialMs: 20, maxMs: 100 } as const;

/** Starts it on this text, at whose port it listens: 0 lets the system choose. `await using` closes it. */
export async function startConfigured(
  config: string | undefined,
  options: Omit<QuietOptions, "config"> = {},
): Promise<Configured> {
  // No model server of this machine's is asked what it has: port 9 is nobody's.
  const env = { OLLAMA_HOST: "127.0.0.1:9", ...options.env };
  const { platform, home, log } = quietPlatform({ ...options, env, ...(config !== undefined && { config }) });
  const gateway = await startGatewayServer(undefined, { platform });
  await gateway.ready;
  const token = gateway.token?.value ?? "";
  const enter = (): Promise<Listener> => listen({ url: gateway.urls[0] }, { token, reconnect: QUICK });
  return {
    gateway,
    home,
    log,
    token,
    enter,
    path: join(home, ".clawdbot/moltbot.json"),
    stateDir: gateway.stateDir,
    person: await enter(),
    async [Symbol.asyncDispose]() {
      await gateway.close({ drainMs: 0 });
    },
  };
}

/** The hash of a configuration that is one file. */
export function hashOfText(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The next thing this client is told that fits; what it was told before does not count. */
export function next(person: Listener, what: string, fits: (told: Told) => boolean): Promise<Told> {
  const before = person.told.length;
  return person.until(what, (told) => fits(told) && person.told.lastIndexOf(told) >= before);
}

/** Resolves when the gateway tells that the configuration of this text is in force. */
export function changedTo(person: Listener, text: string): Promise<Told> {
  return next(person, "config.changed", isTold("config.changed", hashOfText(text)));
}

/** Resolves when the gateway tells that it does not use this text. */
export function rejectedAs(person: Listener, text: string): Promise<Told> {
  return next(person, "config.rejected", isTold("config.rejected", hashOfText(text)));
}

function isTold(event: string, hash: string): (told: Told) => boolean {
  return (told) => told.event === event && told.payload["hash"] === hash;
}

let temporaries = 0;

/** As an editor that writes beside the file and renames. */
export function renameOver(path: string, text: string | Uint8Array): void {
  const temporary = `${path}.edit-${++temporaries}`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}

/** Resolves when this client, cut off by now or soon, is connected again. */
export function backAgain(person: Listener): Promise<Told> {
  return next(
    person,
    "new connection",
    ({ event, payload }) => event === "state" && payload["name"] === "ready",
  );
}

/** What happened to a client's connection since it stood. */
export function breaksOf({ told }: Listener): readonly Told[] {
  return told
    .filter(({ event }) => event === "state")
    .slice(1)
    .filter(({ payload }) => payload["name"] !== "ready");
}

/** A real-size file; `pair` is in three places of it, far from each other, that always change together. */
export function pairedText(pair: number): string {
  return `${PAIRED_HEAD}
    "defaults": {
      "model": { "primary": "echo/echo", "fallbacks": [] },
      // Seconds one answer may take.
      "timeoutSeconds": ${1_000 + pair},
      "maxConcurrent": 4,
      "systemPrompt": "You help at home. Answer in short sentences.",
    },${PAIRED_LIST}
  },
  "models": {
    "providers": {
      "ollama": {
        "baseUrl": "http://127.0.0.1:9/v1",
        "apiKey": "not-used-but-there-${1_000 + pair}",
      },
    },
  },
  "env": { "vars": { "GREETING": "hello", "PLACE": "the cupboard" } },
  /* how much of the past stays */
  "sessions": { "keepMax": ${1_000 + pair} },
}
// end
`;
}

/** The pair in force, as a configuration says it; whoever finds a mixture says which. */
export function pairOf(config: unknown): number {
  const { agents, sessions } = config as {
    readonly agents: { readonly defaults: { readonly timeoutSeconds: number } };
    readonly sessions: { readonly keepMax: number };
  };
  const [first, last] = [agents.defaults.timeoutSeconds, sessions.keepMax];
  if (first !== last) throw new Error(`half of a configuration is in force: ${first} and ${last}`);
  return first - 1_000;
}

const PAIRED_HEAD = `// The gateway in the cupboard.
// Edited by hand; keep the order.
{
  "gateway": {
    "port": 0, // the system chooses
    "bind": "loopback",
    "reload": { "mode": "hybrid", "debounceMs": 10 },
    "allowedHosts": ["cupboard.local", "cupboard.example"],
    "allowedOrigins": ["https://cupboard.example"],
    "trustedProxies": ["192.0.2.1", "192.0.2.2"],
    "limits": { "clientsMax": 64 },
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
      { "id": "study", "systemPrompt": "Quote what you have read. \\u00fc, \\"quotes\\" and ünicode too." },
    ],`;
