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

/**
 * A value made when it is first asked for, and kept.
 *
 * Schemas are such values: making all of them would be more than half of a start, and most are never
 * used in a gateway's life.
 */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** What a schema made by {@link once} says of its values. */
export type Output<S extends () => z.ZodType> = z.output<ReturnType<S>>;

/** At most `LIMITS.idempotencyKeyCharsMax` characters, chosen by the caller, one per intended effect. */
export const IdempotencyKey = once(() =>
  z
    .string()
    .min(1)
    .max(LIMITS.idempotencyKeyCharsMax)
    .meta({ description: "Same caller, method, key and params within five minutes: the same answer" }),
);

type WithKey = { idempotencyKey: z.ZodOptional<ReturnType<typeof IdempotencyKey>> };
type Keyed<P extends ParamsSchema> = P["shape"] extends { idempotencyKey: z.ZodType }
  ? P
  : z.ZodObject<P["shape"] & WithKey, z.core.$strict>;

type MethodSpec<P, R, E> = {
  readonly scope: Scope;
  readonly summary: string;
  /** Strict: an extra key is `invalid_params` naming it. */
  readonly params: () => P;
  readonly result: () => R;
  /** Codes the handler may fail with; those the dispatcher itself gives are always possible. */
  readonly errors?: readonly E[];
};

/**
 * Declares a method that changes nothing.
 *
 * @example method({ scope: "read", summary: "…", params: () => z.strictObject({}), result: Health })
 */
export function method<P extends ParamsSchema, R extends ResultSchema, E extends ErrorCode = never>(
  spec: MethodSpec<P, R, E>,
): Method<P, R, NoInfer<E>> {
  return declare(spec, false, spec.params);
}

/**
 * Declares a method that changes something; its params gain an optional `idempotencyKey` unless they name
 * one.
 */
export function effect<P extends ParamsSchema, R extends ResultSchema, E extends ErrorCode = never>(
  spec: MethodSpec<P, R, E>,
): Method<Keyed<P>, R, NoInfer<E>> {
  return declare(spec, true, () => {
    const params = spec.params();
    const isKeyed = "idempotencyKey" in params.shape;
    // P or P with the key, which is what Keyed<P> says; the compiler cannot follow the branch.
    return (isKeyed ? params : params.extend({ idempotencyKey: IdempotencyKey().optional() })) as Keyed<P>;
  });
}

function declare<P extends ParamsSchema, R extends ResultSchema, E extends ErrorCode>(
  { scope, summary, errors = [], ...spec }: MethodSpec<ParamsSchema, R, E>,
  isEffect: boolean,
  makeParams: () => P,
): Method<P, R, E> {
  const params = once(makeParams);
  const result = once(spec.result);
  return {
    kind: "method",
    scope,
    summary,
    errors,
    effect: isEffect,
    get params() {
      return params();
    },
    get result() {
      return result();
    },
  };
}

type Reserved = { readonly shape: { readonly event?: never; readonly seq?: never } };
type ReservedOf<D> = D extends z.ZodDiscriminatedUnion<readonly z.ZodObject[], string> ? unknown : Reserved;

/** Declares an event. `data` may not have the keys `event` and `seq`: the dialects use them. */
export function event<D extends EventSchema>(spec: {
  readonly scope: Scope;
  readonly delivery: Delivery;
  readonly summary: string;
  readonly data: () => D & ReservedOf<D>;
  readonly replay?: boolean;
}): Event<D> {
  const { scope, delivery, summary, replay = true } = spec;
  const data = once(() => withoutReserved(spec.data()));
  return {
    kind: "event",
    scope,
    delivery,
    summary,
    replay,
    get data() {
      return data();
    },
  };
}

/** Keys the dialects put beside an event's own. @source PROTOCOL §2 */
const RESERVED_KEYS = ["event", "seq"];

function withoutReserved<D extends EventSchema>(data: D): D {
  const schemas: readonly z.ZodObject[] = "options" in data ? data.options : [data];
  const reserved = RESERVED_KEYS.find((key) => schemas.some((schema) => key in schema.shape));
  if (reserved) throw new Error(`Cannot declare event: its payload has the reserved key "${reserved}"`);
  return data;
}

export type Methods = Readonly<Record<string, Method>>;
export type Events = Readonly<Record<string, Event>>;
