import { z } from "zod";
import type { Feature } from "../../src/feature.ts";
import { Admission } from "../../src/rpc/admission.ts";
import { Authenticator, type AuthPolicy, type Grant } from "../../src/rpc/auth.ts";
import { Connection, type ConnectionParts } from "../../src/rpc/connection.ts";
import { createDispatcher } from "../../src/rpc/dispatch.ts";
import { Hub } from "../../src/rpc/hub.ts";
import { createTable } from "../../src/rpc/table.ts";
import { createCountingCrypto, createMemoryLog, createMemorySocket, type MemorySocket } from "./ports.ts";
import { createFakeTime } from "./time.ts";

export const TOKEN = "a-token-of-the-tests-0123456789";

export interface LocalClient {
  readonly connection: Connection;
  readonly socket: MemorySocket;
  /** Sends one frame: an object as its JSON, a text as it is. */
  send(frame: object | string): void;
  /** Frames received since the last call, parsed. */
  take(): Record<string, unknown>[];
}

interface LocalOptions {
  readonly features?: readonly Feature[];
  readonly policy?: AuthPolicy;
  readonly epoch?: string;
}

/** The core on memory ports: real dispatcher, hub and connections, no socket, no clock. */
export function createLocalGateway({
  features = [],
  policy = { mode: "token", secret: TOKEN },
  epoch = "epoch-1",
}: LocalOptions = {}) {
  const time = createFakeTime();
  const crypto = createCountingCrypto();
  const log = createMemoryLog();
  const table = createTable();
  const hub = new Hub(table, epoch);
  const dispatcher = createDispatcher({ table, clock: time.clock, crypto, log });
  const authenticator = new Authenticator(policy, { clock: time.clock, crypto });
  const admission = new Admission(() => 1_024);
  let isAccepting = true;
  const parts: ConnectionParts = {
    dispatcher,
    hub,
    table,
    authenticator,
    log,
    crypto,
    clock: time.clock,
    timers: time.timers,
    isAccepting: () => isAccepting,
    toSessionKey: (given) => given.toLowerCase(),
    server: {
      name: "gateway",
      version: "0.0.0",
      runtime: "test",
      configPath: "/c",
      stateDir: "/s",
      frameBytesMax: 1024 * 1024,
      health: () => ({
        ok: true,
        ts: time.clock.now(),
        uptimeMs: 0,
        clients: hub.size,
        runs: { active: 0, queued: 0 },
      }),
    },
  };
  for (const feature of features) {
    const { handlers } = feature.start({
      config: () => feature.config?.().parse({}) ?? z.object({}).parse({}),
      publish: hub.publisher(feature),
      clock: time.clock,
      timers: time.timers,
      crypto,
      log,
      onStop: () => {},
    });
    table.add(feature, handlers);
  }

  /** Opens a socket; nothing has been sent on it yet. */
  function open(options: { address?: string; isJsonRpc?: boolean; grant?: Grant } = {}): LocalClient {
    const { address = "127.0.0.1", isJsonRpc = false, grant } = options;
    const socket = createMemorySocket(address);
    const place = admission.admit(address, grant !== undefined);
    if (place instanceof Error) throw place;
    const connection = new Connection(parts, { address, place, isJsonRpc, grant }, socket);
    return {
      connection,
      socket,
      send: (frame) => connection.message(typeof frame === "string" ? frame : JSON.stringify(frame)),
      take: () => socket.frames.splice(0).map((text) => JSON.parse(text) as Record<string, unknown>),
    };
  }

  /** Opens a socket and completes the handshake; what that sent is taken already. */
  function connect(params: object = {}): LocalClient {
    const client = open();
    client.send({ id: "hello", method: "connect", params: { auth: { token: TOKEN }, ...params } });
    client.take();
    return client;
  }

  return {
    time,
    crypto,
    log,
    table,
    hub,
    dispatcher,
    admission,
    parts,
    open,
    connect,
    stopAccepting: () => void (isAccepting = false),
  };
}
