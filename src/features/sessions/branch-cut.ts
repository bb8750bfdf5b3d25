import { LIMITS } from "../../contract/limits.ts";
import type { Database } from "../../ports.ts";
import type { Writer } from "../storage/writer.ts";
import type { RowRange } from "./branches.ts";
import { descriptionsOf } from "./description.ts";
import type { SearchIndex } from "./search-index.ts";

interface CutParts {
  readonly db: Database;
  readonly writer: Pick<Writer, "write">;
  readonly index: SearchIndex;
}

/** Takes the messages of other branches out of a session that was imported, in pieces as {@link Remains}. */
export class BranchCut {
  readonly #parts: CutParts;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #describe: ReturnType<typeof descriptionsOf>;

  constructor(parts: CutParts) {
    this.#parts = parts;
    this.#sql = prepare(parts.db);
    this.#describe = descriptionsOf(parts.db);
  }

  /** @returns how many messages went. @throws RpcError as the writer: some are still there then */
  async leaveOut(sessionDbId: string, ranges: readonly RowRange[]): Promise<number> {
    let left = ranges;
    let count = 0;
    while (left.length > 0) {
      const now = left;
      const done = await this.#parts.writer.write(() => this.#cutIn(sessionDbId, now));
      count += done.count;
      left = done.left;
    }
    return count;
  }

  /** Some of them: others get their turn in between. With the last ones the session says what it has now. */
  #cutIn(sessionDbId: string, ranges: readonly RowRange[]): { count: number; left: readonly RowRange[] } {
    let count = 0;
    for (const [place, { after, upTo }] of ranges.entries()) {
      const room = LIMITS.indexBatchMax - count;
      if (room <= 0 || place >= LIMITS.indexBatchMax) return { count, left: ranges.slice(place) };
      const rows = this.#sql.rows.all(sessionDbId, after, upTo, room);
      for (const { id = null } of rows) {
        this.#parts.index.forgetIn(id);
        this.#sql.drop.run(id);
      }
      count += rows.length;
      if (rows.length === room) return { count, left: ranges.slice(place) };
    }
    const { title, preview } = this.#describe(sessionDbId);
    this.#sql.retell.run(title, preview, sessionDbId);
    return { count, left: [] };
  }
}

function prepare(db: Database) {
  return {
    rows: db.prepare(
      "SELECT id FROM messages WHERE session_id = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?",
    ),
    drop: db.prepare("DELETE FROM messages WHERE id = ?"),
    retell: db.prepare(
      `UPDATE sessions SET title = ?, preview = ?, messages =
         (SELECT count(*) FROM messages WHERE session_id = sessions.id AND id > sessions.history_start)
       WHERE id = ?`,
    ),
  };
}
