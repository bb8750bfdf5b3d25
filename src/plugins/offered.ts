import {
  API_VERSION,
  definePlugin,
  effect,
  ERROR_CODES,
  event,
  method,
  once,
  RpcError,
  SCOPES,
} from "./api.ts";

/** What `gateway/plugin` has at run time, but for `z`, which its loader adds. */
export const offered = {
  API_VERSION,
  definePlugin,
  effect,
  ERROR_CODES,
  event,
  method,
  once,
  RpcError,
  SCOPES,
};
