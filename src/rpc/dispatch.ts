import type { z } from "zod";
import { errorText, RpcError } from "../contract/errors.ts";
import type { Call, Caller } from "../feature.ts";
import type { Clock, Crypto, Log } from "../ports.ts";
import type { Reply } from "./codecs/codec.ts";
import { databaseUnavailable, isDamage, isOutage } from "./database-failures.ts";
import { IdempotencyKeys } from "./idempotency.ts";
import { internalError } from "./internal.ts";
import { invalidParams } from "./issues.ts";
import { refuse } from "./refusals.ts";
import type { MethodEntry, Table } from "./table.ts";

export interface Dispatcher {
  /**
   * Answers one request: looks the method up, checks scope and params, runs the handler, checks the
   * result. Never throws, never rejects; answers at once when the handler does.
   */
  dispatch(method: string, params: unknown, caller: Caller): Reply | Promise<Reply>;
  /** Requests being worked on. */
  active(): number;
  /** Resolves when no request is being worked on. */
  idle(): Promise<void>;
}

export interface DispatchPorts {
  readonly table: Table;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly log: Log;
}

/** A request on its way through the checks. */
interface Request {
  readonly entry: MethodEntry;
  readonly caller: Caller;
}

/**
 * A compiled parser costs some milliseconds and memory, and most methods are called too seldom for one. It is
 * made when the method has cost as much without: soon where answers are large.
 */
const COLD = { jitless: true };
const COLD_MS = 20;

function parserOf(clock: Clock) {
  return <S extends z.ZodType>(entry: MethodEntry, schema: S, value: unknown) => {
    if (entry.coldMs >= COLD_MS) return schema.safeParse(value);
    const beganMs = clock.elapsed();
    const parsed = schema.safeParse(value, COLD);
    // The first call makes the schemas themselves.
    if (entry.calls > 1) entry.coldMs += clock.elapsed() - beganMs;
    return parsed;
  };
}

const fail: Call["fail"] = (code, message, extra) => {
  throw new RpcError(code, message, extra);
};

export function createDispatcher({ table, clock, crypto, log }: DispatchPorts): Dispatcher {
  const keys = new IdempotencyKeys(clock, crypto);
  const parse = parserOf(clock);
  const waiters: (() => void)[] = [];
  let active = 0;

  function failed(entry: MethodEntry, error: unknown): Reply {
    if (error instanceof RpcError) return refuse(error);
    const { name } = entry;
    if (isOutage(error) || isDamage(error)) {
      log.error("database failed", { method: name, error: errorText(error) });
      return refuse(databaseUnavailable("read", error));
    }
    const failure = { logged: "handler failed", fields: { method: name }, said: `Cannot complete "${name}"` };
    return refuse(internalError({ crypto, log }, failure, error));
  }

  function checked(entry: MethodEntry, result: unknown): Reply {
    const parsed = parse(entry, entry.method.result, result);
    if (parsed.success) return { ok: true, result };
    return failed(entry, new Error(`result does not fit its schema: ${parsed.error.message}`));
  }

  async function settle(entry: MethodEntry, pending: PromiseLike<unknown>): Promise<Reply> {
    active++;
    try {
      return checked(entry, await pending);
    } catch (error) {
      return failed(entry, error);
    } finally {
      active--;
      if (active === 0) for (const wake of waiters.splice(0)) wake();
    }
  }

  function run({ entry, caller }: Request, params: unknown): Reply | Promise<Reply> {
    try {
      // The table holds a handler beside the very schema that has just parsed these params.
      const result = entry.handler(params as never, { caller, fail });
      return isPromiseLike(result) ? settle(entry, result) : checked(entry, result);
    } catch (error) {
      return failed(entry, error);
    }
  }

  function answer(request: Request, given: unknown): Reply | Promise<Reply> {
    const { method, name } = request.entry;
    const named = Array.isArray(given) ? byName(given, method.params.shape) : (given ?? {});
    const parsed = parse(request.entry, method.params, named);
    if (!parsed.success) return refuse(invalidParams(name, parsed.error.issues));
    const params: Record<string, unknown> = parsed.data;
    const key = method.effect ? params["idempotencyKey"] : undefined;
    if (typeof key !== "string") return run(request, params);
    const { subject } = request.caller;
    return keys.answer({ subject, method: name, key, params }, () => run(request, params));
  }

  return {
    dispatch(name, params, caller) {
      const entry = table.method(name);
      if (!entry) return refuse(unknownMethod(name));
      const { scope } = entry.method;
      if (!caller.scopes.includes(scope)) return refuse(missingScope(name, scope));
      entry.calls++;
      return answer({ entry, caller }, params);
    },
    active: () => active,
    idle: () => (active === 0 ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve))),
  };
}

/** Positional params of JSON-RPC: in the order in which the schema names them. @source JSON-RPC 2.0 §4.2 */
function byName(values: readonly unknown[], shape: object): unknown {
  const names = Object.keys(shape);
  if (values.length > names.length) return values;
  return Object.fromEntries(values.map((value, index) => [names[index], value]));
}

function unknownMethod(name: string): RpcError {
  return new RpcError("unknown_method", `Cannot call "${name.slice(0, 100)}": no such method`);
}

function missingScope(name: string, scope: string): RpcError {
  const message = `Cannot call "${name}": needs the scope "${scope}"`;
  return new RpcError("forbidden", message, { details: { missingScope: scope } });
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
