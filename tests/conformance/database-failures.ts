import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync, writeFileSync } from "node:fs";

import { type Database, DatabaseError, type DatabaseErrorKind } from "../../src/ports.ts";
import { inScratch } from "./scratch.ts";
import type { Subject } from "./suite.ts";

/** What a `Database` says when it cannot: SQLite's refusals have other forms on each runtime. */
export function databaseFailuresSuite({ platform, test }: Subject): void {
  const check = (name: string, work: (directory: string) => void): void =>
    test(`database: ${name}`, () => inScratch(work));
  const withTable = (dir: string, work: (db: Database) => void): void => {
    const db = platform.openDatabase(`${dir}/a.db`);
    db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT) STRICT");
    work(db);
    db.close();
  };
  const texts = (db: Database): unknown[] =>
    db
      .prepare("SELECT text FROM t ORDER BY id")
      .all()
      .map((row) => row["text"]);

  check("what is refused says why", (dir) => {
    withTable(dir, (db) => {
      const insert = db.prepare("INSERT INTO t (text) VALUES (?)");
      const insertLong = db.prepare("INSERT INTO t (text) VALUES (hex(zeroblob(100000))) RETURNING id");
      const refused = (kind: DatabaseErrorKind, work: () => unknown): void =>
        assert.throws(work, (error) => isRefusal(error, kind));
      refused("other", () => db.exec("INSERT INTO t (id) VALUES (1), (1)"));
      refused("other", () => db.prepare("SELECT FROM").get());
      const other = platform.openDatabase(db.path);
      db.exec("PRAGMA busy_timeout = 0");
      other.transaction(() => {
        refused("busy", () => db.exec("INSERT INTO t (text) VALUES ('x')"));
        refused("busy", () => insert.run("x"));
        refused("busy", () => db.transaction(() => {}));
      });
      other.close();
      db.exec("PRAGMA max_page_count = 3");
      refused("full", () => db.exec("INSERT INTO t (text) VALUES (hex(zeroblob(100000)))"));
      refused("full", () => insertLong.run());
      refused("full", () => insertLong.get());
      refused("full", () => insertLong.all());
      refused("full", () => db.transaction(() => insertLong.run()));
      db.exec("PRAGMA max_page_count = 1000");
      db.transaction(() => insert.run("kept"));
      assert.deepEqual(texts(db), ["kept"]);
    });
  });

  check("damage is told from other failures", (dir) => {
    withTable(dir, (db) => {
      const insert = db.prepare("INSERT INTO t (text) VALUES (?)");
      db.transaction(() => {
        for (let row = 0; row < 100; row++) insert.run("x".repeat(1_000));
      });
    });
    const bytes = readFileSync(`${dir}/a.db`);
    const damaged = (name: string, from: number, to: number): string => {
      writeFileSync(`${dir}/${name}`, Buffer.from(bytes).fill(0x55, from, to));
      return `${dir}/${name}`;
    };
    assert.throws(
      () => platform.openDatabase(damaged("schema.db", 200, 4_096)),
      (error) => isRefusal(error, "corrupt") && error.message.startsWith("Cannot open database "),
    );
    const db = platform.openDatabase(damaged("table.db", 3 * 4_096, 9 * 4_096));
    for (const work of [
      () => db.exec("UPDATE t SET text = 'y'"),
      () => db.prepare("UPDATE t SET text = 'y'").run(),
      () => texts(db),
    ]) {
      assert.throws(work, (error) => isRefusal(error, "corrupt"));
    }
    db.close();
  });
}

export function isRefusal(error: unknown, kind: DatabaseErrorKind): error is DatabaseError {
  assert.ok(error instanceof DatabaseError, String(error));
  assert.equal(error.kind, kind, error.message);
  return true;
}
