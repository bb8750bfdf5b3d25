import type { ServerWebSocket } from "bun";
import type { Hello } from "../../../src/client/mod.ts";

/** One frame a client sent. */
export type Sent = { readonly id: string; readonly method: string; readonly params: Record<string, unknown> };

/** One client's socket, seen from the other side. */
export type Line = {
  /** Counts from 1. */
  readonly number: number;
  send(frame: unknown): void;
  sendText(text: string): void;
  close(code: number, reason?: string): void;
  /** Cuts the connection without a word. */
  cut(): void;
};

export type Script = {
  /** Answers `connect`; a plain greeting if left out. `undefined` answers nothing. */
  connect?(sent: Sent, line: Line): unknown;
  /** Answers everything else. */
  request?(sent: Sent, line: Line): void;
};

/** The other end of a real socket, which does what the test says and keeps what it was sent. */
export type Peer = {
  readonly url: string;
  readonly sent: Sent[];
  readonly lines: Line[];
  stop(): Promise<void>;
};

/** @param port 0 lets the system choose */
export function startPeer(script: Script = {}, port = 0): Peer {
  const sent: Sent[] = [];
  const lines: Line[] = [];
  const bySocket = new Map<ServerWebSocket<undefined>, Line>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port,
    fetch: (request, it) =>
      it.upgrade(request, { data: undefined }) ? undefined : new Response("no", { status: 404 }),
    websocket: {
      open: (socket) => {
        const line = toLine(socket, lines.length + 1);
        lines.push(line);
        bySocket.set(socket, line);
        line.send({
          type: "event",
          event: "connect.challenge",
          payload: { nonce: "n", ts: 1 },
          nonce: "n",
          ts: 1,
        });
      },
      message: (socket, text) => {
        const line = bySocket.get(socket);
        const frame: Sent = JSON.parse(String(text));
        sent.push(frame);
        if (!line) return;
        if (frame.method !== "connect") return script.request?.(frame, line);
        const answer = script.connect ? script.connect(frame, line) : { result: greeting() };
        if (answer) line.send({ id: frame.id, ...answer });
      },
    },
  });
  return { url: `ws://127.0.0.1:${server.port}/ws`, sent, lines, stop: () => server.stop(true) };
}

/** What a gateway says first. */
export function greeting(given: Partial<Pick<Hello, "resume" | "policy" | "auth">> = {}): Hello {
  const runs = { active: 0, queued: 0 };
  return {
    type: "hello-ok",
    protocol: 1,
    server: { name: "gateway", version: "0.0.0", runtime: "test", connId: "c" },
    features: { methods: ["health"], events: ["tick"] },
    snapshot: {
      health: { ok: true, ts: 1, uptimeMs: 1, clients: 1, runs },
      presence: [],
      stateVersion: { presence: 0, health: 0 },
      uptimeMs: 1,
      configPath: "",
      stateDir: "",
    },
    auth: { role: "operator", scopes: ["read"] },
    policy: { maxPayload: 1024, maxBufferedBytes: 1, tickIntervalMs: 15_000, maxInflight: 64 },
    resume: { epoch: "e1", seq: 0, replayed: 0, resync: false },
    ...given,
  };
}

function toLine(socket: ServerWebSocket<undefined>, number: number): Line {
  return {
    number,
    send: (frame) => void socket.send(JSON.stringify(frame)),
    sendText: (text) => void socket.send(text),
    close: (code, reason) => socket.close(code, reason),
    cut: () => socket.terminate(),
  };
}
