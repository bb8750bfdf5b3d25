import { messageOf } from "../contract/errors.ts";
import { createCopies } from "../config/write/copies.ts";
import { undoChange } from "../config/write/undo-change.ts";
import { createConfigWriter } from "../config/write/writer.ts";
import { createPlainLog } from "../platform/log.ts";
import type { Platform } from "../ports.ts";
import { type GatewayFlags, openStore } from "./configuration.ts";
import { EXIT, StartError } from "./errors.ts";
import { LOCK_FILE } from "./names.ts";
import { readNote, writeNote } from "./unconfirmed-note.ts";

/**
 * A start failed while a change of the configuration waited for its confirmation: nobody will confirm it.
 * Never rejects: why the start failed is worth more than why this did.
 *
 * @returns true when what was there before is back, so that another start is worth it
 */
export async function undoUnconfirmed(
  platform: Platform,
  flags: GatewayFlags,
  error: unknown,
): Promise<boolean> {
  if (!isOfConfiguration(error)) return false;
  const { stderr } = platform.process;
  try {
    const undone = await undo(platform, flags);
    if (undone === undefined) return false;
    const where = undone.backup === undefined ? "" : `, and its text is in backup ${undone.backup}`;
    stderr.write(
      `Cannot start with a configuration that nobody has confirmed: what was there before is back${where}\n`,
    );
    return true;
  } catch (problem) {
    const reason = messageOf(problem);
    stderr.write(`Cannot put back what was there before an unconfirmed change: ${reason}\n`);
    return false;
  }
}

/** What another configuration could mend; no disk that is full, no state directory of somebody else's. */
function isOfConfiguration(error: unknown): boolean {
  if (!(error instanceof StartError)) return false;
  return error.exitCode === EXIT.config || error.message.startsWith("Cannot listen on ");
}

/** @returns undefined when there is nothing to undo, or somebody else may yet confirm it */
async function undo(
  platform: Platform,
  flags: GatewayFlags,
): Promise<{ readonly backup: string | undefined } | undefined> {
  const { files, lock, process, clock } = platform;
  const store = openStore(undefined, platform, flags);
  const { stateDir } = store.paths;
  const waiting = await readNote(files, stateDir);
  if (!waiting) return undefined;
  // Another gateway may be running on this very change, and waiting.
  const release = lock(`${stateDir}/${LOCK_FILE}`);
  if (!release) return undefined;
  try {
    const isWanted = (name: string): boolean => name === waiting.backup;
    const copies = createCopies({ ...platform, stateDir, isWanted });
    const writer = createConfigWriter({ ...platform, store, copies });
    const log = createPlainLog({ sink: process.stderr, clock });
    const { backup } = await undoChange({ store, copies, writer, log }, waiting);
    // Only now: whoever cannot put it back this time can the next time.
    await writeNote(files, stateDir, undefined);
    await copies.forgetChange().catch(() => {}); // nobody asks for it any more
    return { backup };
  } finally {
    release();
  }
}
