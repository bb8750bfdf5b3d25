import {
  type ConnectParams,
  HELLO_LIMITS,
  type Health,
  type Hello,
  PROTOCOL_VERSION,
  type PresenceEntry,
} from "../contract/frames.ts";
import type { Scope } from "../contract/define.ts";
import type { Hub, Resumed } from "./hub.ts";
import type { Table } from "./table.ts";

/** What the gateway says about itself to every client that connects. */
export interface ServerFacts {
  readonly name: string;
  readonly version: string;
  readonly runtime: string;
  readonly configPath: string;
  readonly stateDir: string;
  readonly frameBytesMax: number;
  health(): Health;
}

/** What it says to this one. */
export interface ClientFacts {
  readonly connId: string;
  readonly role: "operator" | "node";
  readonly scopes: readonly Scope[];
  readonly resumed: Resumed | undefined;
}

/** The result of `connect`; made in the same synchronous step in which the client joins the hub. */
export function buildHello(
  server: ServerFacts,
  parts: { table: Table; hub: Hub },
  client: ClientFacts,
): Hello {
  const { table, hub } = parts;
  const health = server.health();
  return {
    type: "hello-ok",
    protocol: PROTOCOL_VERSION,
    server: { name: server.name, version: server.version, runtime: server.runtime, connId: client.connId },
    features: {
      methods: ["connect", ...table.methods().map((entry) => entry.name)],
      events: table.events().map((entry) => entry.name),
    },
    snapshot: {
      health,
      presence: hub.presence(),
      stateVersion: { presence: hub.presenceVersion, health: hub.presenceVersion },
      uptimeMs: health.uptimeMs,
      configPath: server.configPath,
      stateDir: server.stateDir,
    },
    auth: { role: client.role, scopes: [...client.scopes] },
    policy: { maxPayload: server.frameBytesMax, ...HELLO_LIMITS },
    resume: {
      epoch: hub.epoch,
      seq: hub.seq,
      replayed: client.resumed?.events.length ?? 0,
      resync: client.resumed?.resync ?? false,
    },
  };
}

/** A client as others see it: what we know of it, and what it says of itself. */
export function presenceOf(
  known: Pick<PresenceEntry, "connId" | "role" | "connectedAtMs"> & { readonly scopes: readonly Scope[] },
  client: ConnectParams["client"] = {},
): PresenceEntry {
  const { displayName, version, platform, mode, instanceId } = client;
  return {
    connId: known.connId,
    client: client.id ?? "unknown",
    ...(displayName !== undefined && { displayName }),
    ...(version !== undefined && { version }),
    ...(platform !== undefined && { platform }),
    ...(mode !== undefined && { mode }),
    ...(instanceId !== undefined && { instanceId }),
    role: known.role,
    scopes: [...known.scopes],
    connectedAtMs: known.connectedAtMs,
  };
}
