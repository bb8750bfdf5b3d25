import { createDetector } from "./agents/detect.ts";
import { createRunner } from "./agents/runtime.ts";
import type { Flag } from "./config/env.ts";
import { formatIssue } from "./config/issues.ts";
import { secretValues } from "./config/redact.ts";
import { type ConfigStore, createConfigStore, type ValidSnapshot } from "./config/store.ts";
import { CLOSE } from "./contract/errors.ts";
import { LIMITS } from "./contract/limits.ts";
import { createLifetime, type PublishOptions } from "./feature.ts";
import { contracts } from "./features/contracts.ts";
import { EXIT, StartError } from "./gateway/errors.ts";
import { readHolder, STATE_FILE, writeHolder } from "./gateway/holder.ts";
import { type GatewayRuntimeConfig, type GatewayToken, resolveGatewayRuntimeConfig } from "./gateway/runtime-config.ts";
import { createGatewayRuntimeState, type GatewayRuntimeState } from "./gateway/runtime-state.ts";
import { createHttpApp } from "./http/app.ts";
import { createLog, type LogFormat } from "./platform/log.ts";
import { AddressInUse, type Database, type Listener, type Log, type Platform, type ServeOptions } from "./ports.ts";
import { Admission } from "./rpc/admission.ts";
import { Authenticator } from "./rpc/auth.ts";
import type { ConnectionParts } from "./rpc/connection.ts";
import { describeTable } from "./rpc/describe.ts";
import { VERSION } from "./version.ts";

export interface GatewayOptions {
  readonly platform: Platform;
  /** Command line options; each wins over the environment and the file. */
  readonly flags?: {
    readonly bind?: string;
    readonly token?: string;
    readonly config?: string;
    readonly stateDir?: string;
    readonly logFormat?: string;
  };
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
  /** Refuses new work, tells clients, gives what runs `drainMs`, closes. Once; later calls wait for the first. */
  close(options?: { readonly reason?: string; readonly drainMs?: number }): Promise<void>;
}

/**
 * Starts a gateway: the six steps, in order. What has been started is stopped again when a later step
 * fails.
 *
 * @param port wins over every other setting; 0 lets the system choose; undefined leaves it to the configuration
 * @throws StartError 78 the configuration cannot be used; 75 the port or the state directory is taken
 */
export async function startGatewayServer(port: number | undefined, options: GatewayOptions): Promise<GatewayServer> {
  const { platform } = options;
  const lifetime = createLifetime((error) => platform.process.stderr.write(`stop failed: ${String(error)}\n`));
  try {
    const loaded = await loadConfiguration(port, options);
    const { store, log } = loaded;
    const { stateDir } = store.paths;
    lifetime.onStop(await takeStateDir(platform, stateDir));
    const { files, crypto, process } = platform;
    const machine = { files, crypto, stateDir, addresses: process.addresses(), hostname: process.hostname };
    const config = await resolveGatewayRuntimeConfig(store.current(), machine);
    loaded.secrets.push(...(config.token ? [config.token.value] : []));

    const db = openDatabase(platform, `${stateDir}/gateway.db`);
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

    const handlers = attachGatewayWsHandlers({ options, loaded, config, state, waiting: agents.waiting });
    for (const listener of await listen(platform, config, handlers.serve)) {
      handlers.listeners.push(listener);
      lifetime.onStop(() => listener.stop());
    }
    const sidecars = await startGatewaySidecars({ platform, loaded, agents, listeners: handlers.listeners });
    lifetime.onStop(sidecars.stop);
    return createServer({ platform, loaded, config, state, handlers, ready: sidecars.ready, stop: () => lifetime.stop() });
  } catch (error) {
    await lifetime.stop();
    throw error;
  }
}

// --- 1. the configuration ---

interface Loaded {
  readonly store: ConfigStore;
  readonly snapshot: ValidSnapshot;
  readonly log: Log;
  /** Texts the log hides. */
  readonly secrets: string[];
}

