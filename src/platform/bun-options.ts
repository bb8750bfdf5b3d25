import type { ServeOptions } from "../ports.ts";
import type { BunSocket } from "./bun-socket.ts";
import { refusal } from "./refusal.ts";

type Fetch = (request: Request, server: Bun.Server<BunSocket>) => Response | Promise<Response>;

/**
 * Every option of the server, none left to a default: most of the runtime's own are wrong for a gateway.
 *
 * An upgraded socket is its `BunSocket`, so a handler costs one property read and no closure.
 */
export function bunServeOptions(options: ServeOptions, fetch: Fetch) {
  return {
    hostname: options.hostname,
    port: options.port,
    // A second gateway must fail to bind, not share the port.
    reusePort: false,
    // The default shows source and stack of whatever was thrown.
    development: false,
    // The default reads 128 MiB for a stranger.
    maxRequestBodySize: options.bodyBytesMax,
    idleTimeout: options.idleSeconds,
    fetch,
    error(error: Error) {
      options.onError(error);
      return refusal("internal");
    },
    websocket: {
      // The default takes messages of 16 MiB. More than this closes the socket with 1009.
      maxPayloadLength: options.socket.messageBytesMax,
      // The default holds 16 MiB for each client that does not read. Past this `send` says "dropped"...
      backpressureLimit: options.socket.bufferedBytesMax,
      // ...and its caller decides: cut by the runtime, the client would never see its 4008.
      closeOnBackpressureLimit: false,
      // Any byte resets the runtime's timer, so a half frame sent byte by byte would live for ever: `Pings`
      // decides.
      idleTimeout: 0,
      sendPings: false,
      // Costs memory and CPU per socket, and sizes of compressed secrets can be measured.
      perMessageDeflate: false,
      publishToSelf: false,
      open: (ws: Bun.ServerWebSocket<BunSocket>) => ws.data.opened(ws),
      message: (ws: Bun.ServerWebSocket<BunSocket>, data: string | Buffer) => ws.data.received(data),
      drain: (ws: Bun.ServerWebSocket<BunSocket>) => ws.data.drained(),
      pong: (ws: Bun.ServerWebSocket<BunSocket>) => ws.data.answered(),
      close: (ws: Bun.ServerWebSocket<BunSocket>, code: number, reason: string) =>
        ws.data.closed(code, reason),
      // Nothing above throws; without this a mistake there would end the process.
      error: (error: Error) => options.onError(error),
    },
  } satisfies Bun.Serve.Options<BunSocket>;
}
