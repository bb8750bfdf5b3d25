import { CLOSE } from "./contract/errors.ts";
import { LIMITS } from "./contract/limits.ts";
import { createLifetime, type PublishOptions } from "./feature.ts";
import { type Agents, createAgents } from "./gateway/agents.ts";
import {
  type GatewayFlags,
  type Loaded,
  loadConfiguration,
  openDatabase,
  takeStateDir,
} from "./gateway/configuration.ts";
import { writeHolder } from "./gateway/holder.ts";
import { STATE_FILE, TOKEN_FILE } from "./gateway/names.ts";
import {
  type GatewayRuntimeConfig,
  type GatewayToken,
  resolveGatewayRuntimeConfig,
} from "./gateway/runtime-config.ts";
import { createGatewayRuntimeState, type GatewayRuntimeState } from "./gateway/runtime-state.ts";
import { attachGatewayWsHandlers, type Handlers, listen, urlsOf } from "./gateway/sockets.ts";
import type { Listener, Log, Platform } from "./ports.ts";
import { VERSION } from "./version.ts";

export interface GatewayOptions {
  readonly platform: Platform;
  readonly flags?: GatewayFlags;
}

/** A gateway that is running. */
export interface GatewayServer {
  readonly port: number;
  /** Where clients on this machine connect, the surest first. */
  readonly urls: readonly [string, ...string[]];
  readonly stateDir: string;
  readonly configPath: string;
  /** Set when clients need a token. */
  readonly token: GatewayToken | undefined;
  readonly log: Log;
  /** Sends a declared event to every client whose scopes allow it. @throws Error for one nobody declared */
  broadcast(event: string, payload: object, options?: PublishOptions): void;
  /** Resolves when every configured part has started. */
  readonly ready: Promise<void>;
  /**
   * Refuses new work, tells clients, gives what runs `drainMs`, closes. Once; later calls wait for the
   * first.
   */
  close(options?: { readonly reason?: string; readonly drainMs?: number }): Promise<void>;
}

/**
 * Starts a gateway: the six steps, in order. What has been started is stopped again when a later step
 * fails.
 *
 * @param port wins over every other setting; 0 lets the system choose; undefined leaves it to the
 * configuration
 * @throws StartError 78 the configuration cannot be used; 75 the port or the state directory is taken
 */
export async function startGatewayServer(
  port: number | undefined,
  options: GatewayOptions,
): Promise<GatewayServer> {
  const { platform, flags = {} } = options;
  const { process } = platform;
  const lifetime = createLifetime((error) => process.stderr.write(`stop failed: ${String(error)}\n`));
  let hasStarted = false;
  try {
    // 1. The configuration; and the state directory is ours or nobody's.
    const loaded = await loadConfiguration(port, platform, flags);
    const { stateDir } = loaded.store.paths;
    lifetime.onStop(await takeStateDir(platform, stateDir));

    // 2. Plugins that switch themselves on: none yet.

    // 3. What the configuration comes down to on this machine: addresses, credentials.
    const config = await resolveGatewayRuntimeConfig(loaded.store.current(), {
      ...platform,
      stateDir,
    });
    if (config.token) loaded.secrets.push(config.token.value);
    lifetime.onStop(async () => {
      // Nobody has seen it: the start that succeeds makes and shows its own.
      if (config.token?.created && !hasStarted) await platform.files.remove(`${stateDir}/${TOKEN_FILE}`);
    });

    // 4. Registry, hub, dispatcher, features: everything that knows no socket.
    const db = await openDatabase(platform, `${stateDir}/gateway.db`);
    lifetime.onStop(() => db.close());
    const agents = createAgents(platform, loaded);
    const state = createGatewayRuntimeState({
      ...platform,
      ...loaded,
      db,
      runner: agents.runner,
      defaultModel: agents.defaultModel,
      rssBytes: () => process.rssBytes(),
    });
    lifetime.onStop(() => state.lifetime.stop());

    // 5. Routes, guards and connections, and the port they are on.
    const handlers = attachGatewayWsHandlers({ platform, loaded, config, state, waiting: agents.waiting });
    for (const listener of await listen(platform, config, { serve: handlers.serve, log: loaded.log })) {
      handlers.listeners.push(listener);
      lifetime.onStop(() => listener.stop());
    }

    // 6. What runs beside.
    const { listeners } = handlers;
    const sidecars = await startGatewaySidecars({ platform, loaded, agents, listeners });
    lifetime.onStop(sidecars.stop);
    hasStarted = true;
    return createServer({
      platform,
      loaded,
      config,
      state,
      handlers,
      ready: sidecars.ready,
      stop: () => lifetime.stop(),
    });
  } catch (error) {
    await lifetime.stop();
    throw error;
  }
}

