import { RpcError } from "../contract/errors.ts";
import { LIMITS } from "../contract/limits.ts";
import { DatabaseError, type DatabaseErrorKind } from "../ports.ts";

const STATES: Readonly<Record<DatabaseErrorKind, string>> = {
  full: "the disk is full",
  io: "the disk answered with an error",
  busy: "another program has locked it",
  corrupt: "it is damaged",
  not_a_database: "it is damaged",
  other: "it does not take it",
};

/** A failure of the database for clients; the log has SQLite's own words, which may name files. */
export function databaseUnavailable(verb: "read" | "write to", error: unknown): RpcError {
  const state = STATES[error instanceof DatabaseError ? error.kind : "other"];
  return new RpcError("unavailable", `Cannot ${verb} the database: ${state}`, {
    retryAfterMs: LIMITS.writeRetryMs,
    cause: error,
  });
}

/** The disk's failure and nobody's mistake: the same may work later. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return false;
  return error.kind === "full" || error.kind === "io" || error.kind === "busy";
}

/** What is in the file cannot be read, or seems so: a read that fails looks the same. */
export function isDamage(error: unknown): boolean {
  return error instanceof DatabaseError && (error.kind === "corrupt" || error.kind === "not_a_database");
}
