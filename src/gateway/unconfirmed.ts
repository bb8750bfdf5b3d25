import { z } from "zod";
import { createCopies } from "../config/write/copies.ts";
import { createConfigWriter } from "../config/write/writer.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Platform } from "../ports.ts";
import { type GatewayFlags, openStore } from "./configuration.ts";
import { LOCK_FILE, UNCONFIRMED_FILE } from "./names.ts";

const Note = z.object({ backup: z.string() });

/**
 * A start failed while a change of the configuration waited for its confirmation: nobody will confirm it.
 *
 * @returns true when what was there before is back, so that another start is worth it
 */
export async function undoUnconfirmed(platform: Platform, flags: GatewayFlags): Promise<boolean> {
  const store = openStore(undefined, platform, flags);
  const { stateDir } = store.paths;
  const path = `${stateDir}/${UNCONFIRMED_FILE}`;
  const text = await platform.files.readText(path, LIMITS.configKeyCharsMax);
  if (text === undefined) return false;
  // Another gateway may be running on this very change, and waiting.
  const release = platform.lock(`${stateDir}/${LOCK_FILE}`);
  if (!release) return false;
  try {
    await platform.files.remove(path);
    const note = Note.safeParse(JSON.parse(text));
    if (!note.success || note.data.backup === "") return false;
    const copies = createCopies({ ...platform, stateDir });
    await createConfigWriter({ ...platform, store, copies }).restore(note.data.backup);
  } finally {
    release();
  }
  platform.process.stderr.write(
    "Cannot start with a configuration that nobody has confirmed: what was there before is back\n",
  );
  return true;
}
