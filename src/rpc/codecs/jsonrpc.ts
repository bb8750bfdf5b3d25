import { ERRORS, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import { isObject } from "../json.ts";
import { type Codec, type Incoming, type RequestId, withMembers } from "./codec.ts";
import { isRequestId } from "./plain.ts";

/**
 * JSON-RPC 2.0, batches and notifications included.
 *
 * Where the standard is open: `"id":null` is a request answered with null (§4 only discourages it),
 * members it does not name are ignored, an event is a notification named after it.
 *
 * @source JSON-RPC 2.0 (2013-01-04); PROTOCOL §2
 */
export const jsonrpc: Codec = {
  dialect: "jsonrpc",
  decode,
  reply(id, reply) {
    if (reply.ok)
      return `{"jsonrpc":"2.0","result":${JSON.stringify(reply.result ?? null)},"id":${JSON.stringify(id)}}`;
    const { code, message, data } = reply.error;
    const error = JSON.stringify({ code: ERRORS[code].jsonrpc, message, data });
    return `{"jsonrpc":"2.0","error":${error},"id":${JSON.stringify(id)}}`;
  },
  batch: (replies) => `[${replies.join(",")}]`,
  event: (name, seq, body) =>
    `{"jsonrpc":"2.0","method":${JSON.stringify(name)},"params":${withMembers(`"seq":${seq}`, body)}}`,
};

function decode(value: unknown): Incoming {
  if (!Array.isArray(value)) return decodeOne(value);
  if (value.length === 0) return invalid(null, "Cannot read batch: empty");
  if (value.length > LIMITS.batchMax) {
    const bound = LIMITS.batchMax;
    const error = new RpcError("too_large", `Cannot read batch: more than ${bound} requests`, {
      details: { bound },
    });
    return { kind: "invalid", id: null, error };
  }
  return { kind: "batch", items: value.map(decodeOne) };
}

function decodeOne(value: unknown): Incoming {
  if (!isObject(value)) return invalid(null, "Cannot read request: not an object");
  const { id, method, params } = value;
  const known: RequestId = isRequestId(id) ? id : null;
  if (id !== undefined && id !== null && known === null)
    return invalid(null, 'Cannot read request: "id" is not a text, number or null');
  if (value["jsonrpc"] !== "2.0") return invalid(known, 'Cannot read request: "jsonrpc" is not "2.0"');
  if (typeof method !== "string" || method === "")
    return invalid(known, 'Cannot read request: "method" is not a text');
  if (params !== undefined && (typeof params !== "object" || params === null)) {
    return invalid(known, 'Cannot read request: "params" is neither an object nor an array');
  }
  return id === undefined
    ? { kind: "request", method, params }
    : { kind: "request", id: known, method, params };
}

function invalid(id: RequestId, message: string): Incoming {
  return { kind: "invalid", id, error: new RpcError("invalid_request", message) };
}
