import { ERRORS, type ErrorCode, type ErrorExtra, RpcError } from "../../contract/errors.ts";
import { isObject } from "../../rpc/json.ts";

/** An error between two processes: one that speaks to clients has its code, any other its stack. */
export interface Fault {
  readonly message: string;
  readonly code?: ErrorCode;
  readonly extra?: ErrorExtra;
  readonly stack?: string;
}

const MESSAGE_CHARS_MAX = 4_000;
const STACK_CHARS_MAX = 8_000;

export function faultOf(error: unknown): Fault {
  const message = (error instanceof Error ? error.message : wordsFor(error)).slice(0, MESSAGE_CHARS_MAX);
  if (error instanceof RpcError) return { message, code: error.code, extra: error.extra };
  const stack = error instanceof Error ? error.stack?.slice(0, STACK_CHARS_MAX) : undefined;
  return { message, ...(stack !== undefined && { stack }) };
}

/** What came from the other process, which may be anything, as an error. */
export function errorOf(fault: unknown): Error {
  if (!isObject(fault)) return new Error("it failed and did not say why");
  const { message, code, extra, stack } = fault;
  const said = typeof message === "string" ? message.slice(0, MESSAGE_CHARS_MAX) : "it failed";
  if (isErrorCode(code)) return new RpcError(code, said, extraOf(extra));
  const error = new Error(said);
  if (typeof stack === "string") error.stack = stack.slice(0, STACK_CHARS_MAX);
  return error;
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(ERRORS, code);
}

function extraOf(extra: unknown): ErrorExtra {
  if (!isObject(extra)) return {};
  const { details, ref, retryAfterMs } = extra;
  return {
    ...(isObject(details) && { details }),
    ...(typeof ref === "string" && { ref }),
    ...(typeof retryAfterMs === "number" && { retryAfterMs }),
  };
}

function wordsFor(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    // An object without a way to be a text was thrown.
    return "it threw what cannot be shown";
  }
}
