import type { Files, Stop, Timers, Watcher } from "../../ports.ts";

interface SourceWatchPorts {
  readonly files: Pick<Files, "list" | "stat">;
  readonly watcher: Watcher;
  readonly timers: Timers;
  /** Called for every difference, once for those that come together. */
  readonly changed: () => void;
}

/** An editor's save is several events. */
const QUIET_MS = 30;

/** How often it is looked where the system has no watch left. */
const POLL_MS = 400;

/** No plugin of somebody's own is larger; what is past it is not watched. */
const FILES_MAX = 2_000;
const DEPTH_MAX = 10;

/** What is not the author's own work. */
const isForeign = (name: string): boolean => name === "node_modules" || name.startsWith(".");

/** Tells when a file of a plugin's folder was written, came or went. */
export class SourceWatch {
  readonly #ports: SourceWatchPorts;
  readonly #directory: string;
  readonly #watched = new Map<string, Stop>();
  #files: ReadonlyMap<string, string> = new Map();
  #stopQuiet: Stop | undefined;
  #stopPoll: Stop | undefined;
  #turn: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(directory: string, ports: SourceWatchPorts) {
    this.#directory = directory;
    this.#ports = ports;
  }

  /** Resolves when every later difference will be told. */
  async begin(): Promise<void> {
    await this.#look();
    // What came while the watches were set up belongs to the beginning.
    await this.#look();
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopQuiet?.();
    this.#stopPoll?.();
    for (const stop of this.#watched.values()) stop();
    this.#watched.clear();
  }

  #heard(): void {
    this.#stopQuiet?.();
    this.#stopQuiet = this.#ports.timers.after(QUIET_MS, () => {
      this.#turn = this.#turn.then(() => this.#compare());
    });
  }

  async #compare(): Promise<void> {
    const before = this.#files;
    await this.#look();
    if (this.#isStopped || isSame(before, this.#files)) return;
    this.#ports.changed();
  }

  async #look(): Promise<void> {
    const found = { files: new Map<string, string>(), directories: new Set<string>() };
    await this.#walk(this.#directory, found, 0);
    if (this.#isStopped) return;
    this.#files = found.files;
    for (const [path, stop] of this.#watched) {
      if (found.directories.has(path)) continue;
      stop();
      this.#watched.delete(path);
    }
    for (const path of found.directories) this.#watch(path);
  }

  async #walk(
    directory: string,
    found: { readonly files: Map<string, string>; readonly directories: Set<string> },
    depth: number,
  ): Promise<void> {
    found.directories.add(directory);
    for (const name of await this.#ports.files.list(directory)) {
      if (isForeign(name) || found.files.size >= FILES_MAX) continue;
      const path = `${directory}/${name}`;
      const stat = await this.#ports.files.stat(path);
      if (stat?.kind === "directory" && depth < DEPTH_MAX) await this.#walk(path, found, depth + 1);
      if (stat?.kind === "file") found.files.set(path, `${stat.inode} ${stat.bytes} ${stat.modifiedMs}`);
    }
  }

  #watch(directory: string): void {
    if (this.#watched.has(directory)) return;
    const stop = this.#ports.watcher.watch(directory, () => this.#heard());
    if (stop) this.#watched.set(directory, stop);
    else this.#stopPoll ??= this.#ports.timers.every(POLL_MS, () => this.#heard());
  }
}

function isSame(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): boolean {
  return before.size === now.size && [...before].every(([path, print]) => now.get(path) === print);
}
