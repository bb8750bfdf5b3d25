import { afterEach } from "bun:test";
import {
  type ClientOptions,
  type ClientState,
  createGatewayClient,
  type GatewayClient,
  GatewayError,
} from "../../../src/client/mod.ts";
import { type Peer, type Script, startPeer } from "./peer.ts";

/** What ends with the test, the last made first. */
export const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Waits at most milliseconds where a person's client waits seconds. */
export const QUICK = { initialMs: 1, maxMs: 20 };

/** A peer and a client of it, not connected yet. */
export function open(
  script: Script = {},
  options: Partial<ClientOptions> = {},
): { peer: Peer; client: GatewayClient } {
  const peer = startPeer(script);
  cleanups.push(() => peer.stop());
  return { peer, client: clientOf(peer.url, options) };
}

export function clientOf(url: string, options: Partial<ClientOptions> = {}): GatewayClient {
  const client = createGatewayClient({ url, reconnect: QUICK, ...options });
  cleanups.push(() => client.close());
  return client;
}

/** How a call failed. */
export async function errorOf(promise: Promise<unknown>): Promise<GatewayError> {
  const error: unknown = await promise.then(
    () => new Error("resolved"),
    (reason: unknown) => reason,
  );
  if (error instanceof GatewayError) return error;
  throw new Error(`wanted a GatewayError: ${String(error)}`);
}

/** The next time the client comes to be in a state. */
export function state(client: GatewayClient, name: ClientState["name"]): Promise<ClientState> {
  return new Promise((resolve) => {
    const stop = client.onState((next) => {
      if (next.name !== name) return;
      stop();
      resolve(next);
    });
  });
}

/** The next event of a name, and its number. */
export function event(
  client: GatewayClient,
  name: string,
): Promise<[Readonly<Record<string, unknown>>, number | undefined]> {
  return new Promise((resolve) => {
    const stop = client.onAny((got, payload, seq) => {
      if (got !== name) return;
      stop();
      resolve([payload, seq]);
    });
  });
}

/** Answers every request with its params. */
export const echo: NonNullable<Script["request"]> = ({ id, params }, line) =>
  line.send({ id, result: params });
