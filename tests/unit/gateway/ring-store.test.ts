import { expect, test } from "bun:test";
import { join } from "node:path";
import { createLifetime } from "../../../src/feature.ts";
import { prepareSchema } from "../../../src/features/storage/migrate.ts";
import { keepEvents, saveEvents, takeEvents } from "../../../src/gateway/ring-store.ts";
import { openDatabase } from "../../../src/platform/database.ts";
import type { Database, SqlRow } from "../../../src/ports.ts";
import type { SavedEvents } from "../../../src/rpc/hub.ts";
import { createSample } from "../../support/features.ts";
import { createLocalGateway } from "../../support/local.ts";
import { createCountingCrypto, createMemoryLog } from "../../support/ports.ts";
import { tempDir } from "../../support/temp.ts";
import { createFakeTime } from "../../support/time.ts";

function setup() {
  const db = openDatabase(join(tempDir(), "gateway.db"));
  prepareSchema(db);
  const time = createFakeTime();
  const log = createMemoryLog();
  return { db, time, log, ports: { db, log, crypto: createCountingCrypto(), timers: time.timers } };
}

const rows = (db: Database): SqlRow[] => db.prepare("SELECT seq, event FROM events ORDER BY seq").all();

const SAVED: SavedEvents = {
  epoch: "e",
  seq: 9,
  lostSeq: 5,
  events: [
    {
      seq: 6,
      name: "chat",
      body: '{"text":"ä\\n\\"x"}',
      scope: "read",
      must: false,
      key: "k",
      audience: { sessionKey: "agent:main:main", owner: "token:" },
    },
    {
      seq: 8,
      name: "config.changed",
      body: "{}",
      scope: "admin",
      must: true,
      key: undefined,
      audience: undefined,
    },
  ],
};

test("what was kept comes back as it was, once", () => {
  const { db, ports, log } = setup();
  saveEvents(ports, { ...SAVED, epoch: "older", events: [] });
  saveEvents(ports, SAVED);
  expect(takeEvents(ports)).toEqual(SAVED);
  expect(rows(db)).toEqual([]);
  expect(takeEvents(ports)).toBeUndefined();
  expect(log.lines).toEqual([]);
});

test("a ring with nothing in it is kept as well: the count goes on", () => {
  const { ports } = setup();
  saveEvents(ports, { epoch: "e", seq: 3, lostSeq: 0, events: [] });
  expect(takeEvents(ports)).toEqual({ epoch: "e", seq: 3, lostSeq: 0, events: [] });
});

test.each([
  ["an event that was changed", "UPDATE events SET event = replace(event, 'main', 'else') WHERE seq = 6"],
  ["an event that is no JSON", "UPDATE events SET event = '{' WHERE seq = 8"],
  ["an event that is gone", "DELETE FROM events WHERE seq = 6"],
  ["an event more", "INSERT INTO events VALUES (7, '{}')"],
  [
    "a count that was changed",
    "UPDATE events SET event = replace(event, '\"seq\":9', '\"seq\":8') WHERE seq = 0",
  ],
  [
    "another format",
    "UPDATE events SET event = replace(event, '\"format\":1', '\"format\":2') WHERE seq = 0",
  ],
  ["no header", "DELETE FROM events WHERE seq = 0"],
])("%s: all of it is left alone, and gone", (_what, sql) => {
  const { db, ports, log } = setup();
  saveEvents(ports, SAVED);
  db.exec(sql);
  expect(takeEvents(ports)).toBeUndefined();
  expect(rows(db)).toEqual([]);
  expect(log.lines).toMatchObject([{ level: "warn" }]);
});

test("one gateway after the other goes on with the count; after a crash it does not", async () => {
  const { ports } = setup();
  const gateways = ["first", "second", "third", "fourth"].map((epoch) =>
    createLocalGateway({ features: [createSample().feature], epoch }),
  );
  const numbers: [string, number][] = [];
  for (const { hub } of gateways) {
    const lifetime = createLifetime((error) => expect(error).toBeUndefined());
    // The last one said among the stops is said in a later turn than the stop itself.
    keepEvents(ports, hub, lifetime);
    lifetime.onStop(() => void Promise.resolve().then(() => hub.broadcast("sample.must", { n: 2 })));
    hub.broadcast("sample.must", { n: 1 });
    numbers.push([hub.epoch, hub.seq]);
    if (hub === gateways[2]?.hub) continue;
    await lifetime.stop();
  }
  expect(numbers).toEqual([
    ["first", 1],
    ["first", 3],
    ["first", 5],
    ["fourth", 1],
  ]);
  const { hub } = gateways[2] ?? gateways[0] ?? createLocalGateway();
  const missed = hub.resume({ epoch: "first", seq: 1 }, () => true);
  expect(missed.events.map(({ seq }) => seq)).toEqual([2, 3, 4, 5]);
});

test("rows that cannot be taken away now are taken away later, and not read", () => {
  const { db, ports, time, log } = setup();
  saveEvents(ports, SAVED);
  // A reader in between holds nothing up; another writer does.
  const other = openDatabase(db.path);
  other.exec("BEGIN IMMEDIATE");
  const { hub } = createLocalGateway({ epoch: "new" });
  keepEvents(
    ports,
    hub,
    createLifetime(() => {}),
  );
  expect([hub.epoch, hub.seq]).toEqual(["new", 0]);
  expect(log.lines).toMatchObject([{ level: "error" }]);
  time.advance(10_000);
  expect(rows(db).length).toBe(3);
  other.exec("ROLLBACK");
  time.advance(10_000);
  expect(rows(db)).toEqual([]);
  expect(time.pending()).toBe(0);
  other.close();
});

test("what the disk does not take is said, and ends nothing", async () => {
  const { db, ports, log } = setup();
  db.exec("CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT raise(ABORT, 'no room'); END");
  const failures: unknown[] = [];
  const lifetime = createLifetime((error) => failures.push(error));
  keepEvents(ports, createLocalGateway().hub, lifetime);
  await lifetime.stop();
  expect(failures).toEqual([]);
  const message = "events not kept for the next start: clients have to ask anew";
  expect(log.lines).toEqual([{ level: "warn", message, fields: { error: "no room" } }]);
});
