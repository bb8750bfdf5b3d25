import type { Stop, Watcher } from "../ports.ts";
import { statOf } from "./entries.ts";

/** Watches with the runtime's own means. Throws when it cannot; may call `heard` inside. */
export type Listen = (directory: string, heard: () => void) => Stop;

/**
 * The `Watcher` of a runtime.
 *
 * Both runtimes watch a path once for all who ask, and go on with the directory that was there at first: a
 * watch that is begun while an old one is open stays silent when the directory has been replaced since. So
 * before one begins, all whose directory is no longer there end, and say so.
 */
export function createWatch(listen: Listen): Watcher["watch"] {
  const endIfReplaced = new Set<() => void>();

  return (directory, changed) => {
    const watched = inodeOf(directory);
    if (watched === undefined) return undefined;
    for (const check of endIfReplaced) check();

    let isStopped = false;
    let unlisten: Stop | undefined;
    // What `changed` throws must not end the listening.
    const tell = (): void => queueMicrotask(() => isStopped || changed());
    const end = (): void => {
      endIfReplaced.delete(check);
      unlisten?.();
      unlisten = undefined;
    };
    const check = (): void => {
      if (inodeOf(directory) === watched) return;
      end();
      tell();
    };
    try {
      unlisten = listen(directory, tell);
    } catch {
      // It has just gone, or the system has no watch left.
      return undefined;
    }
    endIfReplaced.add(check);
    return () => {
      isStopped = true;
      end();
    };
  };
}

function inodeOf(directory: string): string | undefined {
  const found = statOf(directory);
  return found?.kind === "directory" ? found.inode : undefined;
}
