import { type ErrorCode, ERRORS, RpcError } from "../contract/errors.ts";

const MESSAGES = {
  internal: "Cannot answer request: internal error",
  too_large: "Cannot read request: its body is too large",
  unavailable: "Cannot answer request: the gateway is stopping",
} as const satisfies Partial<Record<ErrorCode, string>>;

/** What the platform itself answers over HTTP: an error in words of the contract, never source or a stack. */
export function refusal(code: keyof typeof MESSAGES): Response {
  const error = new RpcError(code, MESSAGES[code]).toWire();
  return Response.json({ error }, { status: ERRORS[code].http, headers: { connection: "close" } });
}
