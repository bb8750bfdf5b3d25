import { messageOf } from "../contract/errors.ts";
import { createCopies } from "../config/write/copies.ts";
import { createConfigWriter, targetOf } from "../config/write/writer.ts";
import type { SourceFile } from "../config/tree/tree.ts";
import type { Log, Platform } from "../ports.ts";
import type { Loaded } from "./configuration.ts";

/**
 * Writes what the files of the system we replace mean into files of ours, once: those with its older name,
 * and those in JSON5. The old ones stay beside them. Old keys alone are no reason to write.
 *
 * @returns true when the files are not what was loaded any more
 */
export async function convertOldFiles(
  platform: Platform,
  { store, snapshot, log }: Loaded,
): Promise<boolean> {
  const { source, path } = snapshot;
  if (!source) return false;
  const json5 = source.files.filter(({ text, document }) => text !== document.text);
  const isOldName = targetOf(path, store) !== path;
  for (const change of source.changes) log.info("old configuration understood", { change });
  if (json5.length === 0 && !isOldName) return false;
  const copies = createCopies({ ...platform, stateDir: store.paths.stateDir });
  const writer = createConfigWriter({ ...platform, store, copies });
  try {
    const { after } = await writer.write({ kind: "convert" }, { baseHash: snapshot.hash });
    if (isOldName) {
      log.info("configuration written by its name of today, the old file stays", {
        from: path,
        to: after.path,
      });
    }
  } catch (error) {
    // A directory that may not be written is no reason not to start: all was read.
    const reason = messageOf(error);
    log.warn("configuration not converted, it is read as it is", { path, reason });
    return false;
  }
  for (const { path: old, text } of json5) {
    // One with the older name stays as it is.
    if (!isOldName || old !== path) await tellKept(platform, log, { path: old, text });
  }
  return true;
}

/** After the write: one that is refused leaves no copy behind. The backup has the text in any case. */
async function tellKept(platform: Platform, log: Log, old: Pick<SourceFile, "path" | "text">): Promise<void> {
  try {
    const kept = await keepBeside(platform, old.path, old.text);
    log.info("configuration converted from JSON5, what it was is kept", { path: old.path, kept });
  } catch (error) {
    const reason = messageOf(error);
    log.warn("configuration converted from JSON5, what it was is in the backup only", {
      path: old.path,
      reason,
    });
  }
}

/** @returns where */
async function keepBeside({ files }: Platform, path: string, text: string): Promise<string> {
  for (let count = 1; ; count += 1) {
    const name = count === 1 ? `${path}.json5` : `${path}.${count}.json5`;
    if (await files.writeNew(name, text)) return name;
    if ((await files.readText(name, Number.MAX_SAFE_INTEGER)) === text) return name;
  }
}
