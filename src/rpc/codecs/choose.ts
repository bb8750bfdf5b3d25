import { isObject } from "../json.ts";
import type { Codec } from "./codec.ts";
import { frames } from "./frames.ts";
import { jsonrpc } from "./jsonrpc.ts";
import { plain } from "./plain.ts";

/** The subprotocol that selects JSON-RPC before any frame is sent. */
export const JSONRPC_SUBPROTOCOL = "jsonrpc";

/** The dialect of a connection, told by its first message. @source PROTOCOL §2 */
export function chooseCodec(first: unknown): Codec {
  const sample: unknown = Array.isArray(first) ? first[0] : first;
  if (Array.isArray(first) || (isObject(sample) && "jsonrpc" in sample)) return jsonrpc;
  if (isObject(sample) && "type" in sample) return frames;
  return plain;
}
