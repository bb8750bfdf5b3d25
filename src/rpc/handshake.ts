import type { Scope } from "../contract/define.ts";
import { CLOSE, RpcError } from "../contract/errors.ts";
import { CHALLENGE_EVENT, CONNECT_METHOD, ConnectParams, PROTOCOL_VERSION } from "../contract/frames.ts";
import type { Authenticator, Grant } from "./auth.ts";
import { invalidParams } from "./issues.ts";
import { grantScopes } from "./scopes.ts";

/** Who a client is, once it is somebody. */
export interface Identity {
  readonly grant: Grant;
  readonly role: "operator" | "node";
  readonly scopes: readonly Scope[];
  readonly params: ConnectParams;
}

/** Why it is not let in; with `close` it has to go, without it may try again on the same socket. */
export interface Refused {
  readonly error: RpcError;
  readonly close?: { readonly code: number; readonly reason: string };
}

/** What is known of a socket before it says anything. */
export interface Stranger {
  readonly address: string;
  /** From a valid `Authorization` header at the upgrade. */
  readonly grant: Grant | undefined;
}

/** Parsed once for each connection: compiling a parser first would take longer. */
const ONCE = { jitless: true };

/** The first frame of every socket: an event in two dialects at once, as none has been chosen yet. */
export function challenge(
  payload: { readonly nonce: string; readonly ts: number },
  isJsonRpc: boolean,
): string {
  return isJsonRpc
    ? JSON.stringify({ jsonrpc: "2.0", method: CHALLENGE_EVENT, params: payload })
    : JSON.stringify({ type: "event", event: CHALLENGE_EVENT, payload, ...payload });
}

/** Judges the params of `connect`: their shape, the protocol, the credential, the scopes. @source PROTOCOL §3 */
export function judgeConnect(
  given: unknown,
  stranger: Stranger,
  authenticator: Authenticator,
): Identity | Refused {
  const parsed = ConnectParams().safeParse(given ?? {}, ONCE);
  if (!parsed.success) return { error: invalidParams(CONNECT_METHOD, parsed.error.issues) };
  const params = parsed.data;
  const mismatch = protocolMismatch(params);
  if (mismatch)
    return { error: mismatch, close: { code: CLOSE.version, reason: "no protocol version in common" } };
  const grant = stranger.grant ?? authenticator.check(params.auth ?? {}, stranger.address);
  if (grant instanceof RpcError) {
    const code = grant.code === "busy" ? CLOSE.rateLimited : CLOSE.unauthorized;
    return { error: grant, close: { code, reason: grant.message } };
  }
  const role = params.role ?? "operator";
  const scopes = role === "node" ? [] : grantScopes(grant.scopes, params.scopes);
  return { grant, role, scopes, params };
}

/** @returns why the client and we have no protocol number in common */
function protocolMismatch({ minProtocol, maxProtocol }: ConnectParams): RpcError | undefined {
  const isInRange =
    (minProtocol ?? PROTOCOL_VERSION) <= PROTOCOL_VERSION &&
    PROTOCOL_VERSION <= (maxProtocol ?? PROTOCOL_VERSION);
  if (isInRange) return undefined;
  const offered = `${minProtocol ?? "any"} to ${maxProtocol ?? "any"}`;
  const message = `Cannot connect with protocol ${offered}: this gateway speaks ${PROTOCOL_VERSION}`;
  return new RpcError("invalid_request", message, { details: { protocol: PROTOCOL_VERSION } });
}
