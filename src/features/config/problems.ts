import type { ConfigIssue } from "../../config/issues.ts";
import { parseKey } from "../../config/key.ts";
import { quote } from "../../config/leaves.ts";
import type { Path } from "../../config/leaves.ts";
import type { Reloaded } from "../../config/reloader.ts";
import type { WriteRefused, Written } from "../../config/write/writer.ts";
import { RpcError } from "../../contract/errors.ts";
import type { ConfigOutcome, ConfigProblem } from "./contract.ts";

const CODES = {
  stale: "conflict",
  invalid: "invalid_params",
  locked: "busy",
  failed: "unavailable",
} as const;

/** What a writer refuses, as clients see it. */
export function toRpcError({ kind, message, issues }: WriteRefused): RpcError {
  const details = issues.length > 0 ? { details: { errors: issues.map(problemOf) } } : {};
  return new RpcError(CODES[kind], message, details);
}

/** Why a configuration cannot be used, as clients see it. */
export function unusable(errors: readonly ConfigIssue[]): RpcError {
  const message = errors[0]?.message ?? "Cannot use configuration";
  return new RpcError("invalid_params", message, { details: { errors: errors.map(problemOf) } });
}

/** What a write came to, as clients see it. */
export function outcomeOf(written: Written, { hash, changed, restartOwed }: Reloaded): ConfigOutcome {
  return {
    ok: true,
    path: written.after.path,
    hash,
    changed: [...changed],
    restartOwed: [...restartOwed],
    ...(written.backup !== undefined && { backup: written.backup }),
    notes: [...written.changes],
  };
}

/** An issue as clients see it. */
export function problemOf({ file, line, column, key, message }: ConfigIssue): ConfigProblem {
  return {
    ...(file !== undefined && { file }),
    ...(line !== undefined && { line }),
    ...(column !== undefined && { column }),
    key,
    message,
  };
}

/** @throws RpcError `invalid_params` */
export function pathOf(key: string): Path {
  const path = parseKey(key);
  if (path) return path;
  throw new RpcError("invalid_params", `Cannot use key ${quote(key)}: it is not written like gateway.port`);
}
