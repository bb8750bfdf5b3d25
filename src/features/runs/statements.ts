import type { Database } from "../../ports.ts";

/** The journal's SQL. */
export function prepareStatements(db: Database) {
  return { ...prepareWrites(db), ...prepareReads(db) };
}

export type JournalStatements = ReturnType<typeof prepareStatements>;

function prepareWrites(db: Database) {
  return {
    insertRun: db.prepare(
      `INSERT INTO runs
         (id, session_id, origin, owner, options, status, accepted_at, started_at, retry_of, checksum)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    insertMessage: db.prepare(
      `INSERT INTO messages (session_id, run_seq, role, content, status, ts, idempotency_key, reply, checksum)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    insertImage: db.prepare("INSERT INTO images (id, message_id, mime_type, data) VALUES (?, ?, ?, ?)"),
    insertPiece: db.prepare("INSERT OR REPLACE INTO pieces (run_seq, place, content) VALUES (?, ?, ?)"),
    moveMessage: db.prepare("UPDATE messages SET run_seq = ? WHERE id = ?"),
    touch: db.prepare(
      `UPDATE sessions SET updated_at = ?, messages = messages + 1, preview = coalesce(?, preview),
       title = coalesce(title, ?) WHERE id = ?`,
    ),
    startRun: db.prepare("UPDATE runs SET status = 'running', started_at = ? WHERE id = ?"),
    endRun: db.prepare(
      `UPDATE runs SET status = ?, ended_at = ?, error = ?, stopped_by = ?, model = ?, input_tokens = ?,
       output_tokens = ?, cached_tokens = ?, tool_calls = ?, started_at = coalesce(started_at, ?)
       WHERE id = ?`,
    ),
    deletePieces: db.prepare("DELETE FROM pieces WHERE run_seq = ?"),
    addTokens: db.prepare(
      `UPDATE sessions SET input_tokens = input_tokens + ?, output_tokens = output_tokens + ?,
       context_tokens = ? WHERE id = ?`,
    ),
    addUsage: db.prepare(
      `INSERT INTO usage_days (day, agent_id, model, runs, input_tokens, output_tokens, cached_tokens)
       VALUES (?, ?, ?, 1, ?, ?, ?)
       ON CONFLICT (day, agent_id, model) DO UPDATE SET runs = runs + 1,
         input_tokens = input_tokens + excluded.input_tokens,
         output_tokens = output_tokens + excluded.output_tokens,
         cached_tokens = cached_tokens + excluded.cached_tokens`,
    ),
    summarise: db.prepare(
      `UPDATE sessions SET summary = ?, context_start = ?
       WHERE id = ? AND session_id = ? AND context_start < ?`,
    ),
    remember: db.prepare("UPDATE sessions SET note = ? WHERE id = ? AND session_id = ?"),
  };
}

function prepareReads(db: Database) {
  const from = "FROM messages LEFT JOIN runs ON runs.seq = messages.run_seq";
  const message = `SELECT messages.*, runs.id AS run_id ${from}`;
  const withRetry = `SELECT messages.*, runs.id AS run_id, runs.retry_of AS retry_of ${from}`;
  return {
    openRuns: db.prepare("SELECT * FROM runs WHERE status IN ('queued', 'running') ORDER BY seq"),
    pieces: db.prepare("SELECT content FROM pieces WHERE run_seq = ? ORDER BY place"),
    messageByKey: db.prepare(
      "SELECT run_seq, reply, content FROM messages WHERE session_id = ? AND idempotency_key = ?",
    ),
    runBySeq: db.prepare("SELECT * FROM runs WHERE seq = ?"),
    findRun: db.prepare("SELECT * FROM runs WHERE id = ?"),
    lastRun: db.prepare(
      `SELECT * FROM runs WHERE session_id = ? AND EXISTS (
         SELECT 1 FROM messages JOIN runs AS asked ON asked.seq = messages.run_seq
         WHERE asked.id = coalesce(runs.retry_of, runs.id) AND role = 'user' AND messages.id > ?)
       ORDER BY seq DESC LIMIT 1`,
    ),
    lastMessage: db.prepare("SELECT max(id) AS id FROM messages WHERE session_id = ?"),
    findImage: db.prepare(
      `SELECT mime_type, data FROM images JOIN messages ON messages.id = images.message_id
       WHERE images.id = ? AND messages.session_id = ?`,
    ),
    pageBefore: db.prepare(
      `${message} WHERE messages.session_id = ? AND messages.id > ? AND messages.id < ?
       ORDER BY messages.id DESC LIMIT ?`,
    ),
    pageAfter: db.prepare(
      `${message} WHERE messages.session_id = ? AND messages.id > ? ORDER BY messages.id LIMIT ?`,
    ),
    context: db.prepare(
      `${withRetry} WHERE messages.session_id = ? AND messages.id > ? AND messages.id < ?
         AND (messages.run_seq IS NULL OR messages.run_seq <= ?)
       ORDER BY messages.id DESC LIMIT ?`,
    ),
    questions: db.prepare(
      `${withRetry} WHERE runs.id IN (?, ?) AND role = 'user' AND messages.id > ? AND messages.id < ?
       ORDER BY messages.id`,
    ),
    firstWaiting: db.prepare(
      `SELECT min(messages.id) AS id FROM runs JOIN messages ON messages.run_seq = runs.seq
       WHERE runs.session_id = ? AND runs.seq > ?`,
    ),
  };
}
