import type { ErrorCode } from "./protocol.ts";

/** What an error says beyond its code and message. */
export type GatewayErrorExtra = {
  readonly retry?: "no" | "later";
  readonly retryAfterMs?: number | undefined;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly ref?: string | undefined;
  readonly closeCode?: number | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly from?: "gateway" | "client";
  readonly cause?: unknown;
};

const RETRY_LATER: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "timeout",
  "busy",
  "unavailable",
  "internal",
]);

/** The one error this client gives: a refusal by the gateway, or a failure to get an answer from it. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  readonly code: ErrorCode;
  /** Whether the same request may succeed later. */
  readonly retry: "no" | "later";
  /** Time to wait before trying again, ms, where the gateway named one. */
  readonly retryAfterMs: number | undefined;
  /** Facts for programs: offending keys, bounds, the state met. */
  readonly details: Readonly<Record<string, unknown>> | undefined;
  /** Names the line in the gateway's log, for `internal`. */
  readonly ref: string | undefined;
  /** Who says so: the gateway, or this side because no answer could be had. */
  readonly from: "gateway" | "client";
  /** The code the socket was closed with, where that is what ended the request. */
  readonly closeCode: number | undefined;
  /** The key the failed call carried: calling again with it never does the same thing twice. */
  readonly idempotencyKey: string | undefined;

  constructor(code: ErrorCode, message: string, extra: GatewayErrorExtra = {}) {
    super(message, extra.cause === undefined ? undefined : { cause: extra.cause });
    this.code = code;
    this.retry = extra.retry ?? (RETRY_LATER.has(code) ? "later" : "no");
    this.retryAfterMs = extra.retryAfterMs;
    this.details = extra.details;
    this.ref = extra.ref;
    this.closeCode = extra.closeCode;
    this.idempotencyKey = extra.idempotencyKey;
    this.from = extra.from ?? "client";
  }

  /** The same error as that of a call which carried this key. */
  withKey(idempotencyKey: string | undefined): GatewayError {
    if (idempotencyKey === undefined) return this;
    const { code, message, retry, retryAfterMs, details, ref, closeCode, from, cause } = this;
    const extra = { retry, retryAfterMs, details, ref, closeCode, from, cause };
    return new GatewayError(code, message, { ...extra, idempotencyKey });
  }
}

/** The error a reply carries. A code we do not know is kept: a newer gateway may have more. */
export function fromWire(error: unknown): GatewayError {
  const { code, message, data } = toRecord(error);
  const { retry, retryAfterMs, details, ref } = toRecord(data);
  return new GatewayError(
    // Open on purpose: the type lists the codes of the contract this client was generated from.
    (typeof code === "string" ? code : "internal") as ErrorCode,
    typeof message === "string" ? message : "Cannot read the gateway's error: it has no message",
    {
      from: "gateway",
      ...(retry === "no" || retry === "later" ? { retry } : {}),
      retryAfterMs: typeof retryAfterMs === "number" ? retryAfterMs : undefined,
      details: typeof details === "object" && details !== null ? toRecord(details) : undefined,
      ref: typeof ref === "string" ? ref : undefined,
    },
  );
}

/** The value if it is an object with keys, else an empty one. */
export function toRecord(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  // Every object's keys may be read; what they hold stays unknown.
  return value as Readonly<Record<string, unknown>>;
}
