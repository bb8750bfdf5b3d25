import { DatabaseError, type DatabaseErrorKind } from "../../ports.ts";

const STATES: Readonly<Record<DatabaseErrorKind, string>> = {
  full: "the disk is full",
  io: "the disk answered with an error",
  busy: "another program has locked it",
  corrupt: "it is damaged",
  not_a_database: "it is damaged",
  other: "it does not take it",
};

/** How it went wrong, for people: SQLite's own words may name files, or say nothing. */
export function stateOf(error: unknown): string {
  return STATES[error instanceof DatabaseError ? error.kind : "other"];
}

/** The disk's failure and nobody's mistake: the same may work later. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return false;
  return error.kind === "full" || error.kind === "io" || error.kind === "busy";
}

/** What is in the file cannot be read, however often one tries. */
export function isDamage(error: unknown): boolean {
  return error instanceof DatabaseError && (error.kind === "corrupt" || error.kind === "not_a_database");
}
