import type { Database, SqlRow } from "../../ports.ts";
import type { SessionSettings } from "./environment.ts";

/** A session as it is stored; whether it is active is known elsewhere. */
export interface StoredSession {
  /** What the tables know it by; never shown. */
  readonly id: string;
  readonly key: string;
  /** Another one after each reset. */
  readonly sessionId: string;
  readonly agentId: string;
  readonly label?: string;
  readonly title?: string;
  readonly preview?: string;
  readonly model?: string;
  readonly settings: SessionSettings;
  readonly createdAtMs: number;
  /** Its last message, else when it was made or began anew. */
  readonly updatedAtMs: number;
  /** Since the last reset. */
  readonly messages: number;
  /** Messages up to this id are of the time before the last reset. */
  readonly historyStart: number;
  /** Messages up to this id are in the summary, or given up. */
  readonly contextStart: number;
  readonly summary?: string;
  /** What its agent remembers. */
  readonly note?: string;
  readonly contextTokens: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** What a list shows of a session: nothing that may be long. */
export type Shown = Omit<StoredSession, "settings" | "historyStart" | "contextStart" | "summary" | "note">;

/**
 * Not deleted: keys have no control characters, and the row of a deleted session has one for as long as there
 * are messages to take away.
 */
export const IS_THERE = "sessions.key >= ' '";

export type SessionStatements = ReturnType<typeof prepareSessions>;

export function prepareSessions(db: Database) {
  return {
    count: db.prepare(`SELECT count(*) AS n FROM sessions WHERE ${IS_THERE}`),
    find: db.prepare("SELECT * FROM sessions WHERE key = ?"),
    byId: db.prepare(`SELECT * FROM sessions WHERE id = ? AND ${IS_THERE}`),
    bySessionId: db.prepare("SELECT * FROM sessions WHERE session_id = ?"),
    byLabel: db.prepare("SELECT * FROM sessions WHERE label = ?"),
    insert: db.prepare(
      `INSERT INTO sessions (id, key, kind, session_id, agent_id, label, model, created_at, updated_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    newestMessage: db.prepare("SELECT max(id) AS id FROM messages WHERE session_id = ?"),
    reset: db.prepare(
      `UPDATE sessions SET session_id = ?, history_start = ?, context_start = ?, updated_at = ?, messages = 0,
       context_tokens = 0, summary = NULL, note = NULL, title = NULL, preview = NULL WHERE id = ?`,
    ),
    patch: db.prepare("UPDATE sessions SET agent_id = ?, label = ?, model = ?, settings = ? WHERE id = ?"),
    bury: db.prepare(
      `UPDATE sessions SET key = char(1) || id, session_id = '', label = NULL, model = NULL, settings = '{}',
       title = NULL, preview = NULL, summary = NULL, note = NULL WHERE id = ?`,
    ),
    dropApprovals: db.prepare("DELETE FROM approvals WHERE session_id = ?"),
    dropRules: db.prepare("DELETE FROM approval_rules WHERE session_id = ?"),
  };
}

/** The columns of {@link Shown}. */
export const SHOWN_COLUMNS = `id, key, session_id, agent_id, label, title, preview, model, created_at,
  updated_at, messages, context_tokens, input_tokens, output_tokens`;

export function toShown(row: SqlRow): Shown {
  const { label, title, preview, model } = row;
  return {
    id: String(row["id"]),
    key: String(row["key"]),
    sessionId: String(row["session_id"]),
    agentId: String(row["agent_id"]),
    ...(typeof label === "string" && { label }),
    ...(typeof title === "string" && { title }),
    ...(typeof preview === "string" && { preview }),
    ...(typeof model === "string" && { model }),
    createdAtMs: Number(row["created_at"]),
    updatedAtMs: Number(row["updated_at"]),
    messages: Number(row["messages"]),
    contextTokens: Number(row["context_tokens"]),
    inputTokens: Number(row["input_tokens"]),
    outputTokens: Number(row["output_tokens"]),
  };
}

export function toStored(row: SqlRow): StoredSession {
  const { summary, note } = row;
  return {
    ...toShown(row),
    settings: toSettings(row["settings"]),
    historyStart: Number(row["history_start"]),
    contextStart: Number(row["context_start"]),
    ...(typeof summary === "string" && { summary }),
    ...(typeof note === "string" && { note }),
  };
}

const NONE: SessionSettings = {};

function toSettings(text: SqlRow[string] | undefined): SessionSettings {
  if (typeof text !== "string" || text === "{}") return NONE;
  // Only `Sessions.patchIn` writes the column, and only what has been validated.
  return JSON.parse(text) as SessionSettings;
}
