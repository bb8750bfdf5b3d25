import type { Database } from "../../ports.ts";
import { descriptionsOf } from "../sessions/description.ts";
import { kindOf } from "../sessions/keys.ts";

/** What SQL cannot say of the sessions of a first version: what they are for, how they begin and end. */
export function describeOldSessions(db: Database): void {
  const describe = descriptionsOf(db);
  const update = db.prepare("UPDATE sessions SET kind = ?, title = ?, preview = ? WHERE id = ?");
  for (const { id = null, key } of db.prepare("SELECT id, key FROM sessions").all()) {
    const { title, preview } = describe(String(id));
    update.run(kindOf(String(key)), title, preview, id);
  }
}
