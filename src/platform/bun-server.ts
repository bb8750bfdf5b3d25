import type { Listener, Peer, ServeOptions } from "../ports.ts";
import { bunServeOptions } from "./bun-options.ts";
import { BunSocket, type BunSocketParts } from "./bun-socket.ts";
import { listenFailure } from "./listen-failure.ts";
import { Pings } from "./pings.ts";
import { refusal } from "./refusal.ts";

/** Listens with the runtime's own server and sockets. */
export async function bunServe(options: ServeOptions): Promise<Listener> {
  let isRefusing = false;
  const pings = new Pings(options.socket);
  const parts: BunSocketParts = { pings, onError: options.onError };
  const listen = (): Bun.Server<BunSocket> =>
    Bun.serve(
      bunServeOptions(options, (request, from) =>
        // Connections kept alive outlive the listening socket.
        isRefusing ? refusal("unavailable") : options.fetch(request, new BunPeer(request, from, parts)),
      ),
    );
  const server = listenOrEnd(listen, { ...options, undo: pings.stop });
  const { port } = server;
  if (port === undefined) throw new Error(`Cannot listen on "${options.hostname}": the server has no port`);

  const refuse = (): void => {
    if (isRefusing) return;
    isRefusing = true;
    // Its promise waits for every open socket; `stop` is what ends them.
    server.stop().catch(options.onError);
  };
  return {
    hostname: options.hostname,
    port,
    refuse,
    async stop() {
      isRefusing = true;
      await server.stop(true);
      pings.stop();
    },
  };
}

type ListenFailure = { readonly hostname: string; readonly port: number; undo(): void };

function listenOrEnd<T>(listen: () => T, { hostname, port, undo }: ListenFailure): T {
  try {
    return listen();
  } catch (cause) {
    undo();
    throw listenFailure(cause, { hostname, port });
  }
}

class BunPeer implements Peer {
  readonly #request: Request;
  readonly #server: Bun.Server<BunSocket>;
  readonly #parts: BunSocketParts;

  constructor(request: Request, server: Bun.Server<BunSocket>, parts: BunSocketParts) {
    this.#request = request;
    this.#server = server;
    this.#parts = parts;
  }

  get address(): string {
    // Empty once the peer has gone: nobody will get the answer.
    return this.#server.requestIP(this.#request)?.address ?? "";
  }

  upgrade(request: Request, { protocol, open }: Parameters<Peer["upgrade"]>[1]): Response | undefined {
    // The runtime checks the rest of the handshake, but not this (RFC 6455 §4.2.1, 4).
    if (!/\bupgrade\b/i.test(request.headers.get("connection") ?? "")) return undefined;
    const offered = request.headers.get("sec-websocket-protocol");
    // Left alone, the runtime confirms the first protocol offered; an empty header confirms none.
    const headers = offered === null ? {} : { "Sec-WebSocket-Protocol": protocol ?? "" };
    const socket = new BunSocket(this.address, this.#parts, open);
    if (!this.#server.upgrade(request, { data: socket, headers })) return undefined;
    // The runtime has answered already and discards this one.
    return new Response(null);
  }
}
