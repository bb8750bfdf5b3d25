import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import { isObject } from "../json.ts";
import { type Codec, type Incoming, type RequestId, withMembers } from "./codec.ts";

/** The system's own dialect. @source PROTOCOL §2 */
export const plain: Codec = {
  dialect: "plain",
  decode,
  reply: (id, reply) =>
    reply.ok
      ? `{"id":${JSON.stringify(id)},"result":${JSON.stringify(reply.result ?? null)}}`
      : `{"id":${JSON.stringify(id)},"error":${JSON.stringify(reply.error)}}`,
  batch: (replies) => replies.join("\n"),
  event: (name, seq, body) => withMembers(`"event":${JSON.stringify(name)},"seq":${seq}`, body),
};

function decode(value: unknown): Incoming {
  if (!isObject(value)) return invalid(null, "Cannot read request: not an object");
  const { id, method, params } = value;
  if (!isRequestId(id))
    return invalid(
      null,
      `Cannot read request: "id" is neither a text of 1 to ${LIMITS.idCharsMax} characters nor a number`,
    );
  if (typeof method !== "string" || method === "")
    return invalid(id, 'Cannot read request: "method" is not a text');
  if (params !== undefined && !isObject(params))
    return invalid(id, 'Cannot read request: "params" is not an object');
  for (const key in value) {
    if (key !== "id" && key !== "method" && key !== "params") {
      return invalid(id, `Cannot read request: unknown key ${JSON.stringify(key.slice(0, 64))}`);
    }
  }
  return { kind: "request", id, method, params };
}

/** A text or a number that comes back as it was sent. */
export function isRequestId(id: unknown): id is string | number {
  return typeof id === "string"
    ? id !== "" && id.length <= LIMITS.idCharsMax
    : typeof id === "number" && Number.isFinite(id);
}

function invalid(id: RequestId, message: string): Incoming {
  return { kind: "invalid", id, error: new RpcError("invalid_request", message) };
}
