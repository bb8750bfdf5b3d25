import { RpcError } from "../contract/errors.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Reply } from "./codecs/codec.ts";

/** Why a request is not taken, before any handler has seen it. */

export function refuse(error: RpcError): Reply {
  return { ok: false, error: error.toWire() };
}

export function stopping(): RpcError {
  return new RpcError("unavailable", "Cannot take requests: the gateway is stopping", {
    retryAfterMs: LIMITS.drainMs,
  });
}

export function tooMany(): RpcError {
  const bound = LIMITS.inflightMax + LIMITS.queuedRequestsMax;
  return new RpcError("busy", "Cannot take request: too many of this client are waiting", {
    details: { bound },
    retryAfterMs: 1_000,
  });
}

export function tooManyOverHttp(): RpcError {
  const bound = LIMITS.httpInflightMax;
  return new RpcError("busy", `Cannot take request: ${bound} are being worked on over HTTP already`, {
    details: { bound },
    retryAfterMs: 1_000,
  });
}

/** Not run, so nothing is lost by sending it again. */
export function batchFull(): RpcError {
  const bound = LIMITS.batchReplyCharsMax;
  return new RpcError(
    "busy",
    `Cannot take request: its batch has over ${bound} characters of answers already`,
    {
      details: { bound },
    },
  );
}

export function connectFirst(method: string): RpcError {
  const message = `Cannot call "${method.slice(0, 100)}": the first request must be "connect"`;
  return new RpcError("unauthorized", message);
}

export function connectTwice(): RpcError {
  return new RpcError("conflict", "Cannot connect: this socket is connected already");
}

export function connectInBatch(): RpcError {
  return new RpcError("invalid_request", "Cannot connect inside a batch: send it alone");
}
