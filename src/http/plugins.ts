import { errorText, RpcError } from "../contract/errors.ts";
import { LIMITS } from "../contract/limits.ts";
import type { PluginRequestHead, PluginResponse } from "../plugins/api.ts";
import type { HttpAsked, RouteOffer } from "../plugins/running.ts";
import type { Timers } from "../ports.ts";
import type { Grant } from "../rpc/auth.ts";
import { utf8Bytes } from "../rpc/json.ts";
import { readBody } from "./body.ts";
import { refusal } from "./respond.ts";

/** A route of a plugin that a path leads to. */
export interface PluginMatch {
  readonly plugin: string;
  readonly route: RouteOffer;
  /** Below the plugin's own: `/x/y`. */
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  allow(head: PluginRequestHead): Promise<boolean>;
  answer(request: HttpAsked): Promise<PluginResponse>;
}

/** Where plugins' routes are found. */
export interface PluginRoutes {
  /** @returns the methods that are there, where only the method does not fit; undefined for nothing */
  find(method: string, path: string): PluginMatch | readonly string[] | undefined;
}

interface PluginHttpPorts {
  readonly routes: PluginRoutes;
  readonly timers: Timers;
  /** Who asks by the gateway's own token. */
  readonly authenticate: () => Grant | RpcError;
  /** What counts the requests that go on. */
  readonly inflight: Inflight;
}

/** Requests to one plugin that are being answered; the others' are not held up by them. */
export class Inflight {
  readonly #counts = new Map<string, number>();

  /** @returns undefined when there are too many */
  enter(plugin: string): (() => void) | undefined {
    const count = this.#counts.get(plugin) ?? 0;
    if (count >= LIMITS.pluginHttpMax) return undefined;
    this.#counts.set(plugin, count + 1);
    return () => {
      const left = (this.#counts.get(plugin) ?? 1) - 1;
      if (left === 0) this.#counts.delete(plugin);
      else this.#counts.set(plugin, left);
    };
  }
}

/**
 * Answers a request to a plugin's route, or undefined where there is none. Who asks is known, or refused,
 * before a byte of the body is read.
 *
 * @source THREATS T10
 */
export async function servePlugin(
  request: Request,
  address: string,
  ports: PluginHttpPorts,
): Promise<Response | undefined> {
  const url = targetOf(request);
  if (!url) return undefined;
  const method = request.method === "HEAD" ? "GET" : request.method;
  const found = ports.routes.find(method, url.pathname);
  if (found === undefined) return undefined;
  if (!("route" in found)) return wrongMethod(url.pathname, found);
  const head = headOf(request, { url, address, found });
  // The plugin may be asked who may call, and takes its time for it.
  const leave = ports.inflight.enter(found.plugin);
  if (!leave)
    return refusal(
      new RpcError("busy", `Cannot serve "${found.path}": plugin "${found.plugin}" answers others`, {
        retryAfterMs: 1_000,
      }),
    );
  try {
    const refused = await refusedBy(found, head, ports);
    if (refused) return refusal(refused);
    const body = await readBody(request, {
      timers: ports.timers,
      bytesMax: LIMITS.pluginBodyBytesMax,
      ms: LIMITS.pluginBodyMs,
    });
    return toResponse(await found.answer({ ...head, body }), found.plugin);
  } catch (error) {
    if (error instanceof RpcError) return refusal(error);
    throw new Error(`plugin "${found.plugin}" failed at ${method} ${found.route.path}: ${errorText(error)}`, {
      cause: error,
    });
  } finally {
    leave();
  }
}

/** Path and query; the host in front of them is made from a header, and need not be one that can be read. */
function targetOf({ url }: Request): URL | undefined {
  const target = `http://localhost${url.replace(/^[a-z]+:\/\/[^/?#]*/i, "")}`;
  return URL.canParse(target) ? new URL(target) : undefined;
}

async function refusedBy(
  { route, plugin, allow }: PluginMatch,
  head: PluginRequestHead,
  { authenticate }: PluginHttpPorts,
): Promise<RpcError | undefined> {
  const { auth } = route;
  if (auth.kind === "public") return undefined;
  if (auth.kind === "own")
    return (await allow(head))
      ? undefined
      : new RpcError("unauthorized", `Cannot serve "${head.path}": plugin "${plugin}" does not know you`);
  const grant = authenticate();
  if (grant instanceof RpcError) return grant;
  if (grant.scopes.includes(auth.scope)) return undefined;
  return new RpcError("forbidden", `Cannot serve "${head.path}": it needs the scope "${auth.scope}"`);
}

function headOf(
  request: Request,
  { url, address, found }: { readonly url: URL; readonly address: string; readonly found: PluginMatch },
): PluginRequestHead {
  const headers = Object.fromEntries(request.headers);
  // The gateway's own credential is none of a plugin's business, unless it is the one who asks for it.
  if (found.route.auth.kind === "gateway") delete headers["authorization"];
  return {
    method: request.method,
    path: found.path,
    params: found.params,
    query: Object.fromEntries(url.searchParams),
    headers,
    address,
  };
}

/** A page of a plugin is not one of the gateway's: what it may reach from a browser is nothing of ours. */
const HEADERS = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "content-security-policy": "sandbox",
};

/** What is between us and the client alone. @source RFC 9110 §7.6.1 */
const OURS: ReadonlySet<string> = new Set([
  "x-content-type-options",
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "upgrade",
  "trailer",
]);

/** For one that brings a policy: it may run scripts then, and still has no origin of ours. */
const SANDBOX = "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads";

function toResponse({ status = 200, headers = {}, body }: PluginResponse, plugin: string): Response {
  const isBytes = body instanceof Uint8Array;
  const isJson = typeof body === "object" && !isBytes;
  const sent = isJson ? JSON.stringify(body) : body;
  if (sent !== undefined && typeof sent !== "string" && !isBytes)
    throw new Error(`plugin "${plugin}" answered with a ${typeof sent}`);
  const bytes = typeof sent === "string" ? utf8Bytes(sent) : (sent?.byteLength ?? 0);
  if (bytes > LIMITS.pluginAnswerBytesMax)
    throw new RpcError("too_large", `Cannot answer: what plugin "${plugin}" says has ${bytes} bytes`);
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new Error(`plugin "${plugin}" answered with status ${status}`);
  const type = isJson ? "application/json; charset=utf-8" : "text/plain; charset=utf-8";
  const all = new Headers({ ...HEADERS, ...(sent !== undefined && { "content-type": type }) });
  for (const [name, value] of Object.entries(headers)) {
    const known = name.toLowerCase();
    if (known === "content-security-policy") all.set(known, `${value}, ${SANDBOX}`);
    else if (!OURS.has(known)) all.set(known, value);
  }
  // A view of other memory is copied: what is sent must not change on the way.
  return new Response(typeof sent === "string" || sent === undefined ? sent : new Uint8Array(sent), {
    status,
    headers: all,
  });
}

function wrongMethod(path: string, methods: readonly string[]): Response {
  const answer = refusal(
    new RpcError("invalid_request", `Cannot serve "${path}": its methods are ${methods.join(", ")}`),
  );
  const headers = new Headers(answer.headers);
  headers.set("allow", methods.join(", "));
  return new Response(answer.body, { status: 405, headers });
}
