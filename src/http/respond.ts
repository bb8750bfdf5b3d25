import { ERRORS, type RpcError } from "../contract/errors.ts";

const HEADERS = {
  "content-type": "application/json; charset=utf-8",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
};

export function jsonText(text: string, status = 200): Response {
  return new Response(text, { status, headers: HEADERS });
}

export function json(value: unknown, status = 200): Response {
  return jsonText(JSON.stringify(value), status);
}

/** An error in the words of PROTOCOL §4, with the status of its code. */
export function refusal(error: RpcError): Response {
  const response = json({ error: error.toWire() }, ERRORS[error.code].http);
  const { retryAfterMs } = error.extra;
  if (retryAfterMs !== undefined)
    response.headers.set("retry-after", String(Math.ceil(retryAfterMs / 1_000)));
  if (error.code === "unauthorized") response.headers.set("www-authenticate", 'Bearer realm="gateway"');
  return response;
}
