import { RpcError } from "../../contract/errors.ts";
import type { Database, SqlRow, SqlValue } from "../../ports.ts";
import type { SessionKind } from "./keys.ts";
import { IS_THERE, SHOWN_COLUMNS, type Shown, toShown } from "./stored.ts";

export interface SessionFilter {
  readonly limit: number;
  readonly cursor?: string | undefined;
  /** Part of the key, label, title or preview. */
  readonly search?: string | undefined;
  readonly agentId?: string | undefined;
  readonly label?: string | undefined;
  /** Used within the last minutes. */
  readonly activeMinutes?: number | undefined;
  readonly kind?: SessionKind | undefined;
}

export interface SessionPage {
  readonly sessions: Shown[];
  /** Of all pages. */
  readonly total: number;
  readonly next?: string;
}

/** The sessions, the last used first, in pages. */
export class SessionList {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.#sql = prepare(db);
  }

  /** @throws RpcError `invalid_params` for a cursor that is none of ours */
  page(filter: SessionFilter, nowMs: number): SessionPage {
    const wanted = conditions(filter, nowMs);
    const from = toPlace(filter.cursor);
    const { rows, total } = filter.search
      ? this.#sorted(wanted, from, filter.kind)
      : this.#inOrder(wanted, from, filter);
    const kept = rows.slice(0, filter.limit);
    const last = kept.at(-1);
    return {
      sessions: kept.flatMap((row) => this.#whole(row)),
      total,
      ...(rows.length > kept.length && last && { next: `${last["updated_at"]}.${last["place"]}` }),
    };
  }

  #inOrder(
    wanted: readonly SqlValue[],
    from: Place,
    { kind, limit }: SessionFilter,
  ): { rows: SqlRow[]; total: number } {
    const { page, count } = kind === undefined ? this.#sql.ofAll : this.#sql.ofKind;
    const values = kind === undefined ? wanted : [kind, ...wanted];
    return {
      rows: page.all(...values, from.updatedAtMs, from.place, limit + 1),
      total: Number(count.get(...values)?.["n"] ?? 0),
    };
  }

  /** Where every session has to be looked at, once is enough, and only those that fit are put in order. */
  #sorted(
    wanted: readonly SqlValue[],
    from: Place,
    kind: SessionKind | undefined,
  ): { rows: SqlRow[]; total: number } {
    const all = this.#sql.found.all(kind ?? null, kind ?? null, ...wanted);
    return { rows: all.filter((row) => isAfter(row, from)).sort(byUse), total: all.length };
  }

  #whole(row: SqlRow): Shown[] {
    const whole = "agent_id" in row ? row : this.#sql.one.get(row["place"] ?? null);
    return whole ? [toShown(whole)] : [];
  }
}

interface Place {
  readonly updatedAtMs: number;
  readonly place: number;
}

const START: Place = { updatedAtMs: Number.MAX_SAFE_INTEGER, place: Number.MAX_SAFE_INTEGER };

function toPlace(cursor: string | undefined): Place {
  if (cursor === undefined) return START;
  const [, updatedAtMs, place] = /^(\d{1,15})\.(\d{1,15})$/.exec(cursor) ?? [];
  if (place !== undefined) return { updatedAtMs: Number(updatedAtMs), place: Number(place) };
  throw new RpcError("invalid_params", `Cannot list sessions from cursor "${cursor}": no answer gave it`);
}

function isAfter(row: SqlRow, { updatedAtMs, place }: Place): boolean {
  const used = Number(row["updated_at"]);
  return used < updatedAtMs || (used === updatedAtMs && Number(row["place"]) < place);
}

function byUse(a: SqlRow, b: SqlRow): number {
  return Number(b["updated_at"]) - Number(a["updated_at"]) || Number(b["place"]) - Number(a["place"]);
}

/** The values of {@link WANTED}. */
function conditions(filter: SessionFilter, nowMs: number): SqlValue[] {
  const { search = "", agentId = null, label = null, activeMinutes } = filter;
  const like = search === "" ? null : `%${search.replace(/[\\%_]/g, "\\$&")}%`;
  const since = activeMinutes === undefined ? null : nowMs - activeMinutes * 60_000;
  return [like, like, like, like, like, agentId, agentId, label, label, since, since];
}

/** The `+` keeps SQLite from going by the index of keys, which would have to be sorted. */
const WANTED = `+${IS_THERE}
  AND (? IS NULL OR key LIKE ? ESCAPE '\\' OR label LIKE ? ESCAPE '\\' OR title LIKE ? ESCAPE '\\'
    OR preview LIKE ? ESCAPE '\\')
  AND (? IS NULL OR agent_id = ?) AND (? IS NULL OR label = ?) AND (? IS NULL OR updated_at >= ?)`;

function prepare(db: Database) {
  const order = "ORDER BY updated_at DESC, rowid DESC";
  const inOrder = (wanted: string) => ({
    page: db.prepare(
      `SELECT rowid AS place, ${SHOWN_COLUMNS} FROM sessions
       WHERE ${wanted} AND (updated_at, rowid) < (?, ?) ${order} LIMIT ?`,
    ),
    count: db.prepare(`SELECT count(*) AS n FROM sessions WHERE ${wanted}`),
  });
  return {
    ofAll: inOrder(WANTED),
    ofKind: inOrder(`kind = ? AND ${WANTED}`),
    found: db.prepare(
      `SELECT rowid AS place, updated_at FROM sessions WHERE (? IS NULL OR kind = ?) AND ${WANTED}`,
    ),
    one: db.prepare(`SELECT ${SHOWN_COLUMNS} FROM sessions WHERE rowid = ?`),
  };
}
