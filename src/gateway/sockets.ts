import { errorText } from "../contract/errors.ts";
import { LIMITS } from "../contract/limits.ts";
import { createHttpApp } from "../http/app.ts";
import type { PluginRoutes } from "../http/plugins.ts";
import {
  AddressInUse,
  ListenError,
  type Listener,
  type Log,
  type Platform,
  type ServeOptions,
} from "../ports.ts";
import { Admission } from "../rpc/admission.ts";
import { Authenticator } from "../rpc/auth.ts";
import type { ConnectionParts } from "../rpc/connection.ts";
import { describeTable } from "../rpc/describe.ts";
import { VERSION } from "../version.ts";
import type { Loaded } from "./configuration.ts";
import { EXIT, StartError } from "./errors.ts";
import type { GatewayRuntimeConfig } from "./runtime-config.ts";
import type { GatewayRuntimeState, LiveConfig } from "./runtime-state.ts";

interface AttachParts {
  readonly platform: Platform;
  readonly loaded: Loaded;
  readonly live: LiveConfig;
  readonly config: GatewayRuntimeConfig;
  readonly state: GatewayRuntimeState;
  readonly waiting: () => string[];
  readonly pluginRoutes: () => PluginRoutes | undefined;
}

/** What the listeners serve, and the doors of it. */
export interface Handlers {
  readonly serve: Omit<ServeOptions, "hostname" | "port">;
  readonly listeners: Listener[];
  readonly admission: Admission;
  stopAccepting(): void;
}

/** Routes, guards and connections: what a request meets from the port to the dispatcher. */
export function attachGatewayWsHandlers(parts: AttachParts): Handlers {
  const { platform, loaded, live, config, state, waiting, pluginRoutes } = parts;
  const { store, log, snapshot } = loaded;
  const { gateway } = store.current();
  let isAccepting = true;
  const admission = new Admission(() => store.current().gateway.limits.clientsMax);
  const { frameBytesMax } = gateway.limits;
  const connection: ConnectionParts = {
    ...platform,
    ...state,
    authenticator: new Authenticator(config.auth, platform, loaded.localToken),
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
    admission,
    waiting,
    restartOwed: () => live.status().restartOwed,
    settings: () => {
      const { allowedHosts, allowedOrigins, trustedProxies, metrics } = store.current().gateway;
      return {
        allowedHosts: [...config.ownHosts, ...allowedHosts],
        allowedOrigins,
        trustedProxies,
        isMetricsPublic: metrics.public,
      };
    },
    describe: () => describeTable(VERSION, state.table),
    metrics: state.metrics,
    pluginRoutes,
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
    onError: (error) => log.error("server error", { error: errorText(error) }),
  };
  return { serve, listeners: [], admission, stopAccepting: () => void (isAccepting = false) };
}

/** Opens every address; only the first one has to be had. @throws StartError 75 naming who has the port */
export async function listen(
  platform: Platform,
  config: GatewayRuntimeConfig,
  { serve, log }: { readonly serve: Handlers["serve"]; readonly log: Log },
): Promise<Listener[]> {
  const listeners: Listener[] = [];
  for (const hostname of config.hostnames) {
    const port = listeners[0]?.port ?? config.port;
    try {
      listeners.push(await platform.serve({ ...serve, hostname, port }));
    } catch (error) {
      // A machine without IPv6 has no ::1; the port beside ours may be somebody else's.
      if (listeners.length > 0) {
        log.info("address not listened on", { hostname, port, reason: String(error) });
        continue;
      }
      if (!(error instanceof ListenError)) throw error;
      if (!(error instanceof AddressInUse)) throw new StartError(EXIT.failed, [error.message]);
      throw new StartError(EXIT.busy, [
        `Cannot listen on ${hostname}:${port}: ${await whoListens(hostname, port)}`,
      ]);
    }
  }
  return listeners;
}

/** A gateway answers its health route; anything else is just somebody. */
async function whoListens(hostname: string, port: number): Promise<string> {
  try {
    const response = await fetch(`${urlOf({ hostname, port })}/healthz`, {
      signal: AbortSignal.timeout(500),
    });
    if ((await response.text()) === '{"status":"ok"}') return "another gateway is there already";
  } catch {
    // Not HTTP, or not in time: then it is no gateway.
  }
  return "another program has the port";
}

/** Where clients on this machine connect, the surest first. */
export function urlsOf(listeners: readonly Listener[]): [string, ...string[]] {
  const [first = "", ...rest] = listeners.map(urlOf);
  return [first, ...rest];
}

function urlOf({ hostname, port }: Pick<Listener, "hostname" | "port">): string {
  const host = hostname === "0.0.0.0" ? "127.0.0.1" : hostname;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
