import type { Log } from "../../ports.ts";
import type { ConfigStore, Snapshot } from "../store.ts";
import { valueOf } from "../tree/tree.ts";
import type { Copies } from "./copies.ts";
import { WriteRefused } from "./refused.ts";
import type { Intent } from "./rewrite.ts";
import { withoutChange } from "./undone.ts";
import type { ConfigWriter, Written } from "./writer.ts";

interface UndoParts {
  readonly store: Pick<ConfigStore, "readConfigFileSnapshot">;
  readonly copies: Pick<Copies, "backup" | "change">;
  readonly writer: ConfigWriter;
  readonly log: Pick<Log, "warn">;
}

/** A change that was written and is not wanted. */
export interface Undoable {
  /** What was there before; empty where there was no file. */
  readonly backup: string;
  /** Of the files as the change left them; what they said is kept under it. */
  readonly hash: string;
}

/** Where there was no file, one that says nothing says the same. */
export const EMPTY_TEXT = "{\n}\n";
const EMPTY: Intent = { kind: "replace", text: EMPTY_TEXT, isVerbatim: true, drop: [[]] };

/**
 * Puts back what was there before a change. What somebody has edited since stays, but for the keys that the
 * change touched; where that cannot be, all is put back, and the log says where the edit is kept.
 *
 * @throws WriteRefused; then every file is as it was
 */
export async function undoChange(parts: UndoParts, change: Undoable): Promise<Written> {
  const { store, writer, log } = parts;
  const now = await store.readConfigFileSnapshot();
  const base = { baseHash: now.hash };
  const whole = (): Promise<Written> =>
    change.backup === "" ? writer.write(EMPTY, base) : writer.restore(change.backup, base);
  if (!now.exists || now.hash === change.hash) return whole();
  try {
    const text = JSON.stringify(await valueWithout(parts, change, now), null, 2);
    const written = await writer.write({ kind: "replace", text: `${text}\n`, drop: [[]] }, base);
    const { backup } = written;
    if (backup)
      log.warn("configuration edited since the unconfirmed change: only that is undone", { backup });
    return written;
  } catch (error) {
    // What the machine did not let us is tried again; what cannot be will never be.
    if (!(error instanceof WriteRefused) || error.kind !== "invalid") throw error;
    const written = await whole();
    log.warn("configuration put back whole: what was edited since the unconfirmed change is in the backup", {
      backup: written.backup,
      reason: error.message,
    });
    return written;
  }
}

/** What the files of now would say without the change. */
async function valueWithout({ store, copies }: UndoParts, change: Undoable, now: Snapshot): Promise<unknown> {
  const then = await copies.change(change.hash, now.path);
  const kept = change.backup === "" ? new Map([[now.path, EMPTY_TEXT]]) : undefined;
  const old = kept ?? (await copies.backup(change.backup, now.path));
  if (!then || !old) throw new WriteRefused("invalid", "Cannot undo change: its text is not kept");
  const [after, before] = [await store.readConfigFileSnapshot(then), await store.readConfigFileSnapshot(old)];
  return withoutChange(valueIn(now), { before: valueIn(before), after: valueIn(after) });
}

function valueIn({ source, ...snapshot }: Snapshot): unknown {
  if (source?.tree && source.errors.length === 0) return valueOf(source.tree);
  const errors = snapshot.valid ? [] : snapshot.errors;
  throw new WriteRefused(
    "invalid",
    errors[0]?.message ?? "Cannot undo change: the file says nothing",
    errors,
  );
}
