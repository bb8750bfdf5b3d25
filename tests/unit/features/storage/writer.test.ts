import { expect, test } from "bun:test";
import { RpcError } from "../../../../src/contract/errors.ts";
import { LIMITS } from "../../../../src/contract/limits.ts";
import { Writer } from "../../../../src/features/storage/writer.ts";
import { openDatabase } from "../../../../src/platform/database.ts";
import type { Database } from "../../../../src/ports.ts";
import { createMemoryLog } from "../../../support/ports.ts";
import { createFakeTime } from "../../../support/time.ts";
import { createTable } from "./kit.ts";

function start(given = createTable()) {
  const { db, texts } = given;
  const time = createFakeTime();
  const log = createMemoryLog();
  let damages = 0;
  const writer = new Writer({ ...time, db, log, onDamage: () => void damages++ });
  const insert = db.prepare("INSERT INTO t (text) VALUES (?)");
  const add = (text: string, bytes?: number): Promise<number> =>
    writer.write(() => insert.run(text).lastId, bytes);
  return { db, texts, time, log, writer, add, insert, damages: () => damages };
}

/** Leaves the database no room for another page. */
function fill(db: Database): void {
  const pages = Number(db.prepare("PRAGMA page_count").get()?.["page_count"]);
  db.exec(`PRAGMA max_page_count = ${pages}`);
}

/** What it is refused with. */
function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

const big = "x".repeat(20_000);

test("what comes within one turn is one transaction, in order, and told when it is on disk", async () => {
  const { db, texts, time, writer } = start();
  const commits: string[] = [];
  const insert = db.prepare("INSERT INTO t (text) VALUES (?)");
  const writes = ["a", "b", "c"].map((text) =>
    writer
      .write(() => {
        commits.push(`run ${text}`);
        return insert.run(text).lastId;
      })
      .then((id) => commits.push(`told ${text} ${id} of ${texts().length}`)),
  );
  expect(commits).toEqual([]);
  time.advance(0);
  expect(commits).toEqual(["run a", "run b", "run c"]);
  await Promise.all(writes);
  expect(commits.slice(3)).toEqual(["told a 1 of 3", "told b 2 of 3", "told c 3 of 3"]);
});

test("a work that throws takes back only its own writes", async () => {
  const { texts, time, writer, add, insert } = start();
  const conflict = new RpcError("conflict", "Cannot add: it is there");
  const writes = Promise.allSettled([
    add("before"),
    writer.write(() => {
      insert.run("lost");
      throw conflict;
    }),
    add("before"),
    add("after"),
  ]);
  time.advance(0);
  expect(await writes).toMatchObject([
    { status: "fulfilled", value: 1 },
    { status: "rejected", reason: conflict },
    { status: "rejected", reason: { name: "DatabaseError", kind: "other" } },
    { status: "fulfilled" },
  ]);
  expect(texts()).toEqual(["before", "after"]);
  expect(writer.problem).toBeUndefined();
});

