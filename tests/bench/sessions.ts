import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Journal } from "../../src/features/runs/journal.ts";
import { kindOf } from "../../src/features/sessions/keys.ts";
import { prepareSchema } from "../../src/features/storage/migrate.ts";
import { openDatabase } from "../../src/platform/database.ts";
import { createBunPlatform } from "../../src/platform/bun.ts";
import { type Row, startServer } from "./harness.ts";

const SESSIONS = 5_000;
const LONG_MESSAGES = 10_000;
const ALL_MESSAGES = 100_000;
const CALLS = 30;
const LONG = "agent:main:long";

/** How long a full gateway takes to show its sessions, over HTTP. */
export async function sessionRows(rounds: number, stateDir: string, token: string): Promise<Row[]> {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  fill(join(stateDir, "gateway.db"));
  const env = { BENCH_STATE_DIR: stateDir, BENCH_TOKEN: token };
  const server = await startServer(["bun", "tests/bench/gateway-server.ts"], env);
  const call = async (method: string, params: object): Promise<number> => {
    const startMs = performance.now();
    const response = await fetch(`${server.url}/rpc`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    });
    const text = await response.text();
    if (!text.includes('"result"')) throw new Error(text.slice(0, 500));
    return performance.now() - startMs;
  };
  const measured = async (method: string, params: object): Promise<number[]> => {
    for (let n = 0; n < CALLS; n++) await call(method, params);
    const times: number[] = [];
    for (let n = 0; n < rounds * CALLS; n++) times.push(await call(method, params));
    return times;
  };
  const target = { atMost: 10 };
  const of = `of ${SESSIONS.toLocaleString("en")} sessions`;
  try {
    const first = await call("sessions.search", { query: "needle" });
    const list = await measured("sessions.list", {});
    return [
      { name: `sessions.list, 100 ${of}`, unit: "ms", ours: list, target },
      {
        name: `sessions.list by words, 100 ${of}`,
        unit: "ms",
        ours: await measured("sessions.list", { search: "topic 7" }),
        target,
      },
      {
        name: `sessions.list of one kind, 100 ${of}`,
        unit: "ms",
        ours: await measured("sessions.list", { kind: "group" }),
        target,
      },
      {
        name: `chat.history, the last 200 of ${LONG_MESSAGES.toLocaleString("en")} messages`,
        unit: "ms",
        ours: await measured("chat.history", { sessionKey: LONG }),
        target,
      },
      {
        name: `sessions.search of ${ALL_MESSAGES.toLocaleString("en")} messages, the first`,
        unit: "ms",
        ours: [first],
        note: "it makes the index of all of them; what is said later is added by the next search",
      },
      {
        name: "sessions.search, a rare word",
        unit: "ms",
        ours: await measured("sessions.search", { query: "needle" }),
      },
      {
        name: "sessions.search, two words that are everywhere",
        unit: "ms",
        ours: await measured("sessions.search", { query: "message abo" }),
      },
    ];
  } finally {
    await server.stop();
  }
}

/** A database as it is after years. */
function fill(path: string): void {
  const db = openDatabase(path);
  prepareSchema(db);
  const journal = new Journal(db, createBunPlatform().crypto);
  const insert = db.prepare(
    `INSERT INTO sessions (id, key, kind, session_id, agent_id, title, preview, created_at, updated_at)
     VALUES (?, ?, ?, ?, 'main', ?, ?, ?, ?)`,
  );
  const ts = 1_790_000_000_000;
  db.transaction(() => {
    insert.run("long", LONG, kindOf(LONG), "long", null, null, ts, ts);
    for (let n = 0; n < SESSIONS; n++) {
      const key = n % 2 === 0 ? `agent:main:telegram:group:${n}` : `agent:main:telegram:direct:${n}`;
      insert.run(
        `s${n}`,
        key,
        kindOf(key),
        `s${n}`,
        `About topic ${n}`,
        `The last words on topic ${n}`,
        ts,
        ts - n,
      );
    }
    for (let n = 0; n < ALL_MESSAGES; n++) {
      const word = n % 10_000 === 0 ? "needle" : `word${n % 977}`;
      const text = `Message ${n} about ${word}: ${"lorem ipsum dolor sit amet ".repeat(4)}`;
      journal.addNote(n < LONG_MESSAGES ? "long" : `s${n % SESSIONS}`, text, ts + n);
    }
  });
  db.close();
}
