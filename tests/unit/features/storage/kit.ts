import { join } from "node:path";
import { openDatabase } from "../../../../src/platform/database.ts";
import type { Database } from "../../../../src/ports.ts";
import { tempDir } from "../../../support/temp.ts";

/** A real database with one table, opened a second time to see what is on disk. */
export function createTable(): { readonly db: Database; texts(): unknown[] } {
  const path = join(tempDir(), "a.db");
  const db = openDatabase(path);
  db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT");
  const other = openDatabase(path);
  const select = other.prepare("SELECT text FROM t ORDER BY id");
  return { db, texts: () => select.all().map((row) => row["text"]) };
}
