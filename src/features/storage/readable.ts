import { DatabaseError, type Readable } from "../../ports.ts";

/**
 * Reads both ends of every table: the header, the schema and a path down each tree, in under a millisecond
 * whatever the size.
 *
 * @throws DatabaseError `corrupt` and `not_a_database`
 */
export function readEnds(db: Readable): void {
  // The search index holds bytes, which are not for us; what it says can be made again from the messages.
  const tables = db.prepare(
    `SELECT name, sql LIKE '%WITHOUT ROWID%' AS has_no_rowid FROM sqlite_schema
     WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'messages_fts%'`,
  );
  for (const { name, has_no_rowid: hasNoRowid } of tables.all()) {
    const rows = `SELECT * FROM "${String(name)}"`;
    db.prepare(`${rows} LIMIT 1`).get();
    if (hasNoRowid !== 1) db.prepare(`${rows} ORDER BY rowid DESC LIMIT 1`).get();
  }
}

/**
 * Reads all of it, which takes as long as reading the file.
 *
 * @throws DatabaseError `corrupt` with the first thing that is wrong
 */
export function readAll(db: Readable): void {
  const found = db.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
  if (found !== "ok") throw new DatabaseError("corrupt", String(found));
}
