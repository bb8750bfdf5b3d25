import type { Files, Stop, Timers } from "../../ports.ts";
import type { Copies } from "./copies.ts";
import { EditError } from "../text/edit.ts";
import { readDocument } from "../text/document.ts";
import { directoryOf } from "../tree/file-names.ts";
import type { ConfigIssue } from "../issues.ts";
import { isMistake } from "../layers.ts";
import { quote } from "../leaves.ts";
import { type Original, originalOf } from "./before-migration.ts";
import { putTexts } from "./put.ts";
import { invalid, refuseFailed, stale, WriteRefused } from "./refused.ts";
import { type Intent, rewrite } from "./rewrite.ts";
import type { ConfigStore, Snapshot, Texts } from "../store.ts";
import type { SourceFile } from "../tree/tree.ts";

export { WriteRefused };

interface WriterOptions {
  readonly store: ConfigStore;
  readonly copies: Copies;
  readonly files: Pick<Files, "readText" | "replace" | "writeNew" | "remove" | "list" | "ensurePrivateDir">;
  readonly timers: Timers;
  /** Keeps other programs out while it is held. */
  readonly lock: (path: string) => Stop | undefined;
}

type Judged = Pick<Written, "before" | "after" | "changes">;

/** What a write would do, or has done. */
export interface Written {
  readonly before: Snapshot;
  readonly after: Snapshot;
  /** The name of the backup; undefined where there was nothing to back up or nothing has changed. */
  readonly backup: string | undefined;
  /** What was moved or converted on the way, in words. */
  readonly changes: readonly string[];
  /** Puts every file back as it was, but for those that somebody else has written since. */
  undo(): Promise<void>;
}

export interface WriteOptions {
  /** The hash of what the writer has seen. */
  readonly baseHash?: string | undefined;
  /** Mistakes that do not keep a write from happening. */
  readonly tolerates?: (issue: ConfigIssue) => boolean;
}

/** The one writer of the configuration's files: whole or not at all, one write at a time. */
export interface ConfigWriter {
  /** What would come of it; writes nothing. @throws WriteRefused */
  preview(intent: Intent): Promise<{ readonly before: Snapshot; readonly after: Snapshot }>;
  /** @throws WriteRefused; then every file is as it was, unless it says which could not be put back */
  write(intent: Intent, options?: WriteOptions): Promise<Written>;
  /** Puts the files of a backup back, after a backup of what is there. @throws WriteRefused */
  restore(backup: string, options?: WriteOptions): Promise<Written>;
}

/** A writer that says when it is not writing. */
export interface QuietWriter extends ConfigWriter {
  /** Reads with it between two writes, never in the middle of one: a write may be of several files. */
  between<T>(read: () => Promise<T>): Promise<T>;
}

const LOCK_TRIES = 100;
const LOCK_RETRY_MS = 20;

export function createConfigWriter(options: WriterOptions): QuietWriter {
  return new Writer(options);
}

