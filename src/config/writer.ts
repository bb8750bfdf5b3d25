import type { Files, Stop, Timers } from "../ports.ts";
import type { Copies } from "./copies.ts";
import { EditError } from "./edit.ts";
import { readDocument } from "./document.ts";
import { directoryOf } from "./include.ts";
import { type ConfigIssue, formatIssue } from "./issues.ts";
import { type Intent, rewrite } from "./rewrite.ts";
import type { ConfigStore, Snapshot, Texts } from "./store.ts";
import type { SourceFile } from "./tree.ts";

/** Why nothing was written. */
export class WriteRefused extends Error {
  override readonly name = "WriteRefused";
  /** `stale`: the files are not what the writer has seen. `locked`: another program writes. */
  readonly kind: "stale" | "invalid" | "locked" | "failed";
  readonly issues: readonly ConfigIssue[];

  constructor(kind: WriteRefused["kind"], message: string, issues: readonly ConfigIssue[] = []) {
    super(message);
    this.kind = kind;
    this.issues = issues;
  }
}

interface WriterOptions {
  readonly store: ConfigStore;
  readonly copies: Copies;
  readonly files: Pick<Files, "replace" | "writeNew" | "remove" | "ensurePrivateDir">;
  readonly timers: Timers;
  /** Keeps other programs out while it is held. */
  readonly lock: (path: string) => Stop | undefined;
}

/** What a write would do, or has done. */
export interface Written {
  readonly before: Snapshot;
  readonly after: Snapshot;
  /** The name of the backup; undefined where there was nothing to back up or nothing has changed. */
  readonly backup: string | undefined;
  /** What was moved or converted on the way, in words. */
  readonly changes: readonly string[];
  /** Puts every file back as it was. */
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
  /** @throws WriteRefused; then every file is as it was */
  write(intent: Intent, options?: WriteOptions): Promise<Written>;
  /** Puts the files of a backup back, after a backup of what is there. @throws WriteRefused */
  restore(backup: string, options?: WriteOptions): Promise<Written>;
}

const LOCK_TRIES = 100;
const LOCK_RETRY_MS = 20;

export function createConfigWriter(options: WriterOptions): ConfigWriter {
  const { store, copies, files, timers } = options;
  let last: Promise<unknown> = Promise.resolve();

  /** One at a time, in this process and among all that write into this state directory. */
  function alone<T>(work: () => Promise<T>): Promise<T> {
    const run = async (): Promise<T> => {
      await files.ensurePrivateDir(store.paths.stateDir);
      const release = await takeLock();
      try {
        return await work();
      } finally {
        release();
      }
    };
    const result = last.then(run, run);
    last = result.catch(() => {});
    return result;
  }

  async function takeLock(): Promise<Stop> {
    for (let tries = 0; tries < LOCK_TRIES; tries += 1) {
      const release = options.lock(`${store.paths.stateDir}/config.lock`);
      if (release) return release;
      await new Promise<void>((resolve) => void timers.after(LOCK_RETRY_MS, resolve));
    }
    throw new WriteRefused("locked", "Cannot write configuration: another program is writing it");
  }

  function textsOf(before: Snapshot, intent: Intent): { texts: Texts; changes: readonly string[] } {
    try {
      return rewrite(sourceFiles(before, store, intent), intent);
    } catch (error) {
      if (error instanceof EditError) throw new WriteRefused("invalid", error.message);
      throw error;
    }
  }

  /** Judges what would be there, writes it, and puts it back as it was should the disk refuse a part. */
  async function put(
    before: Snapshot,
    texts: Texts,
    options: WriteOptions,
  ): Promise<Omit<Written, "changes">> {
    const { baseHash, tolerates = () => false } = options;
    if (baseHash !== undefined && baseHash !== before.hash) {
      throw new WriteRefused(
        "stale",
        "Cannot write configuration: it has changed since it was read; read it again",
      );
    }
    const after = await store.readConfigFileSnapshot(texts);
    if (!after.valid && !after.errors.every(tolerates)) throw invalid(after.errors);
    const kept = before.source?.texts ?? new Map<string, string>();
    const isSame = texts.size === 0;
    const backup = isSame || kept.size === 0 ? undefined : await copies.backUp(kept);
    const done: string[] = [];
    try {
      for (const [path, text] of texts) {
        await files.replace(path, text);
        done.push(path);
      }
    } catch (error) {
      await undo(kept, done);
      throw new WriteRefused("failed", error instanceof Error ? error.message : String(error));
    }
    return { before, after, backup, undo: () => alone(() => undo(kept, done)) };
  }

  async function undo(kept: Texts, done: readonly string[]): Promise<void> {
    for (const path of done) {
      const old = kept.get(path);
      await (old === undefined ? files.remove(path) : files.replace(path, old));
    }
  }

  return {
    async preview(intent) {
      const before = await store.readConfigFileSnapshot();
      const { texts } = textsOf(before, intent);
      return { before, after: await store.readConfigFileSnapshot(texts) };
    },
    write: (intent, writeOptions = {}) =>
      alone(async () => {
        const before = await store.readConfigFileSnapshot();
        const { texts, changes } = textsOf(before, intent);
        return { ...(await put(before, texts, writeOptions)), changes };
      }),
    restore: (name, writeOptions = {}) =>
      alone(async () => {
        const before = await store.readConfigFileSnapshot();
        const kept = await copies.backup(name, before.path);
        if (!kept)
          throw new WriteRefused("invalid", `Cannot restore backup "${name}": there is no such backup`);
        const now = before.source?.texts;
        const texts = new Map([...kept].filter(([path, text]) => now?.get(path) !== text));
        return { ...(await put(before, texts, writeOptions)), changes: [] };
      }),
  };
}

function invalid(errors: readonly ConfigIssue[]): WriteRefused {
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  return new WriteRefused(
    "invalid",
    `${first ? formatIssue(first) : "Cannot write configuration"}${more}`,
    errors,
  );
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
