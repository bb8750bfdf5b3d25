import assert from "node:assert/strict";
import { chmodSync, lstatSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import process from "node:process";

import type { Database } from "../../src/ports.ts";
import { startChild } from "./child-process.ts";
import { isRefusal } from "./database-failures.ts";
import { inScratch } from "./scratch.ts";
import type { Subject } from "./suite.ts";

/** The `Database` port: what is acknowledged is kept, all or nothing, and for nobody else. */
export function databaseSuite({ platform, test, child }: Subject): void {
  const check = (name: string, work: (directory: string) => void | Promise<void>): void =>
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

  check("rows are plain objects", (dir) => {
    withTable(dir, (db) => {
      const insert = db.prepare("INSERT INTO t (text) VALUES (?)");
      assert.deepEqual(insert.run("grüß 🙂"), { changes: 1, lastId: 1 });
      assert.deepEqual(insert.run(null), { changes: 1, lastId: 2 });
      const select = db.prepare("SELECT id, text FROM t WHERE id >= ? ORDER BY id");
      assert.deepStrictEqual(select.get(2), { id: 2, text: null });
      assert.deepStrictEqual(select.all(1), [
        { id: 1, text: "grüß 🙂" },
        { id: 2, text: null },
      ]);
      assert.equal(select.get(3), undefined);
      assert.deepEqual(select.all(3), []);
      assert.throws(() => db.prepare("SELECT x'00' AS bytes").get(), /Cannot read column "bytes"/);
      assert.throws(() => db.prepare("SELECT FROM").get(), /syntax error/);
    });
  });

  check("it is write-ahead, fully synchronous and holds foreign keys", (dir) => {
    withTable(dir, (db) => {
      assert.deepEqual(db.prepare("PRAGMA journal_mode").get(), { journal_mode: "wal" });
      assert.deepEqual(db.prepare("PRAGMA synchronous").get(), { synchronous: 2 });
      assert.deepEqual(db.prepare("PRAGMA foreign_keys").get(), { foreign_keys: 1 });
      assert.deepEqual(db.prepare("PRAGMA busy_timeout").get(), { timeout: 250 });
    });
  });

  check("every file of it is private, also one that was not", (dir) => {
    const before = process.umask(0);
    try {
      withTable(dir, () => {
        assert.deepEqual(modes(dir), { "a.db": "600", "a.db-shm": "600", "a.db-wal": "600" });
      });
      chmodSync(`${dir}/a.db`, 0o644);
      const db = platform.openDatabase(`${dir}/a.db`);
      db.exec("INSERT INTO t (text) VALUES ('x')");
      assert.deepEqual(modes(dir), { "a.db": "600", "a.db-shm": "600", "a.db-wal": "600" });
      db.close();
    } finally {
      process.umask(before);
    }
  });

  for (const [what, text] of [
    ["a long text", "this is no database. ".repeat(1_000)],
    ["a short text", "x"],
  ] as const) {
    check(`${what} is refused and left as it is`, (dir) => {
      writeFileSync(`${dir}/a.db`, text);
      assert.throws(
        () => platform.openDatabase(`${dir}/a.db`),
        (error) =>
          isRefusal(error, "not_a_database") &&
          /^Cannot open database ".*a\.db": .*not a database$/.test(error.message),
      );
      assert.equal(readFileSync(`${dir}/a.db`, "utf8"), text);
      assert.deepEqual(readdirSync(dir), ["a.db"]);
    });
  }

  check("a link, a directory and a missing parent are refused", (dir) => {
    symlinkSync("target", `${dir}/link`);
    assert.throws(() => platform.openDatabase(`${dir}/link`), /it is a symbolic link$/);
    assert.throws(() => platform.openDatabase(dir), /it is not a regular file$/);
    assert.throws(() => platform.openDatabase(`${dir}/none/a.db`));
    assert.deepEqual(readdirSync(dir), ["link"]);
  });

  check("a transaction is all or nothing", (dir) => {
    withTable(dir, (db) => {
      const insert = db.prepare("INSERT INTO t (text) VALUES (?)");
      assert.equal(
        db.transaction(() => insert.run("kept").lastId),
        1,
      );
      const failure = new Error("half way");
      assert.throws(
        () =>
          db.transaction(() => {
            insert.run("lost");
            throw failure;
          }),
        (error) => error === failure,
      );
      assert.deepEqual(texts(db), ["kept"]);
      db.transaction(() => insert.run("after"));
      assert.deepEqual(texts(db), ["kept", "after"]);
    });
  });

  check("a transaction inside another is a part of it", (dir) => {
    withTable(dir, (db) => {
      const insert = db.prepare("INSERT INTO t (text) VALUES (?)");
      db.transaction(() => {
        insert.run("outer");
        db.transaction(() => insert.run("inner"));
      });
      assert.deepEqual(texts(db), ["outer", "inner"]);
      const failInside = (): void => {
        assert.throws(() =>
          db.transaction(() => {
            insert.run("lost inside");
            throw new Error("inside");
          }),
        );
      };
      assert.throws(
        () =>
          db.transaction(() => {
            insert.run("lost outside");
            failInside();
          }),
        /^Error: Cannot commit transaction: a part of it failed$/,
      );
      assert.deepEqual(texts(db), ["outer", "inner"]);
    });
  });

  check("a transaction whose work would go on after it is refused", (dir) => {
    withTable(dir, (db) => {
      assert.throws(
        () =>
          db.transaction(() => {
            db.exec("INSERT INTO t (text) VALUES ('lost')");
            return Promise.resolve();
          }),
        /its work is asynchronous$/,
      );
      assert.deepEqual(texts(db), []);
    });
  });

  check("a savepoint that fails is all that is taken back", (dir) => {
    withTable(dir, (db) => {
      const insert = db.prepare("INSERT INTO t (text) VALUES (?)");
      const failure = new Error("half way");
      const failing = (text: string): void =>
        assert.throws(
          () =>
            db.savepoint(() => {
              insert.run(text);
              throw failure;
            }),
          (error) => error === failure,
        );
      db.transaction(() => {
        insert.run("before");
        failing("lost");
        assert.equal(
          db.savepoint(() => insert.run("kept").lastId),
          2,
        );
        db.savepoint(() => {
          insert.run("outer");
          failing("lost inside");
        });
      });
      assert.deepEqual(texts(db), ["before", "kept", "outer"]);
      assert.throws(() => db.savepoint(() => 1), /^Error: Cannot set savepoint: there is no transaction$/);
    });
  });

  check("a transaction that fails inside a savepoint fails the savepoint alone", (dir) => {
    withTable(dir, (db) => {
      const insert = db.prepare("INSERT INTO t (text) VALUES (?)");
      db.transaction(() => {
        insert.run("before");
        assert.throws(
          () =>
            db.savepoint(() => {
              insert.run("lost outside");
              assert.throws(() =>
                db.transaction(() => {
                  insert.run("lost inside");
                  throw new Error("inside");
                }),
              );
            }),
          /a part of it failed$/,
        );
      });
      assert.deepEqual(texts(db), ["before"]);
    });
  });

  check("a look at it before anything is written may refuse it", (dir) => {
    const look = (): void => {
      throw new Error("not ours");
    };
    withTable(dir, (db) => db.exec("PRAGMA journal_mode = DELETE"));
    const before = readFileSync(`${dir}/a.db`);
    assert.throws(() => platform.openDatabase(`${dir}/a.db`, look), /^Error: not ours$/);
    assert.deepEqual(readFileSync(`${dir}/a.db`), before);
    assert.deepEqual(readdirSync(dir), ["a.db"]);
    const seen: unknown[] = [];
    platform
      .openDatabase(`${dir}/a.db`, (db) =>
        seen.push(db.path, db.prepare("SELECT count(*) AS n FROM t").get()),
      )
      .close();
    assert.deepEqual(seen, [`${dir}/a.db`, { n: 0 }]);
  });

  check("a backup is whole, private and never in the place of another", async (dir) => {
    const before = process.umask(0);
    try {
      const db = platform.openDatabase(`${dir}/a.db`);
      db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT) STRICT; PRAGMA user_version = 7");
      db.exec("INSERT INTO t (text) VALUES ('kept')");
      writeFileSync(`${dir}/copy.partial`, "what a kill has left");
      symlinkSync("nowhere", `${dir}/link`);
      assert.equal(await db.backup(`${dir}/copy`), true);
      db.exec("INSERT INTO t (text) VALUES ('later')");
      assert.equal(await db.backup(`${dir}/copy`), false);
      assert.equal(await db.backup(`${dir}/link`), false);
      await assert.rejects(db.backup(`${dir}/none/copy`));
      db.close();
      assert.deepEqual(modes(dir), { "a.db": "600", copy: "600", link: "777" });
      const copy = platform.openDatabase(`${dir}/copy`);
      assert.deepEqual(texts(copy), ["kept"]);
      assert.deepEqual(copy.prepare("PRAGMA user_version").get(), { user_version: 7 });
      copy.close();
    } finally {
      process.umask(before);
    }
  });

  check("what was committed survives a kill", async (dir) => {
    const { lines, exit, signal } = startChild(child, ["write-database", `${dir}/a.db`]);
    let acknowledged = "";
    for (let count = 0; count < 20; count += 1) {
      acknowledged = await lines.next("an acknowledged row");
    }
    signal("SIGKILL");
    assert.equal(await exit, "SIGKILL");
    const db = platform.openDatabase(`${dir}/a.db`);
    const row = db.prepare("SELECT count(*) AS count, max(id) AS last FROM t").get();
    assert.ok(Number(row?.["count"]) >= Number(acknowledged), JSON.stringify(row));
    assert.equal(row?.["count"], row?.["last"]);
    assert.deepEqual(db.prepare("PRAGMA integrity_check").get(), { integrity_check: "ok" });
    db.close();
  });
}

function modes(dir: string): Record<string, string> {
  const names = readdirSync(dir).toSorted();
  return Object.fromEntries(
    names.map((name) => [name, (lstatSync(`${dir}/${name}`).mode & 0o777).toString(8)]),
  );
}
