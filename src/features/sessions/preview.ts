import { LIMITS } from "../../contract/limits.ts";
import type { Crypto, Database, SqlRow } from "../../ports.ts";
import { toMessage } from "../runs/rows.ts";
import { textOf } from "../runs/transcript.ts";
import type { StoredSession } from "./stored.ts";
import { cut } from "./text.ts";

export interface PreviewItem {
  readonly id: string;
  readonly role: string;
  readonly ts: number;
  readonly text: string;
}

/** The last messages of sessions, cut short. One for each call: it reads no more than one answer is worth. */
export class Previews {
  readonly #sql: {
    readonly sizes: ReturnType<Database["prepare"]>;
    readonly messages: ReturnType<Database["prepare"]>;
  };
  readonly #crypto: Pick<Crypto, "sha256">;
  #bytesLeft: number = LIMITS.previewBytesMax;

  constructor(db: Database, crypto: Pick<Crypto, "sha256">) {
    this.#crypto = crypto;
    this.#sql = {
      sizes: db.prepare(
        `SELECT id, octet_length(content) AS bytes FROM messages WHERE session_id = ? AND id > ?
         ORDER BY id DESC LIMIT ?`,
      ),
      messages: db.prepare(
        `SELECT id, session_id, role, ts, content, status, checksum FROM messages
         WHERE session_id = ? AND id >= ? ORDER BY id`,
      ),
    };
  }

  /** In order of time, those since the last reset; fewer where they are very long. */
  of(
    { id, historyStart }: StoredSession,
    { limit, maxChars }: { limit: number; maxChars: number },
  ): PreviewItem[] {
    const sizes = this.#sql.sizes.all(id, historyStart, limit);
    const fits = sizes.filter((row) => (this.#bytesLeft -= Number(row["bytes"])) >= 0);
    const oldest = fits.at(-1)?.["id"];
    if (oldest === undefined) return [];
    return this.#sql.messages.all(id, oldest).map((row) => this.#item(row, maxChars));
  }

  /** A damaged one says so, as in the history. */
  #item(row: SqlRow, maxChars: number): PreviewItem {
    const { id, role, ts, content } = toMessage(row, this.#crypto);
    return { id, role, ts, text: cut(textOf(content), maxChars) };
  }
}
