import type { FileStat, Files, Log, Stop, Timers, Watcher } from "../../ports.ts";
import { Burst } from "./burst.ts";
import { directoryOf } from "../tree/file-names.ts";
import { WatchedDirectories } from "./watched-directories.ts";

export interface FileWatch {
  /** The set of files that matter now; called after each read. Resolves when they are watched. */
  follow(paths: readonly string[]): Promise<void>;
  /** Ends it: nothing is called from here on. */
  stop(): void;
}

export interface FileWatchOptions {
  readonly files: Pick<Files, "stat" | "realPath">;
  readonly watcher: Watcher;
  readonly timers: Timers;
  readonly log: Pick<Log, "warn" | "error">;
  /** Distance of the looks that need no watcher. */
  readonly pollMs: number;
  /** Quiet after a change before it is told; asked for anew at each. */
  debounceMs(): number;
  /** Something may be different: read again. Also called when nothing is, and while a read is going on. */
  changed(): void;
}

/** The coarsest time a file system keeps: two writes within it can look the same. */
const grainMs = 2_000;

/**
 * Tells when files were changed, in whatever way, so that the last change is never missed.
 *
 * Directories are watched, not files: a file's own watch dies with the first rename over it. Those are the
 * directory of each path and of what it really leads to, since the swap of a link is seen only beside the
 * link, and a write only beside the file. Names are not looked at: where a linked directory is swapped,
 * none is the file's.
 *
 * An event is a reason to look, not to read: beside the file may be a database that is written all day. So
 * after the debounce the files are compared with what was there when we told last (the real path, the thing
 * itself, its size and time), and only a difference is told. What this cannot see is a write of the same
 * size in the same grain of time as the one before. Hence, for as long as the coarsest grain after each
 * difference, every event is told, and at its end it is told once more, for where there are no events. The
 * same holds for a path that is new here: it was read before we looked at it.
 *
 * What is remembered is taken before the telling, so a write during the reader's reading is a difference
 * again. Below all this is a slow look at every file and directory, for systems without events, watches
 * that could not be had, and directories that came, went or were replaced.
 */
export function watchFiles(options: FileWatchOptions): FileWatch {
  const watched = new WatchedFiles(options);
  return { follow: (paths) => watched.follow(paths), stop: () => watched.stop() };
}

class WatchedFiles {
  readonly #options: FileWatchOptions;
  readonly #directories: WatchedDirectories;
  readonly #burst: Burst;
  readonly #stopPoll: Stop;
  #paths: readonly string[] = [];
  /** What was there when it was told last, by path. */
  #told: ReadonlyMap<string, string> = new Map();
  /** Set while a difference is younger than the grain. */
  #stopGrain: Stop | undefined;
  #mustTell = false;
  #isLookDue = false;
  #isPollDue = false;
  #isStopped = false;
  #turn: Promise<void> = Promise.resolve();

  constructor(options: FileWatchOptions) {
    const { timers, pollMs } = options;
    this.#options = options;
    this.#directories = new WatchedDirectories(options, () => this.#heard());
    this.#burst = new Burst({ timers, quietMs: () => options.debounceMs(), ended: () => this.#lookSoon() });
    this.#stopPoll = timers.every(pollMs, () => this.#pollSoon());
  }

  follow(paths: readonly string[]): Promise<void> {
    return this.#inTurn(async () => {
      const before = this.#told;
      this.#paths = [...new Set(paths)];
      const found = await this.#inspect();
      if (this.#isStopped) return;
      if (this.#paths.some((path) => !before.has(path))) this.#beginGrain();
      // What is known stays as it was told: a difference is for the next look to find.
      this.#told = new Map([...found].map(([path, print]) => [path, before.get(path) ?? print]));
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopPoll();
    this.#stopGrain?.();
    this.#burst.stop();
    this.#directories.stop();
  }

  /** One look after the other: two at once would mix what they found. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn
      .then(() => (this.#isStopped ? undefined : work()))
      .catch((error: unknown) =>
        this.#options.log.error("looking for changed files failed", { error: String(error) }),
      );
    return this.#turn;
  }

  #heard(): void {
    if (this.#stopGrain) this.#mustTell = true;
    this.#burst.heard();
  }

  #lookSoon(): void {
    // The one that waits for its turn will see all that this one would.
    if (this.#isLookDue) return;
    this.#isLookDue = true;
    void this.#inTurn(() => this.#look());
  }

  async #look(): Promise<void> {
    const mustTell = this.#mustTell;
    this.#isLookDue = this.#mustTell = false;
    const found = await this.#inspect();
    if (this.#isStopped) return;
    const isDifferent = this.#differs(found);
    this.#told = found;
    if (isDifferent) this.#beginGrain();
    if (isDifferent || mustTell) this.#options.changed();
  }

  #beginGrain(): void {
    this.#stopGrain?.();
    this.#stopGrain = this.#options.timers.after(grainMs, () => {
      this.#stopGrain = undefined;
      this.#mustTell = true;
      // Not in the middle of a burst, where a file may be half written: its end tells.
      if (!this.#burst.isOpen) this.#lookSoon();
    });
  }

  #pollSoon(): void {
    if (this.#isPollDue) return;
    this.#isPollDue = true;
    void this.#inTurn(async () => {
      this.#isPollDue = false;
      const found = await this.#inspect();
      // Not told at once: it may be half written. What was heard already is not put off.
      if (!this.#isStopped && !this.#burst.isOpen && this.#differs(found)) this.#heard();
    });
  }

  /** Watches where the files are now, then looks at them: what changes after the look is heard. */
  async #inspect(): Promise<Map<string, string>> {
    const { files } = this.#options;
    // One that cannot be resolved is as good as none: its own directory is watched all the same.
    const realPathOf = (path: string): Promise<string> => files.realPath(path).then(orNone, () => "");
    const real = await Promise.all(this.#paths.map(realPathOf));
    const places = [...this.#paths, ...real.filter((path) => path !== "")];
    await this.#directories.follow(places.map(directoryOf));
    const stats = await Promise.all(this.#paths.map((path) => files.stat(path)));
    return new Map(this.#paths.map((path, at) => [path, fingerprint(real[at], stats[at])]));
  }

  #differs(found: ReadonlyMap<string, string>): boolean {
    return [...found].some(([path, print]) => this.#told.get(path) !== print);
  }
}

function orNone(path: string | undefined): string {
  return path ?? "";
}

function fingerprint(real: string | undefined, found: FileStat | undefined): string {
  if (!found) return "";
  return [real, found.inode, found.bytes, found.modifiedMs].join("|");
}
