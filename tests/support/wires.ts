import type { Listener, Peer, Platform, ServeOptions, Socket } from "../../src/ports.ts";
import type { GatewayServer } from "../../src/gateway.ts";
import type { Wire, WireClient } from "./transcript.ts";

/** A frame or a close that does not come within this is not coming. */
const NEXT_MS = 10_000;

type Next = { readonly frame: string } | { readonly closed: number };

/** What arrives, in order, for whoever asks. */
function createInbox(): { push(next: Next): void; next(): Promise<Next> } {
  const arrived: Next[] = [];
  let wake: (() => void) | undefined;
  return {
    push(next) {
      arrived.push(next);
      wake?.();
    },
    async next() {
      const deadline = Date.now() + NEXT_MS;
      for (;;) {
        const next = arrived.shift();
        if (next) return next;
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        wake = resolve;
        const timer = setTimeout(
          () => reject(new Error(`nothing came within ${NEXT_MS} ms`)),
          deadline - Date.now(),
        );
        try {
          await promise;
        } finally {
          clearTimeout(timer);
          wake = undefined;
        }
      }
    },
  };
}

/** A gateway on a real port. */
export function socketWire(url: string, token: string): Wire {
  return {
    token,
    async open({ protocol, headers }) {
      const inbox = createInbox();
      // The runtime's client takes headers, which a browser's does not.
      const socket = new WebSocket(`${url.replace(/^http/, "ws")}/ws`, {
        headers,
        ...(protocol !== undefined && { protocols: [protocol] }),
      } as never);
      socket.onmessage = ({ data }) => inbox.push({ frame: String(data) });
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      socket.onopen = () => resolve();
      socket.onclose = ({ code }) => {
        reject(new Error(`cannot open: ${code}`));
        inbox.push({ closed: code });
      };
      await promise;
      return { send: (text) => socket.send(text), next: inbox.next, close: () => socket.close() };
    },
    async http({ method, path, headers, body }) {
      const response = await fetch(`${url}${path}`, { method, headers, ...(body !== undefined && { body }) });
      return { status: response.status, text: await response.text() };
    },
  };
}

/** A platform whose port is memory: whole requests and frames, no network. */
export function memoryPlatform(base: Platform): { platform: Platform; wire(gateway: GatewayServer): Wire } {
  let serve: ServeOptions | undefined;
  const platform: Platform = {
    ...base,
    async serve(options): Promise<Listener> {
      serve = options;
      return { hostname: options.hostname, port: 18789, refuse: () => {}, stop: async () => {} };
    },
  };

  async function handle(request: Request, upgrade: Peer["upgrade"]): Promise<Response> {
    if (!serve) throw new Error("not started");
    return serve.fetch(request, { address: "127.0.0.1", upgrade });
  }

  function openMemory(): { client: WireClient; upgrade: Peer["upgrade"] } {
    const inbox = createInbox();
    let receive: ReturnType<Parameters<Peer["upgrade"]>[1]["open"]> | undefined;
    let isClosed = false;
    const closeOnce = (code: number, reason: string): void => {
      if (isClosed) return;
      isClosed = true;
      inbox.push({ closed: code });
      queueMicrotask(() => receive?.close(code, reason));
    };
    const socket: Socket = {
      remoteAddress: "127.0.0.1",
      send(text) {
        if (isClosed) return "closed";
        inbox.push({ frame: text });
        return "sent";
      },
      bufferedBytes: () => 0,
      close: closeOnce,
      terminate: () => closeOnce(1006, ""),
    };
    return {
      upgrade(_request, { open }) {
        receive = open(socket);
        return new Response(null);
      },
      client: {
        // A real network answers later, never inside the call.
        send: (text) => queueMicrotask(() => receive?.message(text)),
        next: inbox.next,
        close: () => closeOnce(1000, ""),
      },
    };
  }

  const wire = (gateway: GatewayServer): Wire => ({
    token: gateway.token?.value ?? "",
    async open({ protocol, headers }) {
      const { client, upgrade } = openMemory();
      const request = new Request("http://localhost:18789/ws", {
        headers: {
          host: "localhost:18789",
          upgrade: "websocket",
          ...headers,
          ...(protocol !== undefined && { "sec-websocket-protocol": protocol }),
        },
      });
      const response = await handle(request, upgrade);
      if (response.status >= 400) throw new Error(`cannot open: ${response.status}`);
      return client;
    },
    async http({ method, path, headers, body }) {
      const request = new Request(`http://localhost:18789${path}`, {
        method,
        headers: { host: "localhost:18789", ...headers },
        ...(body !== undefined && { body }),
      });
      const response = await handle(request, () => undefined);
      return { status: response.status, text: await response.text() };
    },
  });
  return { platform, wire };
}
