import type { Listener, Peer, Platform, ServeOptions, Socket, SocketHandler } from "../../src/ports.ts";
import { RawClient } from "./raw-client.ts";
import { Events } from "./suite.ts";

export const MIB = 1024 * 1024;

export type SocketEvent =
  | { readonly type: "message"; readonly text: string }
  | { readonly type: "drain" }
  | { readonly type: "close"; readonly code: number; readonly reason: string };

/** The server's end of one connection and what it was told. */
export class Accepted implements SocketHandler {
  readonly events = new Events<SocketEvent>();
  readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  message(text: string): void {
    this.events.push({ type: "message", text });
    if (text === "throw") throw new Error("handler failed");
    if (text.startsWith("echo ")) this.socket.send(text);
  }

  drain(): void {
    this.events.push({ type: "drain" });
  }

  close(code: number, reason: string): void {
    this.events.push({ type: "close", code, reason });
    if (reason === "throw") throw new Error("close failed");
  }
}

type Overrides = {
  readonly options?: Partial<ServeOptions>;
  readonly protocol?: string;
  readonly open?: (socket: Socket) => SocketHandler;
};

/** A server whose every upgrade request becomes a socket, and what it saw. */
export type Serving = {
  readonly listener: Listener;
  readonly accepted: Events<Accepted>;
  readonly errors: Events<unknown>;
  /** Opens a connection: both ends of it. */
  connect(
    headers?: Readonly<Record<string, string>>,
  ): Promise<{ client: RawClient; server: Accepted; head: string }>;
  stop(): Promise<void>;
};

export async function serve(
  platform: Platform,
  { options = {}, protocol, open }: Overrides = {},
): Promise<Serving> {
  const accepted = new Events<Accepted>();
  const errors = new Events<unknown>();
  const clients: RawClient[] = [];
  const accept = (socket: Socket): SocketHandler => {
    const server = new Accepted(socket);
    accepted.push(server);
    return server;
  };
  const upgrade = (request: Request, peer: Peer): Response =>
    peer.upgrade(request, { open: open ?? accept, ...(protocol === undefined ? {} : { protocol }) }) ??
    new Response("upgrade required", { status: 426 });
  const listener = await platform.serve({
    hostname: "127.0.0.1",
    port: 0,
    bodyBytesMax: MIB,
    idleSeconds: 30,
    socket: { messageBytesMax: MIB, bufferedBytesMax: MIB, pingMs: 30_000, pingsMissedMax: 2 },
    fetch: upgrade,
    onError: (error) => errors.push(error),
    ...options,
  });
  return {
    listener,
    accepted,
    errors,
    async connect(headers) {
      const client = new RawClient(listener.port);
      clients.push(client);
      const head = await client.upgrade(headers);
      return { client, server: await accepted.next("an accepted socket"), head };
    },
    async stop() {
      for (const client of clients) client.destroy();
      await listener.stop();
    },
  };
}
