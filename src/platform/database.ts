import { messageOf } from "../contract/errors.ts";
import type { DatabaseSync, StatementSync } from "node:sqlite";

import type { Database, SqlRow, SqlValue, Statement } from "../ports.ts";
import { openSqlite } from "./sqlite.ts";

/** Waiting for another process blocks the whole event loop, so only as long as a short write takes. */
const busyMs = 250;

const PRAGMAS = ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"];

/** Opens or creates the one database. A file that is no database is refused and left as it is. */
export function openDatabase(path: string): Database {
  const connection = openSqlite(path, busyMs);
  try {
    for (const pragma of PRAGMAS) connection.exec(pragma);
    const mode: unknown = connection.prepare("PRAGMA journal_mode").get()?.["journal_mode"];
    if (mode !== "wal")
      throw new Error(`its file system allows no write-ahead log, journal_mode is ${String(mode)}`);
  } catch (cause) {
    connection.close();
    const state = messageOf(cause);
    throw new Error(`Cannot open database "${path}": ${state}`, { cause });
  }
  return new SqliteDatabase(connection);
}

class SqliteDatabase implements Database {
  readonly #connection: DatabaseSync;
  #depth = 0;
  #isDoomed = false;

  constructor(connection: DatabaseSync) {
    this.#connection = connection;
  }

  exec(sql: string): void {
    this.#connection.exec(sql);
  }

  prepare(sql: string): Statement {
    return new SqliteStatement(this.#connection.prepare(sql));
  }

  /** A call inside another joins it: if either fails, nothing of both is kept. */
  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return this.#join(work);
    this.#isDoomed = false;
    this.#connection.exec("BEGIN IMMEDIATE");
    try {
      const result = this.#join(work);
      if (this.#isDoomed) throw new Error("Cannot commit transaction: a part of it failed");
      this.#connection.exec("COMMIT");
      return result;
    } catch (error) {
      // A full disk, among others, has made SQLite roll back by itself.
      if (this.#connection.isTransaction) this.#connection.exec("ROLLBACK");
      throw error;
    }
  }

  close(): void {
    this.#connection.close();
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

class SqliteStatement implements Statement {
  readonly #statement: StatementSync;

  constructor(statement: StatementSync) {
    this.#statement = statement;
  }

  run(...values: SqlValue[]): { changes: number; lastId: number } {
    const { changes, lastInsertRowid } = this.#statement.run(...values);
    return { changes: Number(changes), lastId: Number(lastInsertRowid) };
  }

  get(...values: SqlValue[]): SqlRow | undefined {
    const row = this.#statement.get(...values);
    return row === undefined ? undefined : plain(row);
  }

  all(...values: SqlValue[]): SqlRow[] {
    return this.#statement.all(...values).map(plain);
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
