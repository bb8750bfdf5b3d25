import { watchFiles } from "../../src/config/watch/watch.ts";
import type { Files, FileStat, Watcher } from "../../src/ports.ts";
import { createMemoryLog } from "./ports.ts";
import { createFakeTime } from "./time.ts";

const DIRECTORY: FileStat = { kind: "directory", bytes: 0, modifiedMs: 0, inode: "" };

/** Files of a machine in memory, watched by the real `watchFiles`, in time that passes when told to. */
export function createWatched({ debounceMs = 100, pollMs = 60_000_000, canWatch = true } = {}) {
  const time = createFakeTime();
  const log = createMemoryLog();
  const stats = new Map<string, FileStat>();
  const links = new Map<string, string>();
  const ears = new Map<string, Set<() => void>>();
  let inodes = 0;
  let gate: { readonly path: string | undefined; readonly opened: Promise<void> } | undefined;
  const counts = { stats: 0 };

  const files: Pick<Files, "stat" | "realPath"> = {
    realPath: async (path) => links.get(path) ?? (stats.has(path) ? path : undefined),
    async stat(path) {
      counts.stats += 1;
      const found = stats.get(links.get(path) ?? path);
      if (gate && (gate.path ?? path) === path) await gate.opened;
      return found;
    },
  };
  const watcher: Watcher = {
    watch(directory, changed) {
      if (!canWatch || stats.get(directory)?.kind !== "directory") return undefined;
      const here = ears.get(directory) ?? new Set();
      ears.set(directory, here.add(changed));
      return () => {
        here.delete(changed);
        if (here.size === 0) ears.delete(directory);
      };
    },
  };

  /** When it was told, since the last look at this. */
  const told: number[] = [];
  let onTold = (): void => {};
  const options = {
    debounceMs,
    pollMs,
  };
  const watch = watchFiles({
    files,
    watcher,
    timers: time.timers,
    log,
    pollMs,
    debounceMs: () => options.debounceMs,
    changed() {
      told.push(time.clock.elapsed());
      onTold();
    },
  });

  return {
    watch,
    time,
    log,
    counts,
    options,
    links,
    takeTold: () => told.splice(0),
    set onTold(work: () => void) {
      onTold = work;
    },
    /** Makes a directory, another one than any before. */
    directory: (path: string) => void stats.set(path, { ...DIRECTORY, inode: String((inodes += 1)) }),
    remove: (path: string) => void stats.delete(path),
    /** Writes a file in place; `given` where it is not the size and time that a write would give it. */
    write(path: string, given: Partial<FileStat> = {}) {
      const before = stats.get(path);
      stats.set(path, {
        kind: "file",
        bytes: (before?.bytes ?? 0) + 1,
        modifiedMs: time.clock.now(),
        inode: before?.inode ?? String((inodes += 1)),
        ...given,
      });
    },
    /** What the system says when something happened in a directory. */
    tell: (directory: string) => [...(ears.get(directory) ?? [])].forEach((heard) => heard()),
    /** The callbacks themselves, for what comes late. */
    earsOf: (directory: string) => [...(ears.get(directory) ?? [])],
    /** Directories that are watched, each as often as it is. */
    watched: () => [...ears].flatMap(([path, here]) => Array.from(here, () => path)).toSorted(),
    /** Until the returned function is called, the answers of the disk (about this path) are on their way. */
    stall(path?: string) {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = { path, opened: promise };
      return () => {
        gate = undefined;
        resolve();
      };
    },
    /** Lets time pass, in steps, with all that follows from each. */
    async pass(ms: number) {
      for (let left = ms; left > 0; left -= 10) {
        time.advance(Math.min(10, left));
        await settled();
      }
    },
  };
}

/** All that promises have to do is done. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
