import { chmodSync, closeSync, constants, lstatSync, openSync, type Stats } from "node:fs";
import process from "node:process";
import type { DatabaseSync } from "node:sqlite";

import { DatabaseError } from "../ports.ts";
import { codeOf, wordsOf } from "./failures.ts";
import { toDatabaseError } from "./sqlite-failures.ts";

/** SQLite's smallest page; a shorter file would be taken for an empty database and written over. */
const pageBytesMin = 512;

const NO_DATABASE = "it is not a database";

/** What SQLite keeps beside a database. */
const COMPANIONS = ["-wal", "-shm", "-journal"];

export interface OpenOptions {
  /** How long a call waits for another process, and blocks. */
  readonly busyMs: number;
  readonly readOnly?: boolean;
}

/**
 * Opens the file, creating it with mode 0600; its journals inherit that mode.
 *
 * An existing file is looked at by name alone: closing a descriptor of it would release the locks that SQLite
 * may hold on it elsewhere in this process.
 */
export function openSqlite(path: string, options: OpenOptions): DatabaseSync {
  prepareFiles(path);
  // Loaded by the one command that opens a database: it is a third of the start of all the others.
  const sqlite = process.getBuiltinModule("node:sqlite");
  const { busyMs, readOnly = false } = options;
  return orCannotOpen(
    path,
    () => new sqlite.DatabaseSync(path, { timeout: busyMs, readOnly, enableForeignKeyConstraints: true }),
  );
}

/** SQLite's own words name no file. */
export function orCannotOpen<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const cause = toDatabaseError(error);
    if (!(cause instanceof DatabaseError)) throw cause;
    throw new DatabaseError(cause.kind, `Cannot open database "${path}": ${cause.message}`, { cause });
  }
}

function prepareFiles(path: string): void {
  inWords(path, () => {
    // A process that starts at the same moment may make it between the two: then it is one that exists.
    if (!secure(path, badDatabase) && !create(path)) secure(path, badDatabase);
    for (const suffix of COMPANIONS) secure(path + suffix, badFile);
  });
}

/** Whether what was written last may be in a log beside it. */
export function hasLog(path: string): boolean {
  return inWords(path, () => lstatSync(`${path}-wal`, { throwIfNoEntry: false }) !== undefined);
}

function inWords<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (codeOf(cause) === undefined) throw cause;
    throw new Error(`Cannot open database "${path}": ${wordsOf(cause)}`, { cause });
  }
}

/** @returns false when it exists by now */
export function create(path: string): boolean {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  try {
    closeSync(openSync(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600));
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** Closes a file to others. @returns false when there is none. @throws when it is a bad one */
function secure(path: string, badState: (found: Stats) => string | undefined): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return false;
  const state = badState(found);
  if (state === NO_DATABASE)
    throw new DatabaseError("not_a_database", `Cannot open database "${path}": ${state}`);
  if (state !== undefined) throw new Error(`Cannot open database "${path}": ${state}`);
  if ((found.mode & 0o077) !== 0) chmodSync(path, 0o600);
  return true;
}

function badFile(found: Stats): string | undefined {
  if (found.isSymbolicLink()) return "it is a symbolic link";
  return found.isFile() ? undefined : "it is not a regular file";
}

function badDatabase(found: Stats): string | undefined {
  const isShort = found.size > 0 && found.size < pageBytesMin;
  return badFile(found) ?? (isShort ? NO_DATABASE : undefined);
}
