import { z } from "zod";
import type { ErrorCode } from "./errors.ts";
import { LIMITS } from "./limits.ts";

/**
 * What a caller may do. `read` < `write` < `admin`; `pairing` and `approvals` stand apart.
 *
 * @source PROTOCOL §3
 */
export const SCOPES = ["read", "write", "admin", "pairing", "approvals"] as const;
export type Scope = (typeof SCOPES)[number];

/**
 * How hard an event tries to reach a slow client.
 *
 * `must`: the client is closed (4008) before one is lost. `latest`: skipped while the client's
 * buffer is over its limit; with a `key` the newest of each key is sent when it drains.
 *
 * @source PROTOCOL §5
 */
export type Delivery = "must" | "latest";

export type ParamsSchema = z.ZodObject;
export type ResultSchema = z.ZodType;
/** An object, or one of several told apart by a key. */
export type EventSchema = z.ZodObject | z.ZodDiscriminatedUnion<readonly z.ZodObject[], string>;

/** One request a client can make. Made by {@link method}. */
export type Method<
  P extends ParamsSchema = ParamsSchema,
  R extends ResultSchema = ResultSchema,
  E extends ErrorCode = ErrorCode,
> = {
  readonly kind: "method";
  readonly scope: Scope;
  readonly summary: string;
  readonly params: P;
  readonly result: R;
  readonly errors: readonly E[];
  /** Changes something: takes an `idempotencyKey` and answers a repeat with the first answer. */
  readonly effect: boolean;
};

/** One event clients can receive. Made by {@link event}. */
export type Event<D extends EventSchema = EventSchema> = {
  readonly kind: "event";
  readonly scope: Scope;
  readonly delivery: Delivery;
  readonly summary: string;
  readonly data: D;
  /** Kept for `resume`. Off for what `hello` carries anyway, newer than any replay could. */
  readonly replay: boolean;
};

/** At most `LIMITS.idempotencyKeyCharsMax` characters, chosen by the caller, one per intended effect. */
export const IdempotencyKey = z
  .string()
  .min(1)
  .max(LIMITS.idempotencyKeyCharsMax)
  .meta({ description: "Same caller, method, key and params within five minutes: the same answer" });

type WithKey = { idempotencyKey: z.ZodOptional<typeof IdempotencyKey> };
type Keyed<P extends ParamsSchema> = P["shape"] extends { idempotencyKey: z.ZodType }
  ? P
  : z.ZodObject<P["shape"] & WithKey, z.core.$strict>;

type MethodSpec<P, R, E> = {
  readonly scope: Scope;
  readonly summary: string;
  /** Strict: an extra key is `invalid_params` naming it. */
  readonly params: P;
  readonly result: R;
  /** Codes the handler may fail with; those the dispatcher itself gives are always possible. */
  readonly errors?: readonly E[];
};

/**
 * Declares a method that changes nothing.
 *
 * @example method({ scope: "read", summary: "…", params: z.strictObject({}), result: Health })
 */
export function method<P extends ParamsSchema, R extends ResultSchema, E extends ErrorCode = never>(
  spec: MethodSpec<P, R, E>,
): Method<P, R, NoInfer<E>> {
  return { kind: "method", errors: [], effect: false, ...spec };
}

/** Declares a method that changes something; its params gain an optional `idempotencyKey` unless they name one. */
export function effect<P extends ParamsSchema, R extends ResultSchema, E extends ErrorCode = never>(
  spec: MethodSpec<P, R, E>,
): Method<Keyed<P>, R, NoInfer<E>> {
  const keyed =
    "idempotencyKey" in spec.params.shape
      ? spec.params
      : spec.params.extend({ idempotencyKey: IdempotencyKey.optional() });
  // `keyed` is P or P with the key, which is what Keyed<P> says; the compiler cannot follow the branch.
  return { kind: "method", errors: [], ...spec, params: keyed as Keyed<P>, effect: true };
}

/** Declares an event. `data` may not have the keys `event` and `seq`: the dialects use them. */
export function event<D extends EventSchema>(spec: {
  readonly scope: Scope;
  readonly delivery: Delivery;
  readonly summary: string;
  readonly data: D;
  readonly replay?: boolean;
}): Event<D> {
  return { kind: "event", replay: true, ...spec };
}

export type Methods = Readonly<Record<string, Method>>;
export type Events = Readonly<Record<string, Event>>;