async function loadConfiguration(port: number | undefined, { platform, flags = {} }: GatewayOptions): Promise<Loaded> {
  const { files, crypto, process } = platform;
  const given: readonly Flag[] = [
    { key: "gateway.port", name: "--port", value: port },
    { key: "gateway.bind", name: "--bind", value: flags.bind },
    { key: "gateway.auth.token", name: "--token", value: flags.token },
    { key: "gateway.log.format", name: "--log-format", value: flags.logFormat },
  ];
  const sections = Object.fromEntries(contracts.flatMap(({ name, config }) => (config ? [[name, config]] : [])));
  const store = createConfigStore({
    files,
    crypto,
    env: process.env,
    home: process.home,
    configPath: flags.config,
    stateDir: flags.stateDir,
    flags: given.filter((flag) => flag.value !== undefined),
    sections,
  });
  const snapshot = await store.load();
  if (!snapshot.valid) throw new StartError(EXIT.config, snapshot.errors.map(formatIssue));
  const secrets = [...secretValues(store.schema, snapshot.config)];
  const { format, level } = snapshot.config.gateway.log;
  const logFormat: LogFormat = format;
  const log = createLog({ sink: process.stderr, format: logFormat, level, clock: platform.clock, secrets: () => secrets });
  for (const warning of snapshot.warnings) log.warn(formatIssue(warning));
  return { store, snapshot, log, secrets };
}

// --- the state directory ---

/** @returns how to give it back. @throws StartError 75 naming who has it */
async function takeStateDir(platform: Platform, stateDir: string): Promise<() => void> {
  await platform.files.ensurePrivateDir(stateDir);
  const release = platform.lock(`${stateDir}/gateway.lock`);
  if (release) return release;
  const holder = await readHolder(platform.files, stateDir);
  const who = holder ? ` (process ${holder.pid}, ${holder.url})` : "";
  throw new StartError(EXIT.busy, [`Cannot use state directory "${stateDir}": another gateway${who} has it`]);
}