interface SidecarParts {
  readonly platform: Platform;
  readonly loaded: Loaded;
  readonly agents: Agents;
  readonly listeners: readonly Listener[];
}

/** What is not needed to answer: the note in the state directory and the search for a model. */
async function startGatewaySidecars({ platform, loaded, agents, listeners }: SidecarParts) {
  const { files, process, clock } = platform;
  const { store, log } = loaded;
  const { stateDir } = store.paths;
  const [url] = urlsOf(listeners);
  const { port = 0 } = listeners[0] ?? {};
  const holder = { pid: process.pid, url, port, version: VERSION, startedAtMs: clock.now() };
  // Before the word that we listen: who waits for it asks this file where. The port is served meanwhile.
  await writeHolder(files, stateDir, holder).catch((error: unknown) =>
    log.error("state file not written: a second gateway cannot name this one", { error: String(error) }),
  );
  log.info("gateway listening", { url, version: VERSION, runtime: platform.runtime, pid: process.pid });
  const ready = agents
    .detect()
    .catch((error: unknown) => log.error("model detection failed", { error: String(error) }));
  return { ready, stop: () => files.remove(`${stateDir}/${STATE_FILE}`) };
}

// --- the running gateway ---

interface ServerParts {
  readonly platform: Platform;
  readonly loaded: Loaded;
  readonly config: GatewayRuntimeConfig;
  readonly state: GatewayRuntimeState;
  readonly handlers: Handlers;
  readonly ready: Promise<void>;
  stop(): Promise<void>;
}

function createServer({
  platform,
  loaded,
  config,
  state,
  handlers,
  ready,
  stop,
}: ServerParts): GatewayServer {
  const { store, log, snapshot } = loaded;
  let closing: Promise<void> | undefined;

  /** Waits for `work`, at most so long. */
  function within(ms: number, work: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const stopTimer = platform.timers.after(ms, resolve);
      void work.then(stopTimer).then(resolve);
    });
  }

  async function close(reason: string, drainMs: number): Promise<void> {
    log.info("gateway stopping", { reason });
    handlers.stopAccepting();
    for (const listener of handlers.listeners) listener.refuse();
    state.hub.broadcast("shutdown", { reason, restartExpectedMs: 0 });
    await Promise.all([state.runs.stop(drainMs), within(drainMs, state.dispatcher.idle())]);
    state.hub.closeAll(CLOSE.shutdown, reason);
    await within(LIMITS.closeGraceMs, handlers.admission.empty());
    await stop();
    log.info("gateway stopped");
  }

  return {
    port: handlers.listeners[0]?.port ?? 0,
    urls: urlsOf(handlers.listeners),
    stateDir: store.paths.stateDir,
    configPath: snapshot.path,
    token: config.token,
    log,
    ready,
    broadcast: (event, payload, options) => state.hub.broadcast(event, payload, options),
    close: ({ reason = "gateway stopping", drainMs = LIMITS.drainMs } = {}) =>
      (closing ??= close(reason, drainMs)),
  };
}
