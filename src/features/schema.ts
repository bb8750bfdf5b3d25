/** Number of the newest step below; kept in the database itself. */
export const SCHEMA_VERSION = 3;

/** Marks a database as ours: "GATE". */
export const APPLICATION_ID = 0x47415445;

/** What each version adds to the one before; all of a step or nothing. */
export const STEPS: readonly string[] = [
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

  // `id` of a session stays, `session_id` is another one after each reset. Messages up to `history_start` are
  // of the time before the last reset; those up to `context_start` are in `summary`, or given up.
  // What `main` meant was the agent's own session; where that has its key already, it gets one of its own.
  // `kind`, `title` and `preview` of sessions that are there come after it: storage/first-version.ts.
  `ALTER TABLE sessions ADD COLUMN session_id TEXT NOT NULL DEFAULT '';
   UPDATE sessions SET session_id = id;
   UPDATE OR IGNORE sessions SET key = 'agent:' || lower(agent_id) || ':main' WHERE key = 'main';
   UPDATE sessions SET key = (
     WITH RECURSIVE free (key, n) AS (
       SELECT 'agent:' || lower(sessions.agent_id) || ':main-2', 2
       UNION ALL SELECT 'agent:' || lower(sessions.agent_id) || ':main-' || (n + 1), n + 1 FROM free
     )
     SELECT free.key FROM free WHERE NOT EXISTS (SELECT 1 FROM sessions AS other WHERE other.key = free.key)
     LIMIT 1
   ) WHERE key = 'main';
   ALTER TABLE sessions ADD COLUMN kind TEXT NOT NULL DEFAULT 'other';
   CREATE INDEX sessions_kind ON sessions (kind, updated_at);
   ALTER TABLE sessions ADD COLUMN title TEXT;
   ALTER TABLE sessions ADD COLUMN preview TEXT;
   ALTER TABLE sessions ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
   ALTER TABLE sessions ADD COLUMN history_start INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE sessions ADD COLUMN context_start INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE sessions ADD COLUMN summary TEXT;
   ALTER TABLE sessions ADD COLUMN note TEXT;
   ALTER TABLE sessions ADD COLUMN context_tokens INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE sessions ADD COLUMN input_tokens INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE sessions ADD COLUMN output_tokens INTEGER NOT NULL DEFAULT 0;
   CREATE TABLE runs_new (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     id TEXT NOT NULL UNIQUE,
     session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
     origin TEXT NOT NULL,
     owner TEXT NOT NULL,
     options TEXT NOT NULL,
     status TEXT NOT NULL,
     accepted_at INTEGER NOT NULL,
     started_at INTEGER,
     ended_at INTEGER,
     error TEXT,
     stopped_by TEXT,
     retry_of TEXT,
     model TEXT,
     input_tokens INTEGER NOT NULL DEFAULT 0,
     output_tokens INTEGER NOT NULL DEFAULT 0,
     cached_tokens INTEGER NOT NULL DEFAULT 0,
     tool_calls INTEGER NOT NULL DEFAULT 0,
     checksum TEXT NOT NULL
   ) STRICT;
   INSERT INTO runs_new
     (seq, id, session_id, origin, owner, options, status, accepted_at, started_at, ended_at, error, checksum)
     SELECT seq, id, session_id, 'chat', '', '{}', status, accepted_at, started_at, ended_at, error, '' FROM runs;
   CREATE TABLE messages_new (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
     run_seq INTEGER REFERENCES runs_new (seq) ON DELETE CASCADE,
     role TEXT NOT NULL,
     content TEXT NOT NULL,
     status TEXT,
     ts INTEGER NOT NULL,
     idempotency_key TEXT,
     reply TEXT,
     checksum TEXT NOT NULL
   ) STRICT;
   INSERT INTO messages_new
     (id, session_id, run_seq, role, content, status, ts, idempotency_key, reply, checksum)
     SELECT m.id, m.session_id, m.run_seq, m.role, m.content, m.status, m.ts,
       CASE m.role WHEN 'user' THEN r.idempotency_key END, CASE m.role WHEN 'user' THEN r.reply END, ''
     FROM messages m JOIN runs r ON r.seq = m.run_seq;
   DELETE FROM sqlite_sequence WHERE name IN ('runs_new', 'messages_new');
   INSERT INTO sqlite_sequence (name, seq)
     SELECT name || '_new', seq FROM sqlite_sequence WHERE name IN ('runs', 'messages');
   DROP TABLE messages;
   DROP TABLE runs;
   ALTER TABLE runs_new RENAME TO runs;
   ALTER TABLE messages_new RENAME TO messages;
   CREATE INDEX runs_open ON runs (status) WHERE status IN ('queued', 'running');
   CREATE INDEX runs_session ON runs (session_id, seq);
   CREATE INDEX messages_session ON messages (session_id, id);
   CREATE INDEX messages_run ON messages (run_seq, id);
   CREATE UNIQUE INDEX messages_key ON messages (session_id, idempotency_key)
     WHERE idempotency_key IS NOT NULL;
   CREATE INDEX sessions_label ON sessions (label) WHERE label IS NOT NULL;
   CREATE TABLE images (
     id TEXT PRIMARY KEY,
     message_id INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
     mime_type TEXT NOT NULL,
     data TEXT NOT NULL
   ) STRICT;
   CREATE INDEX images_message ON images (message_id);
   CREATE TABLE pieces (
     run_seq INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
     place INTEGER NOT NULL,
     content TEXT NOT NULL,
     PRIMARY KEY (run_seq, place)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE usage_days (
     day TEXT NOT NULL,
     agent_id TEXT NOT NULL,
     model TEXT NOT NULL,
     runs INTEGER NOT NULL,
     input_tokens INTEGER NOT NULL,
     output_tokens INTEGER NOT NULL,
     cached_tokens INTEGER NOT NULL,
     PRIMARY KEY (day, agent_id, model)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE approvals (
     id TEXT PRIMARY KEY,
     session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
     run_id TEXT NOT NULL,
     title TEXT NOT NULL,
     tool TEXT,
     details TEXT,
     created_at INTEGER NOT NULL,
     expires_at INTEGER NOT NULL,
     decision TEXT,
     resolved_at INTEGER,
     resolved_by TEXT
   ) STRICT;
   CREATE INDEX approvals_open ON approvals (created_at) WHERE decision IS NULL;
   CREATE TABLE approval_rules (
     session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
     tool TEXT NOT NULL,
     PRIMARY KEY (session_id, tool)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE events (
     seq INTEGER PRIMARY KEY,
     event TEXT NOT NULL
   ) STRICT;
   CREATE VIRTUAL TABLE messages_fts USING fts5
     (text, content = '', contentless_delete = 1, tokenize = "unicode61 remove_diacritics 2");`,
  `CREATE TABLE plugin_values (
     plugin TEXT NOT NULL,
     key TEXT NOT NULL,
     value TEXT NOT NULL,
     PRIMARY KEY (plugin, key)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE channel_senders (
     channel TEXT NOT NULL,
     account_id TEXT NOT NULL,
     sender_id TEXT NOT NULL,
     chat_id TEXT NOT NULL,
     name TEXT,
     code TEXT,
     created_at INTEGER NOT NULL,
     expires_at INTEGER,
     approved_at INTEGER,
     PRIMARY KEY (channel, account_id, sender_id)
   ) STRICT, WITHOUT ROWID;
   CREATE UNIQUE INDEX channel_senders_code ON channel_senders (code) WHERE code IS NOT NULL;
   CREATE TABLE deliveries (
     id TEXT PRIMARY KEY,
     channel TEXT NOT NULL,
     account_id TEXT NOT NULL,
     recipient TEXT NOT NULL,
     thread_id TEXT,
     reply_to TEXT,
     run_id TEXT UNIQUE,
     text TEXT,
     state TEXT NOT NULL,
     attempts INTEGER NOT NULL DEFAULT 0,
     due_at INTEGER NOT NULL,
     created_at INTEGER NOT NULL,
     sent_at INTEGER,
     message_id TEXT,
     error TEXT
   ) STRICT;
   CREATE INDEX deliveries_open ON deliveries (due_at) WHERE state IN ('run', 'due');`,
];