function openDatabase(platform: Platform, path: string): Database {
  try {
    return platform.openDatabase(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StartError(EXIT.failed, [`Cannot open database "${path}": ${reason}`]);
  }
}

// --- 4. the agents of the runtime state ---

function createAgents({ timers, clock, process }: Platform, { store, log }: Loaded) {
  const detect = createDetector({ env: process.env, fetch, timers });
  const isConfigured = (): boolean => configuredModel(store) !== undefined;
  let found: string | undefined;
  return {
    runner: createRunner({ config: () => store.current(), env: process.env, detect, fetch, timers, clock, log }),
    defaultModel: () => configuredModel(store) ?? found ?? "",
    waiting: () => (isConfigured() || found !== undefined ? [] : ["models"]),
    /** Looks for a model where none is configured, and says what it found. */
    async detect(): Promise<void> {
      if (isConfigured()) return;
      const { model, line } = await detect();
      found = model;
      log.info(line);
    },
  };
}

function configuredModel(store: ConfigStore): string | undefined {
  const { model } = store.current().agents.defaults;
  return typeof model === "string" ? model : model?.primary;
}

// --- 5. the sockets ---

interface AttachParts {
  readonly options: GatewayOptions;
  readonly loaded: Loaded;
  readonly config: GatewayRuntimeConfig;
  readonly state: GatewayRuntimeState;
  readonly waiting: () => string[];
}

interface Handlers {
  readonly serve: Omit<ServeOptions, "hostname" | "port">;
  readonly listeners: Listener[];
  readonly admission: Admission;
  stopAccepting(): void;
}

/** Routes, guards and connections: what a request meets from the port to the dispatcher. */
function attachGatewayWsHandlers({ options, loaded, config, state, waiting }: AttachParts): Handlers {
  const { platform } = options;
  const { store, log, snapshot } = loaded;
  const { gateway } = store.current();
  let isAccepting = true;
  const authenticator = new Authenticator(config.auth, platform);
  const admission = new Admission(() => store.current().gateway.limits.clientsMax);
  const { frameBytesMax } = gateway.limits;
  const connection: ConnectionParts = {
    ...platform,
    ...state,
    authenticator,
    log,
    server: {
      name: "gateway",
      version: VERSION,
      runtime: platform.runtime,
      configPath: snapshot.path,
      stateDir: store.paths.stateDir,
      frameBytesMax,
      health: state.health,
    },
    isAccepting: () => isAccepting,
  };
  const fetch = createHttpApp({
    connection,
    authenticator,
    admission,
    waiting,
    settings: () => {
      const { allowedHosts, allowedOrigins, trustedProxies, metrics } = store.current().gateway;
      return { allowedHosts: [...config.ownHosts, ...allowedHosts], allowedOrigins, trustedProxies, isMetricsPublic: metrics.public };
    },
    describe: () => describeTable(VERSION, state.table),
    metrics: state.metrics,
  });
  const serve: Handlers["serve"] = {
    fetch,
    bodyBytesMax: LIMITS.bodyBytesMax,
    idleSeconds: LIMITS.httpIdleSeconds,
    socket: {
      messageBytesMax: frameBytesMax,
      bufferedBytesMax: 2 * (LIMITS.outboundBytesMax + LIMITS.outboundReserveBytes),
      pingMs: LIMITS.pingMs,
      pingsMissedMax: LIMITS.pingsMissedMax,
    },
    onError: (error) => log.error("server error", { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  };
  return { serve, listeners: [], admission, stopAccepting: () => void (isAccepting = false) };
}

/** Opens every address; only the first one has to be had. @throws StartError 75 naming who has the port */
async function listen(platform: Platform, config: GatewayRuntimeConfig, serve: Handlers["serve"]): Promise<Listener[]> {
  const listeners: Listener[] = [];
  for (const hostname of config.hostnames) {
    const port = listeners[0]?.port ?? config.port;
    try {
      listeners.push(await platform.serve({ ...serve, hostname, port }));
    } catch (error) {
      // A machine without IPv6 has no ::1; the port beside ours may be somebody else's.
      if (listeners.length > 0) continue;
      if (!(error instanceof AddressInUse)) throw error;
      throw new StartError(EXIT.busy, [`Cannot listen on ${hostname}:${port}: ${await whoListens(hostname, port)}`]);
    }
  }
  return listeners;
}

/** A gateway answers its health route; anything else is just somebody. */
async function whoListens(hostname: string, port: number): Promise<string> {
  const host = hostname === "0.0.0.0" ? "127.0.0.1" : hostname;
  try {
    const response = await fetch(`http://${host}:${port}/healthz`, { signal: AbortSignal.timeout(500) });
    if ((await response.text()) === '{"status":"ok"}') return "another gateway is there already";
  } catch {
    // Not HTTP, or not in time: then it is no gateway.
  }
  return "another program has the port";
}

// --- 6. what runs beside ---

interface SidecarParts {
  readonly platform: Platform;
  readonly loaded: Loaded;
  readonly agents: ReturnType<typeof createAgents>;
  readonly listeners: readonly Listener[];
}

/** What is not needed to answer: the note in the state directory and the search for a model. */
async function startGatewaySidecars({ platform, loaded, agents, listeners }: SidecarParts) {
  const { files, process, clock } = platform;
  const { store, log } = loaded;
  const { stateDir } = store.paths;
  const [url] = urlsOf(listeners);
  const { port = 0 } = listeners[0] ?? {};
  await writeHolder(files, stateDir, { pid: process.pid, url, port, version: VERSION, startedAtMs: clock.now() });
  log.info("gateway listening", { url, version: VERSION, runtime: platform.runtime, pid: process.pid });
  const ready = agents.detect().catch((error: unknown) => log.error("model detection failed", { error: String(error) }));
  return { ready, stop: () => files.remove(`${stateDir}/${STATE_FILE}`) };
}

function urlsOf(listeners: readonly Listener[]): [string, ...string[]] {
  const [first = "", ...rest] = listeners.map(({ hostname, port }) => {
    const host = hostname === "0.0.0.0" ? "127.0.0.1" : hostname;
    return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  });
  return [first, ...rest];
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

function createServer({ platform, loaded, config, state, handlers, ready, stop }: ServerParts): GatewayServer {
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
    close: ({ reason = "gateway stopping", drainMs = LIMITS.drainMs } = {}) => (closing ??= close(reason, drainMs)),
  };
}
