import { expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { APPLICATION_ID, SCHEMA_VERSION, STEPS } from "../../../src/features/schema.ts";
import { openStorage, type Storage } from "../../../src/gateway/database.ts";
import { StartError } from "../../../src/gateway/errors.ts";
import { createBunPlatform } from "../../../src/platform/bun.ts";
import { openDatabase } from "../../../src/platform/database.ts";
import { createMemoryLog } from "../../support/ports.ts";
import { tempDir } from "../../support/temp.ts";
import { createFakeTime } from "../../support/time.ts";

const bun = createBunPlatform();

function place() {
  const dir = tempDir();
  const path = join(dir, "gateway.db");
  const log = createMemoryLog();
  const { clock } = createFakeTime(Date.UTC(2026, 0, 31, 4, 5, 6));
  const open = (): Promise<Storage> => openStorage({ platform: { ...bun, clock }, log, path });
  const failure = (): Promise<unknown> => open().catch((error: unknown) => error);
  return { dir, path, log, open, failure, names: () => readdirSync(dir).toSorted() };
}

type Bytes = Awaited<ReturnType<typeof filled>>;

const aside = "gateway.db.unreadable-2026-01-31T04-05-06Z";

/** A whole database of ours with a table long enough to be damaged inside. */
async function filled({ path, open }: ReturnType<typeof place>, rows = 200) {
  const { db } = await open();
  db.exec("INSERT INTO sessions (id, key, agent_id, created_at, updated_at) VALUES ('s', 'k', 'main', 1, 1)");
  const insert = db.prepare(
    "INSERT INTO messages (session_id, role, content, ts, checksum) VALUES ('s', 'user', ?, 1, '')",
  );
  db.transaction(() => {
    for (let n = 0; n < rows; n++) insert.run(`${n} ${"x".repeat(1_000)}`);
  });
  db.close();
  return readFileSync(path);
}

/** Pages in the middle of the messages: both ends can be read. */
function damageInside(whole: Bytes): Buffer {
  const damaged = Buffer.from(whole);
  const pages = damaged.length / 4_096;
  return damaged.fill(0x55, Math.floor(pages / 2) * 4_096, Math.floor(pages / 2 + 3) * 4_096);
}

test("a new database is made, with its tables and for nobody else", async () => {
  const at = place();
  const { db, status } = await at.open();
  expect(db.prepare("PRAGMA application_id").get()).toEqual({ application_id: APPLICATION_ID });
  expect(statSync(at.path).mode & 0o777).toBe(0o600);
  expect(status(undefined)).toEqual({ path: at.path, bytes: expect.any(Number) });
  expect(status("the disk is full")).toMatchObject({ problem: "the disk is full" });
  expect(status(undefined).bytes).toBeGreaterThan(4_096);
  expect(at.log.lines).toEqual([]);
  db.close();
  expect(at.names()).toEqual(["gateway.db"]);
});

for (const [what, damage] of [
  ["is no database", () => Buffer.from("no database at all. ".repeat(500))],
  ["is too short for one", () => Buffer.from("x")],
  ["has a broken header", (whole: Bytes) => Buffer.from(whole).fill(0, 0, 100)],
  ["has a broken schema", (whole: Bytes) => Buffer.from(whole).fill(0x55, 200, 4_096)],
  ["has lost its second half", (whole: Bytes) => whole.subarray(0, Math.floor(whole.length / 8_192) * 4_096)],
] as const) {
  test(`a file that ${what} is moved aside as it is, named, and a new one is made`, async () => {
    const at = place();
    const damaged = damage(await filled(at));
    writeFileSync(at.path, damaged);
    const { db, status } = await at.open();
    expect(db.prepare("SELECT count(*) AS n FROM sessions").get()).toEqual({ n: 0 });
    expect(readFileSync(join(at.dir, aside))).toEqual(damaged);
    expect(at.log.lines).toMatchObject([
      {
        level: "error",
        message: "database cannot be read: it was moved aside and a new one is made",
        fields: { path: at.path, movedAside: join(at.dir, aside) },
      },
    ]);
    expect(status(undefined).movedAside).toBe(join(at.dir, aside));
    db.close();
    expect(at.names()).toEqual(["gateway.db", aside]);
  });
}

test("one that is moved aside takes its log with it, and no other's place", async () => {
  const at = place();
  await filled(at);
  writeFileSync(at.path, "no database at all. ".repeat(500));
  writeFileSync(`${at.path}-wal`, "its log");
  writeFileSync(`${at.path}-shm`, "its index");
  writeFileSync(join(at.dir, aside), "another");
  writeFileSync(join(at.dir, `${aside}-2-wal`), "another's log");
  const { db, status } = await at.open();
  expect(basename(status(undefined).movedAside ?? "")).toBe(`${aside}-3`);
  db.close();
  expect(at.names()).toEqual([
    "gateway.db",
    aside,
    `${aside}-2-wal`,
    `${aside}-3`,
    `${aside}-3-shm`,
    `${aside}-3-wal`,
  ]);
  expect(readFileSync(join(at.dir, `${aside}-3-wal`), "utf8")).toBe("its log");
  expect(readFileSync(join(at.dir, aside), "utf8")).toBe("another");
});

test("a log without its database is moved aside, where SQLite would throw it away", async () => {
  const at = place();
  writeFileSync(`${at.path}-wal`, "what is left");
  const { db } = await at.open();
  db.close();
  expect(readFileSync(join(at.dir, `${aside}-wal`), "utf8")).toBe("what is left");
  expect(at.log.lines).toMatchObject([
    { level: "error", fields: { movedAside: join(at.dir, `${aside}-wal`) } },
  ]);
});

test("what a kill has left in the log is read, and after it all of the database", async () => {
  const at = place();
  await filled(at);
  const running = openDatabase(at.path);
  running.exec("UPDATE sessions SET label = 'last words'");
  const killed = place();
  for (const part of ["", "-wal"]) copyFileSync(at.path + part, killed.path + part);
  running.close();
  const { db } = await killed.open();
  expect(db.prepare("SELECT label FROM sessions").get()).toEqual({ label: "last words" });
  db.close();

  const damaged = place();
  const other = openDatabase(at.path);
  other.exec("UPDATE sessions SET label = 'lost'");
  writeFileSync(damaged.path, damageInside(readFileSync(at.path)));
  copyFileSync(`${at.path}-wal`, `${damaged.path}-wal`);
  other.close();
  const { db: fresh } = await damaged.open();
  expect(fresh.prepare("SELECT count(*) AS n FROM sessions").get()).toEqual({ n: 0 });
  fresh.close();
  expect(damaged.names()).toContain(aside);
});

test("damage that was met while running is looked for at the next start, whatever the size", async () => {
  const at = place();
  const whole = await filled(at, 20_000);
  writeFileSync(at.path, damageInside(whole));
  const opened = await at.open();
  expect(opened.db.prepare("SELECT count(*) AS n FROM sessions").get()).toEqual({ n: 1 });
  opened.noteDamage();
  opened.db.close();
  // Made at once: the promise is for the disk.
  expect(existsSync(`${at.path}.damaged`)).toBe(true);
  const { db } = await at.open();
  expect(db.prepare("SELECT count(*) AS n FROM sessions").get()).toEqual({ n: 0 });
  db.close();
  expect(at.names()).toEqual(["gateway.db", aside]);
});

test("a note of damage that is not there any more goes", async () => {
  const at = place();
  await filled(at);
  writeFileSync(`${at.path}.damaged`, "");
  const { db } = await at.open();
  expect(db.prepare("SELECT count(*) AS n FROM sessions").get()).toEqual({ n: 1 });
  db.close();
  expect(at.names()).toEqual(["gateway.db"]);
  expect(at.log.lines).toEqual([]);
});

test("one of the first version is brought up to date, with a copy beside it", async () => {
  const at = place();
  const old = openDatabase(at.path);
  old.exec(`${STEPS[0]}; PRAGMA user_version = 1`);
  old.close();
  const { db } = await at.open();
  expect(db.prepare("PRAGMA user_version").get()).toEqual({ user_version: SCHEMA_VERSION });
  db.close();
  expect(at.names()).toEqual(["gateway.db", "gateway.db.v1-backup"]);
});

test("another program's database ends the start in words, and not a byte of it changes", async () => {
  const at = place();
  const other = openDatabase(at.path);
  other.exec("PRAGMA journal_mode = DELETE; CREATE TABLE notes (text); PRAGMA user_version = 7");
  other.close();
  const before = readFileSync(at.path);
  const failure = await at.failure();
  expect(failure).toBeInstanceOf(StartError);
  expect(failure).toMatchObject({
    exitCode: 1,
    message: `Cannot use database "${at.path}": it belongs to another program`,
  });
  expect(readFileSync(at.path)).toEqual(before);
  expect(at.names()).toEqual(["gateway.db"]);
});

test("one of a newer gateway ends the start in words and stays", async () => {
  const at = place();
  const { db } = await at.open();
  db.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
  db.close();
  expect(await at.failure()).toMatchObject({
    exitCode: 1,
    message: expect.stringContaining("newer gateway"),
  });
  expect(at.names()).toEqual(["gateway.db"]);
});

test("what is no file, and one that another program holds, end the start and move nothing", async () => {
  const at = place();
  mkdirSync(at.path);
  expect(await at.failure()).toMatchObject({
    exitCode: 1,
    message: expect.stringContaining("not a regular file"),
  });
  expect(at.names()).toEqual(["gateway.db"]);

  const held = place();
  const other = openDatabase(held.path);
  other.exec("BEGIN EXCLUSIVE");
  expect(await held.failure()).toMatchObject({
    exitCode: 1,
    message: `Cannot open database "${held.path}": database is locked`,
  });
  other.exec("ROLLBACK");
  other.close();
  expect(held.names()).toEqual(["gateway.db"]);
});
