import { errorText } from "./contract/errors.ts";
import { LIMITS } from "./contract/limits.ts";
import { createLifetime, type PublishOptions } from "./feature.ts";
import { type Agents, createAgents } from "./gateway/agents.ts";
import {
  convertOld,
  type GatewayFlags,
  type Loaded,
  loadConfiguration,
  takeStateDir,
} from "./gateway/configuration.ts";
import { openStorage, orEndByDatabase } from "./gateway/database.ts";
import { writeHolder } from "./gateway/holder.ts";
import { type FollowedConfig, followConfiguration } from "./gateway/live-config.ts";
import { keepSmall } from "./gateway/memory.ts";
import { DATABASE_FILE, STATE_FILE, TOKEN_FILE } from "./gateway/names.ts";
import { type GatewayToken, resolveGatewayRuntimeConfig } from "./gateway/runtime-config.ts";
import { createPlugins, type Plugins } from "./gateway/plugins.ts";
import { Restarts } from "./gateway/restarts.ts";
import { applyHot, checkPlace, createRunning, type Running } from "./gateway/running.ts";
import { type Core, createGatewayRuntimeState, type LiveConfig } from "./gateway/runtime-state.ts";
import { attachGatewayWsHandlers, listen, urlsOf } from "./gateway/sockets.ts";
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
  /** Reads the configuration's files now, and does what they ask for; never rejects. */
  reload(): Promise<void>;
  /** Sends a declared event to every client whose scopes allow it. @throws Error for one nobody declared */
  broadcast(event: string, payload: object, options?: PublishOptions): void;
  /** Resolves when every configured part has started. */
  readonly ready: Promise<void>;
  /** Rejects should a restart fail for good: nothing runs any more then. Stays pending otherwise. */
  readonly failed: Promise<never>;
  /**
   * Refuses new work, tells clients, gives what runs `drainMs`, closes. Once; later calls wait for the
   * first.
   */
  close(options?: { readonly reason?: string; readonly drainMs?: number }): Promise<void>;
}

/**
 * Starts a gateway: the six steps, in order, then whatever is written into the configuration is followed.
 * What has been started is stopped again when a later step fails.
 *
 * @param port wins over every other setting; 0 lets the system choose; undefined leaves it to the
 * configuration
 * @throws StartError 78 the configuration cannot be used; 75 the port or the state directory is taken
 */
export async function startGatewayServer(
  port: number | undefined,
  options: GatewayOptions,
): Promise<GatewayServer> {
  try {
    return await start(port, options);
  } catch (error) {
    const { undoUnconfirmed } = await import("./gateway/unconfirmed.ts");
    if (!(await undoUnconfirmed(options.platform, options.flags ?? {}, error))) throw error;
    return start(port, options);
  }
}

async function start(
  port: number | undefined,
  { platform, flags = {} }: GatewayOptions,
): Promise<GatewayServer> {
  const { process } = platform;
  const lifetime = createLifetime((error) => process.stderr.write(`stop failed: ${String(error)}\n`));
  try {
    // 1. The configuration; and the state directory is ours or nobody's.
    const read = await loadConfiguration(port, platform, flags);
    lifetime.onStop(await takeStateDir(platform, read.store.paths.stateDir));
    const loaded = await convertOld(platform, read);
    const { store, log } = loaded;
    const { stateDir } = store.paths;

    // 2. to 6. What a restart does again.
    const restarts: Restarts<Running> = new Restarts<Running>({
      start: (stopped) => startRunning({ platform, loaded, live, former: stopped && portsOf(stopped) }),
      check: (target) => checkPlace(platform, { target, stateDir, running: restarts.running }),
      target: () => live.latest(),
      current: () => store.current(),
      use: (config) => store.use(config),
      onRestarted: (problem) => live.restarted(problem),
      log,
    });
    const live: FollowedConfig = followConfiguration({
      platform,
      loaded,
      broadcast(event, payload) {
        // Between the end of one and the start of the next there is nobody to tell, and nothing to do it.
        const state = restarts.hasStarted ? restarts.running.state : undefined;
        if (state?.table.event(event)) state.hub.broadcast(event, payload);
      },
      async apply(plan, config) {
        // What is about to restart begins with it anyway, and may be waiting for whoever asks for this.
        if (restarts.isStopping) return store.use(config);
        await restarts.settled();
        await applyHot(restarts.running, store, { plan, config });
      },
      settled: async () => {
        if (!restarts.isStopping) await restarts.settled();
      },
      restart: (isNow, isStillWanted) => restarts.request(isNow, isStillWanted),
    });
    await live.prepare();
    lifetime.onStop(() => platform.files.remove(`${stateDir}/${STATE_FILE}`));
    await restarts.begin();
    lifetime.onStop(() => restarts.running.stop("gateway stopping", { drainMs: 0, restartExpectedMs: 0 }));

    // Then whatever is written into the files is followed.
    lifetime.onStop(() => live.stop());
    await live.follow();
    return createServer({ loaded, live, restarts, stop: () => lifetime.stop() });
  } catch (error) {
    await lifetime.stop();
    throw error;
  }
}

interface StartParts {
  readonly platform: Platform;
  readonly loaded: Loaded;
  readonly live: LiveConfig;
  /** Of the one whose place it takes: a port that the system chose is asked for again. */
  readonly former: Ports | undefined;
}

interface Ports {
  readonly configured: number;
  readonly actual: number;
}

/** No more than numbers: whoever holds on to the one before holds on to all that were. */
function portsOf({ config, handlers }: Running): Ports {
  return { configured: config.port, actual: handlers.listeners[0]?.port ?? config.port };
}

