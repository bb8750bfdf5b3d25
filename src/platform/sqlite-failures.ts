import { messageOf } from "../contract/errors.ts";
import { DatabaseError, type DatabaseErrorKind } from "../ports.ts";

/** Primary result codes. @source sqlite.org/rescode.html */
const KINDS: Readonly<Record<number, DatabaseErrorKind>> = {
  5: "busy",
  6: "busy",
  8: "io",
  10: "io",
  11: "corrupt",
  13: "full",
  14: "io",
  26: "not_a_database",
};

/** SQLite's own sentences, for Deno, which gives no code with what `exec` and opening throw. */
const SENTENCES: readonly (readonly [RegExp, DatabaseErrorKind])[] = [
  [/^database or disk is full/, "full"],
  [/^(disk I\/O error|unable to open database file|attempt to write a readonly database)/, "io"],
  [/^database (table )?is locked/, "busy"],
  [/^(database disk image is malformed|malformed database schema)/, "corrupt"],
  [/^file is not a database/, "not_a_database"],
];

/** Does what may be refused by SQLite, and says by which kind of refusal. */
export function orDatabaseError<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toDatabaseError(error);
  }
}

export function kindOf(error: unknown): DatabaseErrorKind {
  if (error instanceof DatabaseError) return error.kind;
  if (!(error instanceof Error)) return "other";
  const code = "errcode" in error && typeof error.errcode === "number" ? error.errcode : undefined;
  // The upper bytes of a code only say more about the same thing.
  if (code !== undefined) return KINDS[code & 0xff] ?? "other";
  return SENTENCES.find(([sentence]) => sentence.test(error.message))?.[1] ?? "other";
}

/** The same with its kind; anything that is not SQLite's as it is. */
export function toDatabaseError(error: unknown): unknown {
  const isSqlite = error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR";
  return isSqlite ? new DatabaseError(kindOf(error), messageOf(error), { cause: error }) : error;
}
