import type { RpcError, WireError } from "../../contract/errors.ts";

export type Dialect = "plain" | "jsonrpc" | "frames";

/** What a client calls its request by; null where it could not be told. */
export type RequestId = string | number | null;

export type Reply =
  { readonly ok: true; readonly result: unknown } | { readonly ok: false; readonly error: WireError };

/** One message of a client, understood or not. `id` is absent where no answer is wanted. */
export type Incoming =
  | { readonly kind: "request"; readonly id?: RequestId; readonly method: string; readonly params: unknown }
  | { readonly kind: "invalid"; readonly id: RequestId; readonly error: RpcError }
  | { readonly kind: "batch"; readonly items: readonly Incoming[] };

/**
 * One dialect of the wire: parsed JSON to requests, replies and events to text.
 *
 * `decode` never throws. `event` gets the payload as the text of a JSON object, so that it is encoded
 * once whatever dialects the clients speak.
 */
export interface Codec {
  readonly dialect: Dialect;
  decode(value: unknown): Incoming;
  reply(id: RequestId, reply: Reply): string;
  /** Joins the replies of one batch. */
  batch(replies: readonly string[]): string;
  event(name: string, seq: number, body: string): string;
}

/** `body` with members put before its own: `withMembers('"a":1', '{"b":2}')` is `{"a":1,"b":2}`. */
export function withMembers(members: string, body: string): string {
  return body === "{}" ? `{${members}}` : `{${members},${body.slice(1)}`;
}