async function startRunning({ platform, loaded, live, former }: StartParts): Promise<Running> {
  const { process } = platform;
  const { stateDir } = loaded.store.paths;
  const lifetime = createLifetime((error) => loaded.log.error("stop failed", { error: errorText(error) }));
  let hasStarted = false;
  try {
    // 2. Plugins: which of them run, by the configuration and by what they are switched on by themselves.
    const plugins = createPlugins({ platform, loaded, lifetime });

    // 3. What the configuration comes down to on this machine: addresses, credentials.
    const config = await resolveGatewayRuntimeConfig(loaded.store.current(), { ...platform, stateDir });
    if (config.token && !loaded.secrets.includes(config.token.value)) loaded.secrets.push(config.token.value);
    lifetime.onStop(async () => {
      // Nobody has seen it: the start that succeeds makes and shows its own.
      if (config.token?.created && !hasStarted) await platform.files.remove(`${stateDir}/${TOKEN_FILE}`);
    });

    // 4. Registry, hub, dispatcher, features: everything that knows no socket.
    const storage = await openStorage({ platform, log: loaded.log, path: `${stateDir}/${DATABASE_FILE}` });
    lifetime.onStop(() => storage.db.close());
    const agents = createAgents(platform, loaded, { lifetime, plugins });
    const known = {
      ...platform,
      ...loaded,
      storage,
      live,
      others: (core: Core) => [agents.feature, ...plugins.features(core)],
      isPluginAgent: plugins.agents.has,
      hooks: plugins.hooks,
      runner: agents.runner,
      defaultModel: agents.defaultModel,
      priceOf: agents.priceOf,
      rssBytes: () => process.rssBytes(),
      home: process.home,
      cpuCount: process.cpuCount,
    };
    const state = orEndByDatabase(storage, () => createGatewayRuntimeState(known));
    lifetime.onStop(() => state.lifetime.stop());

    // 5. Routes, guards and connections, and the port they are on.
    const handlers = attachGatewayWsHandlers({
      platform,
      loaded,
      live,
      config,
      state,
      waiting: () => [...agents.waiting(), ...plugins.waiting()],
      pluginRoutes: plugins.routes,
    });
    const place = { ...config, port: former?.configured === config.port ? former.actual : config.port };
    for (const listener of await listen(platform, place, { serve: handlers.serve, log: loaded.log })) {
      handlers.listeners.push(listener);
      lifetime.onStop(() => listener.stop());
    }

    // 6. What runs beside.
    const { listeners } = handlers;
    lifetime.onStop(keepSmall(process, platform.timers));
    const { ready } = await startGatewaySidecars({ platform, loaded, agents, listeners, plugins });
    hasStarted = true;
    const parts = { config, state, handlers, ready, onStopping: plugins.stopping };
    return createRunning(platform, parts, () => lifetime.stop());
  } catch (error) {
    await lifetime.stop();
    throw error;
  }
}

interface SidecarParts {
  readonly platform: Platform;
  readonly loaded: Loaded;
  readonly agents: Agents;
  readonly plugins: Plugins;
  readonly listeners: readonly Listener[];
}

/** What is not needed to answer: the note in the state directory, the search for a model, plugins. */
async function startGatewaySidecars({ platform, loaded, agents, plugins, listeners }: SidecarParts) {
  const { files, process, clock } = platform;
  const { store, log } = loaded;
  const { stateDir } = store.paths;
  const [url] = urlsOf(listeners);
  const { port = 0 } = listeners[0] ?? {};
  const { localToken } = loaded;
  const holder = { pid: process.pid, url, port, version: VERSION, startedAtMs: clock.now(), localToken };
  // Before the word that we listen: who waits for it asks this file where. The port is served meanwhile.
  await writeHolder(files, stateDir, holder).catch((error: unknown) =>
    log.error("state file not written: a second gateway cannot name this one", { error: String(error) }),
  );
  log.info("gateway listening", { url, version: VERSION, runtime: platform.runtime, pid: process.pid });
  plugins.attach();
  return { ready: Promise.all([agents.detect(plugins.settled()), plugins.settled()]).then(() => {}) };
}

// --- the running gateway ---

interface ServerParts {
  readonly loaded: Loaded;
  readonly live: FollowedConfig;
  readonly restarts: Restarts<Running>;
  stop(): Promise<void>;
}

function createServer({ loaded, live, restarts, stop }: ServerParts): GatewayServer {
  const { store, log, snapshot } = loaded;
  let closing: Promise<void> | undefined;

  async function close(reason: string, drainMs: number): Promise<void> {
    log.info("gateway stopping", { reason });
    await restarts.close();
    await restarts.running.stop(reason, { drainMs, restartExpectedMs: 0 });
    await stop();
    log.info("gateway stopped");
  }

  return {
    get port() {
      return restarts.running.handlers.listeners[0]?.port ?? 0;
    },
    get urls() {
      return urlsOf(restarts.running.handlers.listeners);
    },
    get token() {
      return restarts.running.config.token;
    },
    get ready() {
      return restarts.running.ready;
    },
    stateDir: store.paths.stateDir,
    configPath: snapshot.path,
    log,
    failed: restarts.failed,
    reload: () => live.reload(),
    broadcast: (event, payload, options) => restarts.running.state.hub.broadcast(event, payload, options),
    close: ({ reason = "gateway stopping", drainMs = LIMITS.drainMs } = {}) =>
      (closing ??= close(reason, drainMs)),
  };
}