test("a transaction inside a work that fails is a part of it, also when the work goes on", async () => {
  const { db, texts, time, writer, add, insert } = start();
  const writes = Promise.allSettled([
    writer.write(() => {
      insert.run("lost outside");
      try {
        db.transaction(() => {
          insert.run("lost inside");
          throw new Error("inside");
        });
      } catch {
        // What the work does about it is not enough.
      }
    }),
    writer.write(() => db.transaction(() => insert.run("inner"))),
    add("kept"),
  ]);
  time.advance(0);
  expect((await writes).map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
  expect(texts()).toEqual(["inner", "kept"]);
});

test("a work that would go on after its transaction is refused", async () => {
  const { texts, time, writer, insert } = start();
  const written = writer.write(() => {
    insert.run("lost");
    return Promise.resolve();
  });
  time.advance(0);
  expect(await failureOf(written)).toMatchObject({
    message: expect.stringContaining("its work is asynchronous"),
  });
  expect(texts()).toEqual([]);
});

test("a full disk refuses the whole group, is told once, and is over with the first write that works", async () => {
  const { db, texts, time, log, writer, add } = start();
  fill(db);
  const refused = Promise.allSettled([add("small"), add(big), add("behind")]);
  time.advance(0);
  const problem = "Cannot write to the database: the disk is full";
  const refusal = { code: "unavailable", message: problem, extra: { retryAfterMs: LIMITS.writeRetryMs } };
  expect((await refused).map((write) => write.status === "rejected" && write.reason)).toMatchObject([
    refusal,
    refusal,
    refusal,
  ]);
  expect(texts()).toEqual([]);
  expect(writer.problem).toBe(problem);

  const again = Promise.allSettled([add(big)]);
  time.advance(LIMITS.writeGatherMsMax);
  expect(await again).toMatchObject([{ status: "rejected", reason: refusal }]);
  expect(log.lines).toEqual([
    {
      level: "warn",
      message: "database takes nothing",
      fields: { reason: problem, error: "database or disk is full" },
    },
  ]);

  db.exec("PRAGMA max_page_count = 1000000");
  const kept = add(big);
  time.advance(LIMITS.writeGatherMsMax);
  await kept;
  expect(texts()).toEqual([big]);
  expect(writer.problem).toBeUndefined();
  expect(log.lines.slice(1)).toMatchObject([
    { level: "info", message: "database can be written again", fields: { refused: 4 } },
  ]);
});

test("a database that another program holds is an outage as well, and none of ours goes wrong by it", async () => {
  const { db, texts, time, log, writer, add } = start();
  db.exec("PRAGMA busy_timeout = 0");
  const other = openDatabase(db.path);
  other.exec("BEGIN IMMEDIATE");
  const refused = add("refused");
  time.advance(0);
  expect(await failureOf(refused)).toMatchObject({
    code: "unavailable",
    message: "Cannot write to the database: another program has locked it",
  });
  other.exec("COMMIT");
  const kept = add("kept");
  time.advance(LIMITS.writeGatherMsMax);
  await kept;
  expect(texts()).toEqual(["kept"]);
  expect(writer.problem).toBeUndefined();
  expect(log.lines).toHaveLength(2);
});

test("an outage is not over because somebody's mistake got through", async () => {
  const { db, time, writer, add } = start();
  fill(db);
  const refused = add(big);
  time.advance(0);
  expect(await failureOf(refused)).toMatchObject({ message: expect.stringContaining("the disk is full") });
  const mistaken = writer.write(() => {
    throw new RpcError("conflict", "Cannot add: it is there");
  });
  time.advance(LIMITS.writeGatherMsMax);
  expect(await failureOf(mistaken)).toMatchObject({ code: "conflict" });
  expect(writer.problem).toBe("Cannot write to the database: the disk is full");
});

/** A writer whose works take as long as they say. */
function startSlow() {
  const { db, texts } = createTable();
  const time = createFakeTime();
  let workedMs = 0;
  const clock = { ...time.clock, elapsed: () => time.clock.elapsed() + workedMs };
  const writer = new Writer({ db, clock, timers: time.timers, log: createMemoryLog() });
  const insert = db.prepare("INSERT INTO t (text) VALUES (?)");
  const add = (text: string, ms: number): Promise<number> =>
    writer.write(() => {
      workedMs += ms;
      return insert.run(text).lastId;
    });
  return { texts, time, writer, add };
}

for (const [tookMs, pauseMs] of [
  [40, 40],
  [5_000, LIMITS.writeGatherMsMax],
] as const) {
  test(`after a commit of ${tookMs} ms the next one gathers for ${pauseMs} ms`, async () => {
    const { texts, time, add } = startSlow();
    const slow = add("slow", tookMs);
    time.advance(0);
    await slow;
    const gathered = [add("first", 0)];
    time.advance(pauseMs - 1);
    gathered.push(add("second", 0));
    expect(texts()).toEqual(["slow"]);
    time.advance(1);
    await Promise.all(gathered);
    expect(texts()).toEqual(["slow", "first", "second"]);
  });
}

test("works that take long are several transactions, and the loop has its turn between them", async () => {
  const { texts, time, writer, add } = startSlow();
  const writes = ["a", "b", "c"].map((text) => add(text, LIMITS.writeGroupMsMax - 10));
  const settled = writer.settled();
  time.advance(0);
  expect(texts()).toEqual(["a", "b"]);
  await Promise.all(writes.slice(0, 2));
  time.advance(LIMITS.writeGatherMsMax);
  await Promise.all(writes);
  await settled;
  expect(texts()).toEqual(["a", "b", "c"]);
});

test("more than may wait is busy, by number and by size; a single large one is not", async () => {
  const { time, writer, add } = start();
  const large = add("large", LIMITS.writesQueuedBytesMax + 1);
  expect(await failureOf(add("behind"))).toMatchObject({ code: "busy" });
  time.advance(0);
  await large;
  const many = Array.from({ length: LIMITS.writesQueuedMax }, (_, n) => writer.write(() => n));
  expect(await failureOf(add("one more"))).toMatchObject({
    code: "busy",
    message: "Cannot write to the database: too much waits for the disk",
    extra: { retryAfterMs: LIMITS.writeRetryMs },
  });
  time.advance(LIMITS.writeGatherMsMax);
  expect(await Promise.all(many)).toHaveLength(LIMITS.writesQueuedMax);
  const again = add("again");
  time.advance(LIMITS.writeGatherMsMax);
  await again;
});

test("a stop writes what waits and takes no more", async () => {
  const { texts, time, writer, add } = start();
  const write = add("last");
  await writer.stop();
  await write;
  expect(texts()).toEqual(["last"]);
  expect(time.pending()).toBe(0);
  expect(await failureOf(add("late"))).toMatchObject({
    code: "unavailable",
    message: "Cannot write to the database: the gateway is stopping",
  });
  await writer.settled();
});

test("what a work asks for in its turn is written as well", async () => {
  const { texts, time, writer, add, insert } = start();
  let inner: Promise<number> | undefined;
  const outer = writer.write(() => {
    inner = add("inner");
    insert.run("outer");
  });
  const settled = writer.settled();
  time.advance(0);
  await outer;
  await inner;
  await settled;
  expect(texts()).toEqual(["outer", "inner"]);
});

test("damage refuses those who wrote with the one who met it, is told once and stays known", async () => {
  const path = await damagedDatabase();
  const db = openDatabase(path);
  const { time, log, writer, damages } = start({ db, texts: () => [] });
  const select = db.prepare("SELECT sum(length(text)) FROM t");
  const insertOther = db.prepare("INSERT INTO other (text) VALUES (?)");
  const read = (): Promise<unknown> => writer.write(() => select.get());
  const writes = Promise.allSettled([writer.write(() => insertOther.run("x")), read(), read()]);
  time.advance(0);
  const refusal = {
    status: "rejected",
    reason: { code: "unavailable", message: "Cannot write to the database: it is damaged" },
  };
  expect(await writes).toMatchObject([refusal, refusal, refusal]);
  expect(writer.problem).toBe("Cannot write to the database: it is damaged");
  expect(log.lines).toMatchObject([{ level: "error", message: "database is damaged" }]);
  expect(damages()).toBe(1);
  const after = writer.write(() => insertOther.run("y"));
  time.advance(LIMITS.writeGatherMsMax);
  await after;
  expect(writer.problem).toBe("Cannot write to the database: it is damaged");
});

/** One whose table `t` cannot be read to its end, and whose table `other` can. */
async function damagedDatabase(): Promise<string> {
  const { db } = createTable();
  db.exec("CREATE TABLE other (text TEXT) STRICT");
  const insert = db.prepare("INSERT INTO t (text) VALUES (?)");
  db.transaction(() => {
    for (let n = 0; n < 100; n++) insert.run(`${n} ${"x".repeat(1_000)}`);
  });
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  const path = `${db.path}.damaged`;
  const bytes = await Bun.file(db.path).bytes();
  bytes.fill(0x55, 4_096 * 10, 4_096 * 20);
  await Bun.write(path, bytes);
  return path;
}
