import { RpcError } from "../../contract/errors.ts";
import { isObject } from "../json.ts";
import type { Codec, Incoming } from "./codec.ts";
import { isRequestId } from "./plain.ts";

/**
 * The envelope of clients that speak `{"type":"req"}`. This version knows them and refuses them in
 * their own words: their handshake (protocol 3 and 4, whole-text deltas) is not served yet.
 *
 * @source PROTOCOL §2
 */
export const frames: Codec = {
  dialect: "frames",
  decode(value): Incoming {
    const id = isObject(value) && isRequestId(value["id"]) ? value["id"] : "invalid";
    const error = new RpcError(
      "unavailable",
      'Cannot speak dialect "frames": not served by this version, use "plain" or JSON-RPC 2.0',
    );
    return { kind: "invalid", id, error };
  },
  reply(id, reply) {
    if (reply.ok) return JSON.stringify({ type: "res", id, ok: true, payload: reply.result });
    const { code, message, data } = reply.error;
    const { details, retryAfterMs } = data;
    const error = { code, message, retryable: data.retry === "later", details, retryAfterMs };
    return JSON.stringify({ type: "res", id: id ?? "invalid", ok: false, error });
  },
  batch: (replies) => replies.join("\n"),
  event: (name, seq, body) =>
    `{"type":"event","event":${JSON.stringify(name)},"payload":${body},"seq":${seq}}`,
};
