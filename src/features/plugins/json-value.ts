import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";

/**
 * A value of a plugin's store as it is kept.
 *
 * @returns undefined for `undefined`. @throws RpcError for what JSON would lose, or not take
 */
export function jsonOf(key: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  let json: string | undefined;
  try {
    json = JSON.stringify(value, refuseLost);
  } catch (error) {
    throw notJson(key, messageOf(error));
  }
  if (json === undefined) throw notJson(key, "there is nothing of it in JSON");
  const bound = LIMITS.pluginStoreValueCharsMax;
  if (json.length <= bound) return json;
  throw new RpcError("too_large", `Cannot set key "${key}": its JSON is longer than ${bound} characters`, {
    details: { bound },
  });
}

function notJson(key: string, reason: string): RpcError {
  return new RpcError("invalid_params", `Cannot set key "${key}": its value is no JSON: ${reason}`);
}

/** What `JSON.stringify` would leave out or replace without a word. */
function refuseLost(_key: string, value: unknown): unknown {
  if (typeof value === "function" || typeof value === "symbol") throw new Error(`a ${typeof value}`);
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error(String(value));
  if (value instanceof Map || value instanceof Set) throw new Error("a Map or a Set");
  return value;
}
