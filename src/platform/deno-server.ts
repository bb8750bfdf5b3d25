import type { Listener, Peer, ServeOptions } from "../ports.ts";
import { withBodyLimit } from "./deno-body.ts";
import { attachSocket, type DenoSocketParts } from "./deno-socket.ts";
import { Drains } from "./drains.ts";
import { listenFailure } from "./listen-failure.ts";
import { refusal } from "./refusal.ts";

/** How long peers get to take their close frame when everything ends. */
const farewellMs = 100;

/**
 * Listens with the runtime's own server and sockets.
 *
 * `idleSeconds` has no counterpart: the runtime ends no HTTP connection for being silent.
 */
export async function denoServe(options: ServeOptions): Promise<Listener> {
  let isRefusing = false;
  const { onError, socket: limits } = options;
  const parts: DenoSocketParts = { limits, onError, drains: new Drains(), open: new Set() };
  const ending = new AbortController();
  const server = listen(options, ending.signal, (request, { remoteAddr }) => {
    // `shutdown` would end the open sockets as well, so new requests are turned away one by one.
    if (isRefusing) return refusal("unavailable");
    const peer = new DenoPeer(remoteAddr.hostname, parts);
    return withBodyLimit(request, options.bodyBytesMax, (limited) => options.fetch(limited, peer));
  });
  const refuse = (): void => {
    isRefusing = true;
  };
  const stop = async (): Promise<void> => {
    refuse();
    const isSomeoneToTell = parts.open.size > 0;
    for (const socket of [...parts.open]) socket.close(1001, "server is stopping");
    if (isSomeoneToTell) await new Promise((resolve) => setTimeout(resolve, farewellMs));
    ending.abort();
    await server.finished;
  };
  let stopped: Promise<void> | undefined;
  return { hostname: options.hostname, port: server.addr.port, refuse, stop: () => (stopped ??= stop()) };
}

function listen(
  { hostname, port, onError }: ServeOptions,
  signal: AbortSignal,
  handler: Deno.ServeHandler<Deno.NetAddr>,
): Deno.HttpServer<Deno.NetAddr> {
  const settings: Deno.ServeTcpOptions = {
    hostname,
    port,
    // A second gateway must fail to bind, not share the port.
    reusePort: false,
    signal,
    // The default prints a line.
    onListen: () => {},
    onError(error) {
      onError(error);
      return refusal("internal");
    },
  };
  try {
    return Deno.serve(settings, handler);
  } catch (cause) {
    throw listenFailure(cause, { hostname, port });
  }
}

class DenoPeer implements Peer {
  readonly address: string;
  readonly #parts: DenoSocketParts;

  constructor(address: string, parts: DenoSocketParts) {
    this.address = address;
    this.#parts = parts;
  }

  upgrade(request: Request, { protocol, open }: Parameters<Peer["upgrade"]>[1]): Response | undefined {
    const { limits } = this.#parts;
    // The runtime pings after half of it and closes after the other half.
    const idleTimeout = (limits.pingMs * limits.pingsMissedMax) / 1000;
    const upgraded = tryUpgrade(
      request,
      protocol === undefined ? { idleTimeout } : { idleTimeout, protocol },
    );
    if (!upgraded) return undefined;
    attachSocket({ ws: upgraded.socket, remoteAddress: this.address, open }, this.#parts);
    return upgraded.response;
  }
}

function tryUpgrade(
  request: Request,
  options: Deno.UpgradeWebSocketOptions,
): Deno.WebSocketUpgrade | undefined {
  try {
    return Deno.upgradeWebSocket(request, options);
  } catch (error) {
    // How the runtime says that it is no valid upgrade request.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
