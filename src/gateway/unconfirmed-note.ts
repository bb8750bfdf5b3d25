import { Waiting } from "../features/config/confirmation.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Files } from "../ports.ts";
import { UNCONFIRMED_FILE } from "./names.ts";

/** @returns the change that waits for its confirmation, over all restarts; undefined where none does */
export async function readNote(
  files: Pick<Files, "readText">,
  stateDir: string,
): Promise<Waiting | undefined> {
  const text = await files.readText(`${stateDir}/${UNCONFIRMED_FILE}`, LIMITS.configKeyCharsMax);
  if (text === undefined) return undefined;
  try {
    return Waiting.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(`Cannot read "${stateDir}/${UNCONFIRMED_FILE}": it is not as it was written`, { cause });
  }
}

/** What is on disk decides after a crash. */
export async function writeNote(
  files: Pick<Files, "replace" | "remove">,
  stateDir: string,
  waiting: Waiting | undefined,
): Promise<void> {
  const path = `${stateDir}/${UNCONFIRMED_FILE}`;
  if (waiting) await files.replace(path, `${JSON.stringify(waiting)}\n`);
  else await files.remove(path);
}
