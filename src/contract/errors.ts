/** What a client should do with the same request after an error. */
export type Retry = "no" | "later";

type ErrorRow = { readonly jsonrpc: number; readonly http: number; readonly retry: Retry };

/**
 * The closed list of error codes: its JSON-RPC number, its HTTP status and whether to try again.
 *
 * @source PROTOCOL §4; JSON-RPC 2.0 §5.1 for -32700 to -32603
 */
export const ERRORS = {
  parse_error: { jsonrpc: -32700, http: 400, retry: "no" },
  invalid_request: { jsonrpc: -32600, http: 400, retry: "no" },
  unknown_method: { jsonrpc: -32601, http: 404, retry: "no" },
  invalid_params: { jsonrpc: -32602, http: 400, retry: "no" },
  internal: { jsonrpc: -32603, http: 500, retry: "later" },
  unauthorized: { jsonrpc: -32001, http: 401, retry: "no" },
  forbidden: { jsonrpc: -32003, http: 403, retry: "no" },
  not_found: { jsonrpc: -32004, http: 404, retry: "no" },
  timeout: { jsonrpc: -32008, http: 504, retry: "later" },
  conflict: { jsonrpc: -32009, http: 409, retry: "no" },
  too_large: { jsonrpc: -32013, http: 413, retry: "no" },
  busy: { jsonrpc: -32029, http: 429, retry: "later" },
  unavailable: { jsonrpc: -32030, http: 503, retry: "later" },
  cancelled: { jsonrpc: -32099, http: 499, retry: "no" },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

export const ERROR_CODES = Object.keys(ERRORS) as ErrorCode[];

/** What an error says beyond its code and message. */
export type ErrorExtra = {
  /** Facts for programs: offending keys, bounds, the state met. Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Names the log line of an `internal`. */
  readonly ref?: string;
  /** When to come back after `busy` or `unavailable`. */
  readonly retryAfterMs?: number;
};

/** An error for the log: its stack where it has one. Never for a client. */
export function errorText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** What an error says, for people; whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An error as every dialect carries it; the codecs only move the fields around. */
export type WireError = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly data: { readonly code: ErrorCode; readonly retry: Retry } & ErrorExtra;
};

/**
 * The one error that speaks to clients. Anything else thrown by a handler leaves as `internal`.
 *
 * @param message `Cannot VERB THING "VALUE": STATE`, no secret, no final period
 */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: ErrorCode;
  readonly extra: ErrorExtra;

  constructor(code: ErrorCode, message: string, extra: ErrorExtra & { cause?: unknown } = {}) {
    const { cause, ...rest } = extra;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.extra = rest;
  }

  /** The form the codecs send. */
  toWire(): WireError {
    const { code, message, extra } = this;
    return { code, message, data: { code, retry: ERRORS[code].retry, ...extra } };
  }
}

/**
 * Why the gateway closes a socket. 4000–4499 say "come back", 4500–4999 "do not".
 *
 * @source PROTOCOL §6; RFC 6455 §7.4.2 (4000–4999 private use)
 */
export const CLOSE = {
  shutdown: 4001,
  slow: 4008,
  idle: 4009,
  replaced: 4010,
  rateLimited: 4013,
  unauthorized: 4501,
  protocol: 4502,
  origin: 4503,
  version: 4504,
  revoked: 4505,
} as const;
