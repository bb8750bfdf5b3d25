import { expect, test } from "bun:test";
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { APPLICATION_ID, SCHEMA_VERSION, STEPS } from "../../../../src/features/schema.ts";
import { migrate, prepareSchema } from "../../../../src/features/storage/migrate.ts";
import { createBunPlatform } from "../../../../src/platform/bun.ts";
import { openDatabase } from "../../../../src/platform/database.ts";
import type { Database, SqlRow } from "../../../../src/ports.ts";
import { createMemoryLog } from "../../../support/ports.ts";
import { tempDir } from "../../../support/temp.ts";

const { files } = createBunPlatform();

function open(name = "gateway.db"): Database {
  return openDatabase(join(tempDir(), name));
}

/** A database as the first version left it: two sessions, one of them with a run that was cut. */
function firstVersion(): Database {
  const db = open();
  db.exec(STEPS[0] ?? "");
  db.exec("PRAGMA user_version = 1");
  const session = db.prepare("INSERT INTO sessions VALUES (?, ?, 'main', ?, ?, 1000, ?, ?)");
  session.run("s1", "agent:main:main", "home", "openai/gpt", 5_000, 3);
  session.run("s2", "agent:main:garden", null, null, 2_000, 0);
  const run = db.prepare("INSERT INTO runs VALUES (?, ?, 's1', ?, ?, ?, ?, ?, ?, ?)");
  run.run(3, "r3", "key-3", "started", "ok", 3_000, 3_001, 3_002, null);
  run.run(7, "r7", "key-7", "queued", "running", 4_000, 4_001, null, null);
  run.run(9, "r9", "key-9", "started", "error", 4_500, 4_501, 4_502, '{"code":"busy"}');
  const message = db.prepare("INSERT INTO messages VALUES (?, 's1', ?, ?, ?, ?, ?)");
  message.run(11, 3, "user", '[{"type":"text","text":"grüß 🙂"}]', null, 3_000);
  message.run(12, 3, "assistant", '[{"type":"text","text":"yes"}]', null, 3_002);
  message.run(13, 7, "user", '[{"type":"text","text":"and then?"}]', null, 4_000);
  db.prepare("INSERT INTO state VALUES ('voicewake.triggers', '[\"clawd\"]')").run();
  return db;
}

function rows(db: Database, sql: string): SqlRow[] {
  return db.prepare(sql).all();
}

function mark(db: Database): SqlRow[] {
  return [...rows(db, "PRAGMA user_version"), ...rows(db, "PRAGMA application_id")];
}

/** Everything in the tables of the first version. */
function contents(db: Database): SqlRow[][] {
  return ["sessions", "runs", "messages", "state"].map((table) => rows(db, `SELECT * FROM ${table}`));
}

const READY = [{ user_version: SCHEMA_VERSION }, { application_id: APPLICATION_ID }];

test("a new database gets its tables and our mark, and no backup", async () => {
  const db = open();
  const log = createMemoryLog();
  await migrate(db, { files, log });
  expect(mark(db)).toEqual(READY);
  await migrate(db, { files, log });
  expect(mark(db)).toEqual(READY);
  expect(log.lines).toEqual([]);
  expect(readdirSync(dirname(db.path)).filter((name) => name.includes("backup"))).toEqual([]);
});

