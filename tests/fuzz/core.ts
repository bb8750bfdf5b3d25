import { join } from "node:path";
import type { Methods } from "../../src/contract/define.ts";
import { createLifetime } from "../../src/feature.ts";
import { createAgents } from "../../src/gateway/agents.ts";
import { loadConfiguration } from "../../src/gateway/configuration.ts";
import { createPlugins } from "../../src/gateway/plugins.ts";
import { openStorage } from "../../src/gateway/database.ts";
import { followConfiguration } from "../../src/gateway/live-config.ts";
import { createGatewayRuntimeState, type GatewayRuntimeState } from "../../src/gateway/runtime-state.ts";
import { Admission } from "../../src/rpc/admission.ts";
import { Authenticator, type Grant } from "../../src/rpc/auth.ts";
import { Connection, type ConnectionParts } from "../../src/rpc/connection.ts";
import { ALL_SCOPES } from "../../src/rpc/scopes.ts";
import { ASK } from "./corpus.ts";
import { quietPlatform } from "../support/gateway.ts";
import type { Runner } from "../../src/ports.ts";
import { createCountingCrypto, createMemoryLog, createMemorySocket } from "../support/ports.ts";
import { PIGEON, writePlugin } from "../support/plugin.ts";
import { createFakeTime } from "../support/time.ts";

export const TOKEN = "the-token-of-the-fuzzer-0123456789";

const HERE = { enabled: true, isolation: "none" };

/** Few sessions: what frames do to each other happens within them, and lists of them stay short. */
export const CONFIG = JSON.stringify({
  gateway: { auth: { mode: "token", token: TOKEN }, trustedProxies: ["127.0.0.1"], log: { format: "json" } },
  agents: { defaults: { model: "echo/echo" } },
  sessions: { keepMax: 40 },
  plugins: { entries: { hello: HERE, pigeon: HERE } },
});

/** The same gateway as a program, to be started with its options behind. */
export const PROGRAM = [process.execPath, Bun.fileURLToPath(new URL("program.ts", import.meta.url)), "run"];

/** Its agents want a person's yes before they answer a message that is {@link ASK}. */
function asking(runner: Runner): Runner {
  return {
    ...runner,
    async open(environment) {
      const runtime = await runner.open(environment);
      return {
        ...runtime,
        async *prompt(turn, signal) {
          const [part] = turn.messages.at(-1)?.parts ?? [];
          if (part?.type === "text" && part.text === ASK) {
            const decision = await turn.approve({ title: "Answer", tool: "answer" }, signal);
            if (decision === "deny") return;
          }
          yield* runtime.prompt(turn, signal);
        },
      };
    },
  };
}

/**
 * The whole gateway behind its sockets, with every feature it has: real database, time that is told to
 * pass.
 */
export async function createCore() {
  const { platform, home } = quietPlatform({ config: CONFIG });
  const loaded = await loadConfiguration(undefined, platform, {});
  const time = createFakeTime();
  const crypto = createCountingCrypto();
  const log = createMemoryLog();
  const ports = { clock: time.clock, timers: time.timers, crypto, log };
  const storage = await openStorage({ platform, log, path: join(home, "fuzz.db") });
  const { db } = storage;
  // Whether a run outlives a power cut is not asked here, and waiting for the disk would take longer than
  // all the rest.
  db.exec("PRAGMA synchronous = OFF");
  const live = followConfiguration({
    platform,
    loaded,
    broadcast: (event, payload) => state.hub.broadcast(event, payload),
    apply: async (_plan, config) => loaded.store.use(config),
    settled: async () => {},
    restart: () => {},
  });
  const lifetime = createLifetime((error) => log.error("stop failed", { error: String(error) }));
  const folder = join(loaded.store.paths.stateDir, "plugins");
  writePlugin(join(folder, "hello"));
  writePlugin(join(folder, "pigeon"), { manifest: { id: "pigeon", apiVersion: 1 }, code: PIGEON });
  const plugins = createPlugins({ platform: { ...platform, ...ports }, loaded, lifetime });
  const agents = createAgents({ ...platform, ...ports }, loaded, { lifetime, plugins });
  const state: GatewayRuntimeState = createGatewayRuntimeState({
    ...loaded,
    live,
    ...ports,
    storage,
    runner: asking(agents.runner),
    others: (core) => [agents.feature, ...plugins.features(core)],
    isPluginAgent: plugins.agents.has,
    hooks: plugins.hooks,
    defaultModel: agents.defaultModel,
    priceOf: agents.priceOf,
    runtime: "test",
    rssBytes: () => 0,
    home,
    cpuCount: 2,
  });
  plugins.attach();
  await plugins.settled();
  const methods: Methods = Object.fromEntries(
    state.table.methods().map(({ name, method }) => [name, method]),
  );
  const admission = new Admission(() => 1_024);
  const parts: ConnectionParts = {
    ...state,
    ...ports,
    authenticator: new Authenticator({ mode: "token", secret: TOKEN }, ports),
    isAccepting: () => true,
    server: {
      name: "gateway",
      version: "0.0.0",
      runtime: "test",
      configPath: "/c",
      stateDir: "/s",
      frameBytesMax: 1024 * 1024,
      health: state.health,
    },
  };

  /** Opens a socket, known by its upgrade or not at all. */
  function open({ address, isKnown, isJsonRpc }: { address: string; isKnown: boolean; isJsonRpc: boolean }) {
    const grant: Grant | undefined = isKnown ? { credential: "token", scopes: ALL_SCOPES } : undefined;
    const socket = createMemorySocket(address);
    const place = admission.admit(address, isKnown);
    if (place instanceof Error) throw place;
    const connection = new Connection(parts, { address, place, isJsonRpc, grant }, socket);
    return { connection, socket };
  }

  return {
    ...state,
    methods,
    time,
    log,
    open,
    admission,
    async stop(): Promise<void> {
      await state.lifetime.stop();
      await lifetime.stop();
      db.close();
    },
  };
}
