import type { Database, SqlRow } from "../../ports.ts";

export interface Counts {
  readonly runs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
}

/** Of one agent with one model on one day. */
export interface UsageRow extends Counts {
  /** `2026-01-31`, UTC */
  readonly day: string;
  readonly agentId: string;
  readonly model: string;
}

/** What the journal has counted. */
export class UsageDays {
  readonly #rows;
  readonly #byModel;
  readonly #total;

  constructor(db: Database) {
    this.#rows = db.prepare(
      "SELECT * FROM usage_days WHERE day >= ? ORDER BY day DESC, agent_id, model LIMIT ?",
    );
    this.#byModel = db.prepare(
      `SELECT day, model, sum(runs) AS runs, sum(input_tokens) AS input_tokens,
         sum(output_tokens) AS output_tokens, sum(cached_tokens) AS cached_tokens
       FROM usage_days WHERE day >= ? GROUP BY day, model ORDER BY day DESC, model`,
    );
    this.#total = db.prepare(
      `SELECT coalesce(sum(runs), 0) AS runs, coalesce(sum(input_tokens), 0) AS input_tokens,
         coalesce(sum(output_tokens), 0) AS output_tokens, coalesce(sum(cached_tokens), 0) AS cached_tokens
       FROM usage_days WHERE day >= ?`,
    );
  }

  /** From that day on, the newest first; at most so many. */
  rows(since: string, limit: number): UsageRow[] {
    return this.#rows.all(since, limit).map((row) => ({
      day: String(row["day"]),
      agentId: String(row["agent_id"]),
      model: String(row["model"]),
      ...countsOf(row),
    }));
  }

  /** Of all agents together. */
  byModel(since: string): (Pick<UsageRow, "day" | "model"> & Counts)[] {
    return this.#byModel.all(since).map((row) => ({
      day: String(row["day"]),
      model: String(row["model"]),
      ...countsOf(row),
    }));
  }

  total(since: string): Counts {
    return countsOf(this.#total.get(since) ?? {});
  }
}

function countsOf(row: SqlRow): Counts {
  return {
    runs: Number(row["runs"] ?? 0),
    inputTokens: Number(row["input_tokens"] ?? 0),
    outputTokens: Number(row["output_tokens"] ?? 0),
    cachedTokens: Number(row["cached_tokens"] ?? 0),
  };
}