test("all of a first version's database is there afterwards", () => {
  const db = firstVersion();
  prepareSchema(db);
  expect(mark(db)).toEqual(READY);
  expect(rows(db, "SELECT * FROM sessions ORDER BY id")).toMatchObject([
    {
      id: "s1",
      key: "agent:main:main",
      agent_id: "main",
      label: "home",
      model: "openai/gpt",
      created_at: 1_000,
      updated_at: 5_000,
      messages: 3,
      session_id: "s1",
      kind: "main",
      title: "grüß 🙂",
      preview: "and then?",
    },
    {
      id: "s2",
      kind: "other",
      title: null,
      preview: null,
      label: null,
      model: null,
      messages: 0,
      session_id: "s2",
    },
  ]);
  expect(
    rows(db, "SELECT seq, id, session_id, status, started_at, ended_at, error, checksum FROM runs"),
  ).toEqual([
    {
      seq: 3,
      id: "r3",
      session_id: "s1",
      status: "ok",
      started_at: 3_001,
      ended_at: 3_002,
      error: null,
      checksum: "",
    },
    {
      seq: 7,
      id: "r7",
      session_id: "s1",
      status: "running",
      started_at: 4_001,
      ended_at: null,
      error: null,
      checksum: "",
    },
    {
      seq: 9,
      id: "r9",
      session_id: "s1",
      status: "error",
      started_at: 4_501,
      ended_at: 4_502,
      error: '{"code":"busy"}',
      checksum: "",
    },
  ]);
  expect(
    rows(db, "SELECT id, run_seq, role, content, idempotency_key, reply, checksum FROM messages"),
  ).toEqual([
    {
      id: 11,
      run_seq: 3,
      role: "user",
      content: '[{"type":"text","text":"grüß 🙂"}]',
      idempotency_key: "key-3",
      reply: "started",
      checksum: "",
    },
    {
      id: 12,
      run_seq: 3,
      role: "assistant",
      content: '[{"type":"text","text":"yes"}]',
      idempotency_key: null,
      reply: null,
      checksum: "",
    },
    {
      id: 13,
      run_seq: 7,
      role: "user",
      content: '[{"type":"text","text":"and then?"}]',
      idempotency_key: "key-7",
      reply: "queued",
      checksum: "",
    },
  ]);
  expect(rows(db, "SELECT * FROM state")).toEqual([{ key: "voicewake.triggers", value: '["clawd"]' }]);
  expect(rows(db, "PRAGMA foreign_key_check")).toEqual([]);
  expect(rows(db, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
});

test("numbers that were given are not given again, and what belongs to a session goes with it", () => {
  const db = firstVersion();
  db.exec("DELETE FROM messages WHERE id = 13; DELETE FROM runs WHERE seq = 9");
  prepareSchema(db);
  const add = db.prepare(
    "INSERT INTO messages (session_id, role, content, ts, checksum) VALUES ('s1', 'user', '[]', 1, '')",
  );
  expect(add.run().lastId).toBe(14);
  const start = db.prepare(
    `INSERT INTO runs (id, session_id, origin, owner, options, status, accepted_at, checksum)
     VALUES ('r', 's1', 'chat', '', '{}', 'queued', 1, '')`,
  );
  expect(start.run().lastId).toBe(10);
  db.exec("DELETE FROM sessions WHERE id = 's1'");
  expect(rows(db, "SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM messages) AS left")).toEqual([
    { left: 0 },
  ]);
});

test("before it changes, all of it is copied, for nobody else, and named", async () => {
  const db = firstVersion();
  const before = contents(db);
  const path = `${db.path}.v1-backup`;
  const taken = `${path}-2`;
  writeFileSync(path, "kept");
  writeFileSync(taken, "kept too");
  const log = createMemoryLog();
  await migrate(db, { files, log });
  expect(log.lines).toEqual([
    {
      level: "info",
      message: "database was copied before its tables changed",
      fields: { backup: `${path}-3`, from: 1, to: SCHEMA_VERSION },
    },
  ]);
  expect(readFileSync(path, "utf8")).toBe("kept");
  expect(readFileSync(taken, "utf8")).toBe("kept too");
  expect(statSync(`${path}-3`).mode & 0o777).toBe(0o600);
  const backup = openDatabase(`${path}-3`);
  expect(contents(backup)).toEqual(before);
  expect(mark(backup)).toEqual([{ user_version: 1 }, { application_id: 0 }]);
});

test("a failure in the middle leaves all as it was", () => {
  const db = firstVersion();
  const before = contents(db);
  const broken = [STEPS[0] ?? "", `${STEPS[1]}; SELECT no_such_function()`];
  expect(() => prepareSchema(db, broken)).toThrow("no_such_function");
  expect(contents(db)).toEqual(before);
  expect(mark(db)).toEqual([{ user_version: 1 }, { application_id: 0 }]);
  const reopened = openDatabase(db.path);
  prepareSchema(reopened);
  expect(mark(reopened)).toEqual(READY);
});

test("titles and previews are short, and of messages with words", () => {
  const db = firstVersion();
  db.exec("DELETE FROM messages");
  const message = db.prepare("INSERT INTO messages VALUES (?, 's1', ?, ?, ?, null, 1)");
  const text = (words: string): string => JSON.stringify([{ type: "text", text: words }]);
  message.run(1, 3, "user", '[{"type":"image","id":"i","mimeType":"image/png","bytes":3}]');
  message.run(2, 7, "user", "[{ damaged");
  message.run(3, 7, "assistant", text("an answer"));
  message.run(4, 9, "user", text(`first\n${"long ".repeat(100)}`));
  message.run(20, 9, "assistant", text("last ".repeat(100)));
  message.run(21, 9, "assistant", "[]");
  prepareSchema(db);
  const [row] = rows(db, "SELECT title, preview FROM sessions WHERE id = 's1'");
  expect(row?.["title"]).toStartWith("first long");
  expect(row?.["preview"]).toStartWith("last last");
  expect([row?.["title"], row?.["preview"]].map((words) => String(words).length)).toEqual([60, 240]);
});

test("a session that was called main keeps a key it can be reached by, where its own is taken", () => {
  const db = firstVersion();
  const session = db.prepare("INSERT INTO sessions VALUES (?, ?, ?, null, null, 1, 1, 0)");
  session.run("s3", "main", "main");
  session.run("s4", "agent:main:main-2", "main");
  prepareSchema(db);
  expect(rows(db, "SELECT id, key FROM sessions ORDER BY id")).toEqual([
    { id: "s1", key: "agent:main:main" },
    { id: "s2", key: "agent:main:garden" },
    { id: "s3", key: "agent:main:main-3" },
    { id: "s4", key: "agent:main:main-2" },
  ]);
  const alone = firstVersion();
  alone.exec("UPDATE sessions SET key = 'main', agent_id = 'Home' WHERE id = 's1'");
  prepareSchema(alone);
  expect(rows(alone, "SELECT key, kind FROM sessions WHERE id = 's1'")).toEqual([
    { key: "agent:home:main", kind: "main" },
  ]);
});

test("tries that fail leave no copies, and one that is killed no more than one", async () => {
  const db = firstVersion();
  const names = (): string[] => readdirSync(dirname(db.path)).filter((name) => name.includes("backup"));
  // What the step makes is there already.
  db.exec("CREATE TABLE images (id TEXT)");
  for (let n = 0; n < 3; n++) {
    const failure = await migrate(db, { files, log: createMemoryLog() }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(names()).toEqual([]);
  }
  db.exec("DROP TABLE images");
  // Killed before the tables changed: what it left may be of an older state.
  writeFileSync(`${db.path}.v1-backup-unkept`, "of an earlier try");
  await migrate(db, { files, log: createMemoryLog() });
  expect(names()).toEqual(["gateway.db.v1-backup"]);
  const copy = openDatabase(`${db.path}.v1-backup`);
  expect(rows(copy, "SELECT count(*) AS n FROM messages")).toEqual([{ n: 3 }]);
  copy.close();
  // Killed after that: the copy still gets its name.
  renameSync(`${db.path}.v1-backup`, `${db.path}.v1-backup-unkept`);
  await migrate(db, { files, log: createMemoryLog() });
  expect(names()).toEqual(["gateway.db.v1-backup"]);
});

test("where there can be no copy nothing changes", async () => {
  const db = firstVersion();
  const before = contents(db);
  // The directory is gone, and what is open in it stays.
  renameSync(dirname(db.path), `${dirname(db.path)}-elsewhere`);
  const failure = await migrate(db, { files, log: createMemoryLog() }).catch((error: unknown) => error);
  renameSync(`${dirname(db.path)}-elsewhere`, dirname(db.path));
  expect(failure).toBeInstanceOf(Error);
  expect(contents(db)).toEqual(before);
});

const FOREIGN: readonly (readonly [string, string])[] = [
  ["another program's mark", "PRAGMA application_id = 42; CREATE TABLE notes (text)"],
  ["another program's mark and no tables", "PRAGMA application_id = 42"],
  ["tables and no version", "CREATE TABLE notes (text)"],
  ["a version and other tables", "PRAGMA user_version = 1; CREATE TABLE notes (text)"],
  ["a version and no tables", "PRAGMA user_version = 1"],
  ["another version and no mark", "PRAGMA user_version = 7; CREATE TABLE notes (text)"],
];

for (const [what, sql] of FOREIGN) {
  test(`a database with ${what} is refused and not written`, () => {
    const db = open("other.db");
    db.exec(sql);
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    const before = readFileSync(db.path);
    expect(() => prepareSchema(db)).toThrow(
      `Cannot use database "${db.path}": it belongs to another program`,
    );
    db.close();
    expect(readFileSync(join(dirname(db.path), basename(db.path)))).toEqual(before);
    expect(readdirSync(dirname(db.path))).toEqual(["other.db"]);
  });
}

test("one of a newer gateway is refused and not written", () => {
  const db = open();
  prepareSchema(db);
  db.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
  expect(() => prepareSchema(db)).toThrow(
    `Cannot use database "${db.path}": made by a newer gateway (its version is ${SCHEMA_VERSION + 1}, this one knows ${SCHEMA_VERSION})`,
  );
  expect(mark(db)[0]).toEqual({ user_version: SCHEMA_VERSION + 1 });
});
