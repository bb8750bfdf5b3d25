import type { ApprovalDecision, Database, SqlRow } from "../../ports.ts";
import { LIMITS } from "../../contract/limits.ts";
import { type Approval, Decision } from "./contract.ts";

/** What is asked, as it is stored. */
export interface NewApproval {
  readonly id: string;
  readonly sessionDbId: string;
  readonly runId: string;
  readonly title: string;
  readonly tool?: string | undefined;
  readonly details?: string | undefined;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/** How it was decided. */
export interface Resolution {
  readonly decision: ApprovalDecision;
  readonly resolvedAtMs: number;
  readonly resolvedBy: string;
}

/** Approvals and the rules that come of them, on disk. What writes is called inside a work of the writer. */
export class ApprovalStore {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.#sql = prepare(db);
  }

  add(approval: NewApproval): void {
    const { id, sessionDbId, runId, title, tool = null, details = null } = approval;
    const { createdAtMs, expiresAtMs } = approval;
    this.#sql.insert.run(id, sessionDbId, runId, title, tool, details, createdAtMs, expiresAtMs);
    this.#sql.prune.run(LIMITS.approvalsKept);
  }

  resolve(id: string, { decision, resolvedAtMs, resolvedBy }: Resolution): void {
    this.#sql.resolve.run(decision, resolvedAtMs, resolvedBy, id);
    if (decision === "allow_always") this.#sql.addRule.run(id);
  }

  isAlwaysAllowed(sessionDbId: string, tool: string): boolean {
    return this.#sql.rule.get(sessionDbId, tool) !== undefined;
  }

  find(id: string): Approval | undefined {
    const row = this.#sql.find.get(id);
    return row && toApproval(row);
  }

  /** Those nobody has decided, as far as the disk knows; the oldest first. */
  undecided(): Approval[] {
    return this.#sql.undecided.all().map(toApproval);
  }

  /** The newest first. */
  newest(limit: number): Approval[] {
    return this.#sql.newest.all(limit).map(toApproval);
  }
}

function prepare(db: Database) {
  const select =
    "SELECT approvals.*, sessions.key AS session_key FROM approvals JOIN sessions ON sessions.id = approvals.session_id";
  return {
    insert: db.prepare(
      `INSERT INTO approvals (id, session_id, run_id, title, tool, details, created_at, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    prune: db.prepare(
      `DELETE FROM approvals WHERE rowid IN
         (SELECT rowid FROM approvals WHERE decision IS NOT NULL ORDER BY rowid DESC LIMIT -1 OFFSET ?)`,
    ),
    resolve: db.prepare(
      "UPDATE approvals SET decision = ?, resolved_at = ?, resolved_by = ? WHERE id = ? AND decision IS NULL",
    ),
    addRule: db.prepare(
      `INSERT OR IGNORE INTO approval_rules (session_id, tool)
         SELECT session_id, tool FROM approvals WHERE id = ? AND tool IS NOT NULL`,
    ),
    rule: db.prepare("SELECT 1 AS found FROM approval_rules WHERE session_id = ? AND tool = ?"),
    find: db.prepare(`${select} WHERE approvals.id = ?`),
    undecided: db.prepare(`${select} WHERE decision IS NULL ORDER BY approvals.rowid`),
    newest: db.prepare(`${select} ORDER BY approvals.rowid DESC LIMIT ?`),
  };
}

function toApproval(row: SqlRow): Approval {
  const { tool, details, resolved_at: resolvedAtMs, resolved_by: resolvedBy } = row;
  const decision = Decision().safeParse(row["decision"]);
  return {
    id: String(row["id"]),
    sessionKey: String(row["session_key"]),
    runId: String(row["run_id"]),
    title: String(row["title"]),
    ...(typeof tool === "string" && { tool }),
    ...(typeof details === "string" && shown(details)),
    createdAtMs: Number(row["created_at"]),
    expiresAtMs: Number(row["expires_at"]),
    ...(decision.success && { decision: decision.data }),
    ...(typeof resolvedAtMs === "number" && { resolvedAtMs }),
    ...(typeof resolvedBy === "string" && { resolvedBy }),
  };
}

/** Kept with one character more than is shown, which says that there was more. */
export function shown(details: string): Pick<Approval, "details" | "isCut"> {
  if (details.length <= LIMITS.approvalDetailsCharsMax) return { details };
  return { details: details.slice(0, LIMITS.approvalDetailsCharsMax).toWellFormed(), isCut: true };
}
