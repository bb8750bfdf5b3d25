import type { Database } from "../ports.ts";

/** Number of the newest step below; kept in the database itself. */
const VERSION = 1;

const STEPS: readonly string[] = [
  `CREATE TABLE sessions (
     id TEXT PRIMARY KEY,
     key TEXT NOT NULL UNIQUE,
     agent_id TEXT NOT NULL,
     label TEXT,
     model TEXT,
     created_at INTEGER NOT NULL,
     updated_at INTEGER NOT NULL,
     messages INTEGER NOT NULL DEFAULT 0
   ) STRICT;
   CREATE INDEX sessions_updated ON sessions (updated_at DESC);
   CREATE TABLE runs (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     id TEXT NOT NULL UNIQUE,
     session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
     idempotency_key TEXT NOT NULL,
     reply TEXT NOT NULL,
     status TEXT NOT NULL,
     accepted_at INTEGER NOT NULL,
     started_at INTEGER,
     ended_at INTEGER,
     error TEXT,
     UNIQUE (session_id, idempotency_key)
   ) STRICT;
   CREATE INDEX runs_open ON runs (status) WHERE status IN ('queued', 'running');
   CREATE TABLE messages (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
     run_seq INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
     role TEXT NOT NULL,
     content TEXT NOT NULL,
     status TEXT,
     ts INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX messages_session ON messages (session_id, id);
   CREATE INDEX messages_run ON messages (run_seq, id);
   CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;`,
];

/**
 * Brings the database to this version's tables, all of a step or nothing.
 *
 * @throws Error when a newer gateway made it: going on could lose what we do not know of
 */
export function prepareSchema(db: Database): void {
  const found = Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (found > VERSION) {
    throw new Error(
      `Cannot use database: made by a newer gateway (its version is ${found}, this one knows ${VERSION})`,
    );
  }
  for (let version = found; version < VERSION; version++) {
    db.transaction(() => {
      db.exec(STEPS[version] ?? "");
      db.exec(`PRAGMA user_version = ${version + 1}`);
    });
  }
}
