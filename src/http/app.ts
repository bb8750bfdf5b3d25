// The preset whose router is ready at once: there are few routes, and a start should not sort them.
import { Hono } from "hono/quick";
import { RpcError } from "../contract/errors.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Caller } from "../feature.ts";
import type { Peer } from "../ports.ts";
import type { Admission } from "../rpc/admission.ts";
import type { Grant } from "../rpc/auth.ts";
import { JSONRPC_SUBPROTOCOL } from "../rpc/codecs/choose.ts";
import { Connection, type ConnectionParts } from "../rpc/connection.ts";
import type { OpenRpc } from "../rpc/describe.ts";
import { internalError } from "../rpc/internal.ts";
import { stopping, tooManyOverHttp } from "../rpc/refusals.ts";
import { checkHost, checkOrigin, checkQuery, clientAddress, credentialsOf } from "./guard.ts";
import { type Metric, metricsText } from "./metrics.ts";
import { Inflight, type PluginRoutes, servePlugin } from "./plugins.ts";
import { json, refusal } from "./respond.ts";
import { serveRpc } from "./rpc.ts";

/** What the owner has said about who may come in. Read for each request. */
export interface HttpSettings {
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly isMetricsPublic: boolean;
}

export interface HttpParts {
  readonly connection: ConnectionParts;
  readonly admission: Admission;
  readonly settings: () => HttpSettings;
  /** Names of the parts that have not started yet. */
  readonly waiting: () => string[];
  /** Settings that wait for a restart. */
  readonly restartOwed: () => string[];
  readonly describe: () => OpenRpc;
  readonly metrics: () => Metric[];
  /** Absent while no plugin runs: its code is loaded then. */
  readonly pluginRoutes: () => PluginRoutes | undefined;
}

type Env = { Bindings: { peer: Peer } };

