import type { Files, Log, Stop, Watcher } from "../../ports.ts";

type Parts = {
  readonly files: Pick<Files, "stat">;
  readonly watcher: Watcher;
  readonly log: Pick<Log, "warn">;
};

/** The watches of directories, one each, begun again where another directory has taken the place. */
export class WatchedDirectories {
  readonly #parts: Parts;
  readonly #heard: () => void;
  readonly #watched = new Map<string, { readonly inode: string; readonly stop: Stop }>();
  /** Those that could not be watched, each complained about once. */
  readonly #refused = new Set<string>();
  #isStopped = false;

  constructor(parts: Parts, heard: () => void) {
    this.#parts = parts;
    this.#heard = heard;
  }

  async follow(given: readonly string[]): Promise<void> {
    const wanted = new Set(given);
    for (const path of this.#watched.keys()) if (!wanted.has(path)) this.#end(path);
    for (const path of wanted) {
      const found = await this.#parts.files.stat(path);
      if (this.#isStopped) return;
      const inode = found?.kind === "directory" ? found.inode : undefined;
      if (inode === this.#watched.get(path)?.inode) continue;
      // First the end: some systems begin nothing new while an old watch of the name is open.
      this.#end(path);
      if (inode !== undefined) this.#begin(path, inode);
    }
  }

  stop(): void {
    this.#isStopped = true;
    for (const path of this.#watched.keys()) this.#end(path);
  }

  #begin(path: string, inode: string): void {
    const stop = this.#parts.watcher.watch(path, () => {
      if (!this.#isStopped) this.#heard();
    });
    if (stop) {
      this.#refused.delete(path);
      this.#watched.set(path, { inode, stop });
      return;
    }
    if (this.#refused.has(path)) return;
    this.#refused.add(path);
    this.#parts.log.warn("cannot watch directory, changes in it are noticed later", { directory: path });
  }

  #end(path: string): void {
    this.#watched.get(path)?.stop();
    this.#watched.delete(path);
  }
}
