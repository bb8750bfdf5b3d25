/**
 * The client of a gateway: no dependencies, and nothing but the standard `WebSocket`, so that it runs
 * in browsers and in every runtime.
 *
 * @module
 */
export { createGatewayClient, createIdempotencyKey } from "./client.ts";
export type { ReconnectOptions } from "./backoff.ts";
export type { CallOptions } from "./calls.ts";
export { GatewayError } from "./errors.ts";
export type { Stop } from "./listeners.ts";
export type * from "./protocol.ts";
export { CLOSE, PROTOCOL_VERSION } from "./protocol.ts";
export type {
  AnyListener,
  CallArgs,
  ClientCredential,
  ClientEvents,
  ClientOptions,
  ClientState,
  GatewayClient,
  MethodName,
  ParamsOf,
  Resync,
  ResultOf,
} from "./types.ts";
