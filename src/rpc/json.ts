import { RpcError } from "../contract/errors.ts";
import { LIMITS } from "../contract/limits.ts";
import { RESERVED_KEYS } from "../contract/reserved-keys.ts";

/** Below this length a text cannot be nested deeper than the limit and still be JSON. */
const SHALLOW_CHARS = 2 * LIMITS.jsonDepthMax + 1;

/**
 * Text from outside to a value: bounded nesting, no key that could reach a prototype.
 *
 * Never throws. The nesting is counted before `JSON.parse`, which would take five million levels.
 */
export function parseJson(text: string): { readonly value: unknown } | RpcError {
  if (text.length > SHALLOW_CHARS && isTooDeep(text)) {
    const bound = LIMITS.jsonDepthMax;
    return new RpcError("invalid_request", `Cannot read message: nested deeper than ${bound}`, {
      details: { bound },
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The engine's own words differ between runtimes and quote the input; ours say enough.
    return new RpcError("parse_error", "Cannot read message: not JSON");
  }
  const key = mayHoldForbiddenKey(text) ? forbiddenKeyIn(value) : undefined;
  if (key === undefined) return { value };
  return new RpcError("invalid_request", `Cannot read message: key "${key}" is reserved`, {
    details: { key },
  });
}

/** One JSON text for equal values, whatever the order of their keys. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Length of the text in UTF-8, without making it. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    const isPair = unit >= 0xd800 && unit < 0xdc00 && i + 1 < text.length;
    bytes += unit < 0x800 ? 1 : 2;
    if (isPair) i++;
  }
  return bytes;
}

/** Whether a text that is JSON has more levels than any from outside may have. */
export function isTooDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (inString) {
      if (unit === 0x5c) i++;
      else if (unit === 0x22) inString = false;
    } else if (unit === 0x22) inString = true;
    else if (unit === 0x7b || unit === 0x5b) {
      if (++depth > LIMITS.jsonDepthMax) return true;
    } else if (unit === 0x7d || unit === 0x5d) depth--;
  }
  return false;
}

/** A cheap look at the text; an escape may spell any key, so it counts as well. */
function mayHoldForbiddenKey(text: string): boolean {
  return text.includes("proto") || text.includes("constructor") || text.includes("\\u");
}

/** Depth is bounded by now, so the walk may recurse. */
function forbiddenKeyIn(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (Array.isArray(value)) return firstOf(value, forbiddenKeyIn);
  const own = Object.keys(value).find((key) => RESERVED_KEYS.has(key));
  return own ?? firstOf(Object.values(value), forbiddenKeyIn);
}

function firstOf<T, R>(items: readonly T[], find: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
