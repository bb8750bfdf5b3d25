import { messageOf } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Files } from "../../ports.ts";
import { quote } from "../leaves.ts";
import { reasonOf } from "../reason.ts";
import type { Texts } from "../store.ts";
import type { Original } from "./before-migration.ts";
import type { Copies } from "./copies.ts";
import { removeLeftovers } from "./leftovers.ts";
import { refuseFailed, stale, WriteRefused } from "./refused.ts";

interface PutParts {
  readonly files: Pick<Files, "readText" | "replace" | "writeNew" | "remove" | "list">;
  readonly copies: Pick<Copies, "backUp" | "discard">;
}

interface ToPut {
  /** What the writer has read and judged, by path; the main file first. */
  readonly seen: Texts;
  /** What is written, by path. */
  readonly texts: Texts;
  readonly original: Original | undefined;
}

interface Put {
  /** Undefined where there was nothing to back up. */
  readonly backup: string | undefined;
  /** Files that were made beside. */
  readonly kept: readonly string[];
  undo(): Promise<void>;
}

/** What is there; undefined where there is no file. */
type Found = ReadonlyMap<string, string | undefined>;

/**
 * Writes over what the writer has seen, after a backup of it; what somebody else saves meanwhile stays. The
 * lock is held: no other program of ours is in the middle of writing these.
 *
 * @throws WriteRefused; then every file is as it was, unless it says which could not be put back
 */
export async function putTexts(parts: PutParts, { seen, texts, original }: ToPut): Promise<Put> {
  const { files, copies } = parts;
  if (texts.size === 0) return { backup: undefined, kept: [], undo: async () => {} };
  const old = await withTargets(files, seen, texts).catch(refuseFailed);
  const done = new Map<string, string>();
  const kept: string[] = [];
  let backup: string | undefined;
  try {
    await removeLeftovers(files, texts.keys());
    backup = await backUp(copies, old, texts);
    await replaceAll(files, { old, texts, done });
    if (original && (await files.writeNew(original.path, original.text))) {
      done.set(original.path, original.text);
      kept.push(original.path);
    }
  } catch (error) {
    await putBack(files, old, done).catch((second: unknown) => refuseTwice(error, second, backup));
    if (backup !== undefined) await copies.discard(backup).catch(() => {}); // one too many harms nobody
    return refuseFailed(error);
  }
  return { backup, kept, undo: () => putBack(files, old, done) };
}

/** A backup may bring back a file that the configuration of now does not name: that one is kept too. */
async function withTargets(files: PutParts["files"], seen: Texts, texts: Texts): Promise<Found> {
  const found = new Map<string, string | undefined>(seen);
  for (const path of texts.keys()) {
    if (!found.has(path)) found.set(path, await files.readText(path, LIMITS.configBytesMax));
  }
  return found;
}

async function backUp(copies: PutParts["copies"], old: Found, texts: Texts): Promise<string | undefined> {
  const there = new Map<string, string>();
  for (const [path, text] of old) if (text !== undefined) there.set(path, text);
  if (there.size === 0) return undefined;
  const [main = ""] = texts.keys();
  // Without a main file an empty one says the same, and a backup begins with one.
  const isMain = [...old.values()][0] !== undefined;
  return copies.backUp(isMain ? there : new Map([[main, "{\n}\n"], ...there]));
}

interface Replacing {
  readonly old: Found;
  readonly texts: Texts;
  /** What may be on disk by now, for who has to put it back. */
  readonly done: Map<string, string>;
}

async function replaceAll(files: PutParts["files"], { old, texts, done }: Replacing): Promise<void> {
  const expected = new Map(old);
  for (const [path, text] of texts) {
    const isReady = async (): Promise<void> => {
      done.delete(path);
      for (const [each, was] of expected) {
        // What cannot be read any more is not what was read.
        const now = await files.readText(each, LIMITS.configBytesMax).catch(() => null);
        if (now !== was) throw stale();
      }
      // From here on: a failure after the rename leaves the new text.
      done.set(path, text);
    };
    await isReady();
    await files.replace(path, text, isReady);
    expected.set(path, text);
  }
}

/** What somebody has written since is theirs. @throws WriteRefused naming what could not be put back */
async function putBack(files: PutParts["files"], old: Found, done: Texts): Promise<void> {
  const failed: string[] = [];
  for (const [path, text] of [...done].toReversed()) {
    const isOurs = async (): Promise<boolean> =>
      (await files.readText(path, LIMITS.configBytesMax).catch(() => undefined)) === text;
    const refuseTheirs = async (): Promise<void> => {
      if (!(await isOurs())) throw stale();
    };
    if (!(await isOurs())) continue;
    const before = old.get(path);
    try {
      await (before === undefined ? files.remove(path) : files.replace(path, before, refuseTheirs));
    } catch (error) {
      if (await isOurs()) failed.push(`cannot put back ${quote(path)}: ${reasonOf(error)}`);
    }
  }
  if (failed.length === 0) return;
  const message = failed.join("; ");
  throw new WriteRefused("failed", `C${message.slice(1)}`);
}

function refuseTwice(error: unknown, second: unknown, backup: string | undefined): never {
  const then = messageOf(second);
  const where = backup === undefined ? "" : `; what was there is in backup ${backup}`;
  throw new WriteRefused("failed", `Cannot write configuration: ${reasonOf(error)}; ${lower(then)}${where}`);
}

function lower(sentence: string): string {
  return `${sentence.slice(0, 1).toLowerCase()}${sentence.slice(1)}`;
}
