import { LIMITS } from "../../contract/limits.ts";
import type { Database, SqlRow } from "../../ports.ts";
import { oneLine, storedText } from "./text.ts";

interface Description {
  readonly title: string | null;
  readonly preview: string | null;
}

/** Messages without words that are passed over on the way to one with some. */
const wordlessMax = 50;

/** How a session's conversation began and how its last message begins, read from its messages one by one. */
export function descriptionsOf(db: Database): (sessionDbId: string) => Description {
  const since = "(SELECT history_start FROM sessions WHERE sessions.id = messages.session_id)";
  const mine = `SELECT id, content FROM messages WHERE session_id = ? AND id > ${since}`;
  const next = db.prepare(`${mine} AND role = 'user' AND id > ? ORDER BY id LIMIT 1`);
  const previous = db.prepare(`${mine} AND id < ? ORDER BY id DESC LIMIT 1`);
  return (sessionDbId) => ({
    title: firstWords((id) => next.get(sessionDbId, id), 0, LIMITS.titleCharsMax),
    preview: firstWords(
      (id) => previous.get(sessionDbId, id),
      Number.MAX_SAFE_INTEGER,
      LIMITS.previewCharsMax,
    ),
  });
}

function firstWords(step: (id: number) => SqlRow | undefined, from: number, charsMax: number): string | null {
  let id = from;
  for (let looked = 0; looked < wordlessMax; looked++) {
    const row = step(id);
    if (!row) return null;
    const words = oneLine(storedText(row["content"]), charsMax);
    if (words !== "") return words;
    id = Number(row["id"]);
  }
  return null;
}