/** Every route of the one port. @source PROTOCOL §1 */
export function createHttpApp(
  parts: HttpParts,
): (request: Request, peer: Peer) => Response | Promise<Response> {
  const app = new Hono<Env>({ strict: false });
  const { settings } = parts;
  const rpc = rpcRoute(parts);

  app.get("/healthz", () => json({ status: "ok" }));

  app.use(async (c, next) => {
    const { headers, url } = c.req.raw;
    const error =
      checkHost(headers.get("host"), settings().allowedHosts) ??
      checkOrigin(headers, settings().allowedOrigins) ??
      checkQuery(url);
    return error ? refusal(error) : next();
  });

  app.get("/readyz", (c) => {
    const { headers } = c.req.raw;
    // What the configuration lacks is for those who may see it, and no reason to call it not ready.
    const grant = headers.has("authorization") ? authenticate(parts, c.req.raw, c.env.peer) : undefined;
    if (grant instanceof RpcError) return refusal(grant);
    const detail = grant && { restartOwed: parts.restartOwed() };
    const waiting = parts.waiting();
    if (waiting.length === 0) return json({ status: "ready", ...detail });
    return json({ status: "starting", waiting, ...detail }, 503);
  });

  app.get("/ws", (c) => upgrade(parts, c.req.raw, c.env.peer));
  app.get("/", (c) =>
    c.req.header("upgrade") ? upgrade(parts, c.req.raw, c.env.peer) : unknownPath(c.req.raw),
  );

  app.post("/rpc", (c) => rpc(c.req.raw, c.env.peer));

  app.get("/schema", (c) => {
    const grant = authenticate(parts, c.req.raw, c.env.peer);
    return grant instanceof RpcError ? refusal(grant) : json(parts.describe());
  });

  app.get("/metrics", (c) => {
    const grant = settings().isMetricsPublic ? undefined : authenticate(parts, c.req.raw, c.env.peer);
    if (grant instanceof RpcError) return refusal(grant);
    return new Response(metricsText(parts.metrics()), {
      headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
    });
  });

  const plugins = pluginRoute(parts);
  app.notFound(async (c) => (await plugins(c.req.raw, c.env.peer)) ?? unknownPath(c.req.raw));
  app.onError((error) =>
    refusal(
      internalError(parts.connection, { logged: "request failed", said: "Cannot serve request" }, error),
    ),
  );

  return (request, peer) => {
    // Before the router: it takes the path out of an address made from this very header.
    const host = request.headers.get("host");
    const isReadable = host !== null && /^[^\s,/@?#\\<>"]+$/.test(host);
    if (!isReadable)
      return refusal(
        new RpcError("invalid_request", "Cannot serve request: its Host header is not one host"),
      );
    return app.fetch(request, { peer });
  };
}

function rpcRoute(parts: HttpParts): (request: Request, peer: Peer) => Promise<Response> {
  const { connection } = parts;
  let inflight = 0;
  return async (request, peer) => {
    const grant = authenticate(parts, request, peer);
    if (grant instanceof RpcError) return refusal(grant);
    if (!connection.isAccepting()) return refusal(stopping());
    if (inflight >= LIMITS.httpInflightMax) return refusal(tooManyOverHttp());
    inflight++;
    try {
      return await serveRpc(request, connection.dispatcher, httpCaller(parts, grant, request));
    } finally {
      inflight--;
    }
  };
}

/** What no route of the gateway answers may be a plugin's. */
function pluginRoute(parts: HttpParts): (request: Request, peer: Peer) => Promise<Response | undefined> {
  const { connection, settings } = parts;
  const inflight = new Inflight();
  return async (request, peer) => {
    const routes = parts.pluginRoutes();
    if (!routes) return undefined;
    if (!connection.isAccepting()) return refusal(stopping());
    const address = clientAddress(peer.address, request.headers, settings().trustedProxies);
    return servePlugin(request, address, {
      routes,
      inflight,
      timers: connection.timers,
      authenticate: () => authenticate(parts, request, peer),
    });
  };
}

/** Everything is checked before the upgrade: a page on another site never gets a socket. */
function upgrade(parts: HttpParts, request: Request, peer: Peer): Response {
  if (!parts.connection.isAccepting()) return refusal(stopping());
  const address = clientAddress(peer.address, request.headers, parts.settings().trustedProxies);
  const credentials = credentialsOf(request.headers);
  const grant = credentials && parts.connection.authenticator.check(credentials, address);
  if (grant instanceof RpcError) return refusal(grant);
  const place = parts.admission.admit(address, grant !== undefined);
  if (place instanceof RpcError) return refusal(place);

  const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
  const isJsonRpc = offered.includes(JSONRPC_SUBPROTOCOL);
  const response = peer.upgrade(request, {
    ...(isJsonRpc && { protocol: JSONRPC_SUBPROTOCOL }),
    open: (socket) => new Connection(parts.connection, { address, place, isJsonRpc, grant }, socket),
  });
  if (response) return response;
  place.release();
  const answer = json(
    { error: new RpcError("invalid_request", "Cannot open socket: not a WebSocket upgrade").toWire() },
    426,
  );
  answer.headers.set("upgrade", "websocket");
  return answer;
}

function authenticate(parts: HttpParts, request: Request, peer: Peer): Grant | RpcError {
  const address = clientAddress(peer.address, request.headers, parts.settings().trustedProxies);
  return parts.connection.authenticator.check(credentialsOf(request.headers) ?? {}, address);
}

function httpCaller({ connection }: HttpParts, grant: Grant, request: Request): Caller {
  return {
    connId: `http-${connection.crypto.id()}`,
    subject: `${grant.credential}:http`,
    name: "http",
    scopes: grant.scopes,
    connectedMs: connection.clock.elapsed(),
    onGone(work) {
      if (request.signal.aborted) {
        work();
        return () => {};
      }
      request.signal.addEventListener("abort", work, { once: true });
      return () => request.signal.removeEventListener("abort", work);
    },
  };
}

function unknownPath(request: Request): Response {
  const path =
    request.url
      .replace(/^[a-z]+:\/\/[^/]*/i, "")
      .split("?")[0]
      ?.slice(0, 100) ?? "";
  return refusal(new RpcError("not_found", `Cannot serve "${path}": no such path`));
}
