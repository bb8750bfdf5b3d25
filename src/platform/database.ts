import { lstatSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import type { DatabaseSync, StatementSync } from "node:sqlite";

import {
  type Database,
  DatabaseError,
  type Readable,
  type SqlRow,
  type SqlValue,
  type Statement,
} from "../ports.ts";
import { orDatabaseError, toDatabaseError } from "./sqlite-failures.ts";
import { create, hasLog, openSqlite, orCannotOpen } from "./sqlite.ts";
import { syncFile } from "./sync-file.ts";

/** Waiting for another process blocks the whole event loop, so only as long as a short write takes. */
const busyMs = 250;

/** A log that had to grow is cut back to this, or it would keep the room of its largest day. */
const PRAGMAS = [
  "PRAGMA journal_mode = WAL",
  "PRAGMA synchronous = FULL",
  `PRAGMA journal_size_limit = ${8 * 1024 * 1024}`,
];

/** Opens or creates the one database. A file that is no database is refused and left as it is. */
export function openDatabase(path: string, check?: (db: Readable) => void): Database {
  if (check) look(path, check);
  const connection = openSqlite(path, { busyMs });
  return orClose(path, connection, () => {
    const db = new SqliteDatabase(path, connection);
    useWriteAheadLog(db);
    // Where SQLite cannot open for writing it opens for reading: this asks to write, and has nothing to.
    db.exec("PRAGMA incremental_vacuum(1)");
    return db;
  });
}

function look(path: string, check: (db: Readable) => void): void {
  // Whoever may write throws a log away that it cannot read; whoever may not leaves one where there was none.
  const connection = openSqlite(path, { busyMs, readOnly: hasLog(path) });
  orClose(path, connection, () => check(new SqliteDatabase(path, connection)));
  connection.close();
}

function orClose<T>(path: string, connection: DatabaseSync, work: () => T): T {
  try {
    return orCannotOpen(path, work);
  } catch (error) {
    connection.close();
    throw error;
  }
}

function useWriteAheadLog(db: Database): void {
  for (const pragma of PRAGMAS) db.exec(pragma);
  const mode = String(db.prepare("PRAGMA journal_mode").get()?.["journal_mode"]);
  if (mode === "wal") return;
  throw new DatabaseError("other", `its file system allows no write-ahead log, journal_mode is ${mode}`);
}

class SqliteDatabase implements Database {
  readonly path: string;
  readonly #connection: DatabaseSync;
  #depth = 0;
  #isDoomed = false;

  constructor(path: string, connection: DatabaseSync) {
    this.path = path;
    this.#connection = connection;
  }

  exec(sql: string): void {
    orDatabaseError(() => this.#connection.exec(sql));
  }

  prepare(sql: string): Statement {
    return new SqliteStatement(() => this.#connection.prepare(sql));
  }

  /** A call inside another joins it: if either fails, nothing of both is kept. */
  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return this.#join(work);
    this.#isDoomed = false;
    this.#rollback();
    this.exec("BEGIN IMMEDIATE");
    try {
      const result = this.#join(work);
      if (this.#isDoomed) throw new Error("Cannot commit transaction: a part of it failed");
      this.exec("COMMIT");
      return result;
    } catch (error) {
      this.#rollbackQuietly();
      throw error;
    }
  }

  savepoint<T>(work: () => T): T {
    const wasDoomed = this.#isDoomed;
    if (this.#depth === 0) throw new Error("Cannot set savepoint: there is no transaction");
    // SQLite has rolled back by itself, and would take the savepoint for the start of another transaction.
    if (!this.#connection.isTransaction)
      throw new DatabaseError("other", "Cannot set savepoint: rolled back");
    this.exec("SAVEPOINT part");
    try {
      const result = this.#join(work);
      if (this.#isDoomed && !wasDoomed) throw new Error("Cannot keep savepoint: a part of it failed");
      this.exec("RELEASE part");
      return result;
    } catch (error) {
      if (!this.#connection.isTransaction) throw error;
      this.exec("ROLLBACK TO part");
      this.exec("RELEASE part");
      this.#isDoomed = wasDoomed;
      throw error;
    }
  }

  async backup(path: string): Promise<boolean> {
    if (lstatSync(path, { throwIfNoEntry: false })) return false;
    // One that a kill has cut short must not look like a whole one.
    const partial = `${path}.partial`;
    rmSync(partial, { force: true });
    try {
      // SQLite fills an empty file, and would make a new one that others may read.
      create(partial);
      // Not VACUUM INTO, which Deno allows only to programs that may do everything.
      await process.getBuiltinModule("node:sqlite").backup(this.#connection, partial);
      syncFile(partial);
      renameSync(partial, path);
      syncFile(dirname(path));
    } catch (error) {
      rmSync(partial, { force: true });
      throw toDatabaseError(error);
    }
    return true;
  }

  close(): void {
    orDatabaseError(() => this.#connection.close());
  }

  /** What an earlier failure left open: the disk may have refused its rollback as well. */
  #rollback(): void {
    if (this.#connection.isTransaction) this.exec("ROLLBACK");
  }

  /**
   * A full disk has made SQLite roll back by itself; what cannot roll back now is tried again by the next.
   */
  #rollbackQuietly(): void {
    try {
      this.#rollback();
    } catch {
      // The first failure is the one to tell.
    }
  }

  #join<T>(work: () => T): T {
    this.#depth += 1;
    try {
      const result = work();
      if (result instanceof Promise) throw new Error("Cannot commit transaction: its work is asynchronous");
      return result;
    } catch (error) {
      this.#isDoomed = true;
      throw error;
    } finally {
      this.#depth -= 1;
    }
  }
}

/** Compiled when it is first used: a gateway declares a hundred, and needs ten of them to start. */
class SqliteStatement implements Statement {
  readonly #compile: () => StatementSync;
  #compiled: StatementSync | undefined;

  constructor(compile: () => StatementSync) {
    this.#compile = compile;
  }

  get #statement(): StatementSync {
    return (this.#compiled ??= this.#compile());
  }

  run(...values: SqlValue[]): { changes: number; lastId: number } {
    const { changes, lastInsertRowid } = orDatabaseError(() => this.#statement.run(...values));
    return { changes: Number(changes), lastId: Number(lastInsertRowid) };
  }

  get(...values: SqlValue[]): SqlRow | undefined {
    const row = orDatabaseError(() => this.#statement.get(...values));
    return row === undefined ? undefined : plain(row);
  }

  all(...values: SqlValue[]): SqlRow[] {
    return orDatabaseError(() => this.#statement.all(...values)).map(plain);
  }
}

/**
 * Rows come without a prototype and may hold what the port does not know: bytes, and integers as bigint if
 * asked.
 */
function plain(row: Record<string, unknown>): SqlRow {
  const values: Record<string, SqlValue> = {};
  for (const [name, value] of Object.entries(row)) {
    const isKnown = typeof value === "string" || typeof value === "number" || value === null;
    if (!isKnown) throw new Error(`Cannot read column "${name}": it holds neither text, number nor null`);
    values[name] = value;
  }
  return values;
}