class Writer implements QuietWriter {
  readonly #options: WriterOptions;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  preview(intent: Intent): Promise<{ readonly before: Snapshot; readonly after: Snapshot }> {
    const { store } = this.#options;
    return this.#next(async () => {
      const before = await store.readConfigFileSnapshot();
      refuseUnreadable(before);
      const { texts } = this.#textsOf(before, intent);
      const after = await store.readConfigFileSnapshot(texts);
      refuseHidden(before, after);
      return { before, after };
    });
  }

  write(intent: Intent, options: WriteOptions = {}): Promise<Written> {
    return this.#alone(async () => {
      const before = await this.#options.store.readConfigFileSnapshot();
      refuseStale(before, options);
      refuseUnreadable(before);
      const { texts, changes } = this.#textsOf(before, intent);
      const after = await this.#judged(texts, options);
      refuseHidden(before, after);
      const original = originalOf(before, intent, { texts, changes });
      return await this.#put({ before, after, changes }, texts, original);
    });
  }

  restore(name: string, options: WriteOptions = {}): Promise<Written> {
    const { store, copies } = this.#options;
    return this.#alone(async () => {
      const before = await store.readConfigFileSnapshot();
      refuseStale(before, options);
      refuseUnreadable(before);
      const kept = await copies.backup(name, targetOf(before.path, store)).catch(refuseFailed);
      if (!kept)
        throw new WriteRefused("invalid", `Cannot restore backup "${name}": there is no such backup`);
      const now = before.source?.texts;
      const texts = new Map([...kept].filter(([path, text]) => now?.get(path) !== text));
      const after = await this.#judged(texts, options);
      return await this.#put({ before, after, changes: [] }, texts);
    });
  }

  between<T>(read: () => Promise<T>): Promise<T> {
    return this.#next(read);
  }

  /** One at a time, in this process and among all that write into this state directory. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const { files, store } = this.#options;
    return this.#next(async () => {
      await files.ensurePrivateDir(store.paths.stateDir).catch(refuseFailed);
      const release = await this.#takeLock();
      try {
        return await work();
      } finally {
        release();
      }
    });
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work, work);
    this.#last = result.catch(() => {});
    return result;
  }

  async #takeLock(): Promise<Stop> {
    const { store, timers } = this.#options;
    for (let tries = 0; tries < LOCK_TRIES; tries += 1) {
      const release = this.#lock(`${store.paths.stateDir}/config.lock`);
      if (release) return release;
      await new Promise<void>((resolve) => void timers.after(LOCK_RETRY_MS, resolve));
    }
    throw new WriteRefused("locked", "Cannot write configuration: another program is writing it");
  }

  #lock(path: string): Stop | undefined {
    try {
      return this.#options.lock(path);
    } catch (error) {
      return refuseFailed(error);
    }
  }

  #textsOf(before: Snapshot, intent: Intent): { texts: Texts; changes: readonly string[] } {
    try {
      return rewrite(sourceFiles(before, this.#options.store, intent), intent);
    } catch (error) {
      if (error instanceof EditError) throw new WriteRefused("invalid", error.message);
      throw error;
    }
  }

  async #judged(texts: Texts, { tolerates = () => false }: WriteOptions): Promise<Snapshot> {
    const after = await this.#options.store.readConfigFileSnapshot(texts);
    if (!after.valid && !after.errors.every(tolerates)) throw invalid(after.errors);
    return after;
  }

  async #put(judged: Judged, texts: Texts, original?: Original): Promise<Written> {
    const { copies, files } = this.#options;
    const seen = judged.before.source?.texts ?? new Map<string, string>();
    const { backup, kept, undo } = await putTexts({ copies, files }, { seen, texts, original });
    const changes = [...judged.changes, ...kept.map((path) => `kept what it was in ${quote(path)}`)];
    // It is written: a backup too many is no reason to say anything else.
    if (backup !== undefined) await copies.prune().catch(() => {});
    return { ...judged, changes, backup, undo: () => this.#alone(undo) };
  }
}

/** No backup of it can be made, and nobody knows what is in it. */
function refuseUnreadable({ exists, source, ...before }: Snapshot): void {
  if (!exists || source !== undefined) return;
  const state = "what is there cannot be read, so it cannot be kept; move it away first";
  throw new WriteRefused(
    "invalid",
    `Cannot write configuration: ${state}`,
    before.valid ? [] : before.errors,
  );
}

/** What is wrong is wrong, though a variable or an override may hide it for now. */
function refuseHidden(before: Snapshot, after: Snapshot): void {
  const known = new Set(before.warnings.map(({ message }) => message));
  const mistakes = after.warnings.filter((warning) => isMistake(warning) && !known.has(warning.message));
  if (mistakes.length > 0) throw invalid(mistakes);
}

function refuseStale(before: Snapshot, { baseHash }: WriteOptions): void {
  if (baseHash !== undefined && baseHash !== before.hash) throw stale();
}

/**
 * Files as the next text is made from them; where there is none, an empty one. What cannot be read is not
 * edited, or the edit would be all that is left: only a whole new text may replace it.
 */
function sourceFiles(before: Snapshot, store: ConfigStore, intent: Intent): [SourceFile, ...SourceFile[]] {
  const { path, source } = before;
  const isBroken = before.exists && (source === undefined || source.errors.length > 0);
  if (isBroken && intent.kind !== "replace") throw invalid(before.valid ? [] : before.errors);
  const [main, ...included] = isBroken ? [] : (source?.files ?? []);
  const target = targetOf(path, store);
  if (main) return [{ ...main, path: target, ...(target !== path && { text: "" }) }, ...included];
  const reading = readDocument("{\n}\n");
  if (!reading.ok) throw new Error("Cannot begin a configuration: an empty one does not read");
  return [{ path: target, text: "", document: reading.document }];
}

/** A file with the older name is read, and what is written has the newer one; the old file stays. */
export function targetOf(path: string, { paths }: Pick<ConfigStore, "paths">): string {
  const isOld = !paths.configNamed && path.endsWith("/clawdbot.json");
  return isOld ? `${directoryOf(path)}/moltbot.json` : path;
}
