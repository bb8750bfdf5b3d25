import { lstatSync, readdirSync, realpathSync, renameSync, rmSync, type Stats, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

import type { Files, FileStat } from "../ports.ts";
import { codeOf, wordsOf } from "./failures.ts";
import { syncFile } from "./sync-file.ts";

/** What a path can mean that leads nowhere: a name or a parent is missing, or links go in a circle. */
const ABSENT: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ELOOP"]);

/** What is under which name, through `node:fs`. */
export const entries: Pick<Files, "realPath" | "distrust" | "stat" | "list" | "rename" | "removeDir"> = {
  distrust: async (path) => distrust(path),
  realPath: async (path) => unlessAbsent(() => realpathSync.native(path), `Cannot resolve path "${path}"`),
  stat: async (path) => statOf(path),
  list: async (path) =>
    unlessAbsent(() => readdirSync(path).toSorted(), `Cannot list directory "${path}"`) ?? [],
  rename: async (from, to) => rename(from, to),
  removeDir: async (path) => removeDir(path),
};

/** Links followed; undefined when there is nothing or it cannot be looked at. */
export function statOf(path: string): FileStat | undefined {
  try {
    const found = statSync(path, { bigint: true });
    const kind = found.isFile() ? "file" : found.isDirectory() ? "directory" : "other";
    return {
      kind,
      bytes: Number(found.size),
      // Nanoseconds since 1970 are more than a number holds exactly.
      modifiedMs: Number(found.mtimeNs / 1_000n) / 1_000,
      // File systems give the number of what was removed to what is made next: the birth tells them apart.
      inode: `${found.dev}:${found.ino}:${found.birthtimeNs}`,
    };
  } catch {
    // Whatever the reason, we cannot say what is there.
    return undefined;
  }
}

/** Whoever takes the new name between the look and the move loses: the state directory is ours alone. */
function rename(from: string, to: string): boolean {
  const problem = `Cannot rename "${from}" to "${to}"`;
  if (!unlessAbsent(() => lstatSync(from), problem)) return false;
  if (unlessAbsent(() => lstatSync(to), problem)) throw new Error(`${problem}: the name is taken`);
  try {
    renameSync(from, to);
    syncFile(dirname(to));
  } catch (cause) {
    throw new Error(`${problem}: ${wordsOf(cause)}`, { cause });
  }
  return true;
}

function removeDir(given: string): void {
  // A slash at the end would make the system follow a link.
  const path = resolve(given);
  const problem = `Cannot remove directory "${path}"`;
  const found = unlessAbsent(() => lstatSync(path), problem);
  if (!found) return;
  if (!found.isDirectory() && !found.isSymbolicLink()) throw new Error(`${problem}: it is no directory`);
  unlessAbsent(() => rmSync(path, { recursive: true, force: true }), problem);
}

function unlessAbsent<T>(work: () => T, problem: string): T | undefined {
  try {
    return work();
  } catch (cause) {
    if (ABSENT.has(codeOf(cause) ?? "")) return undefined;
    throw new Error(`${problem}: ${wordsOf(cause)}`, { cause });
  }
}

/** In a directory with this bit nobody takes away what somebody else has put there. @source stat(2) */
const STICKY = 0o1000;
const OTHERS_WRITE = 0o022;

/** What code in a directory is built on and asks for in all those above it, too. */
const LOOKED_FOR = ["node_modules", "package.json", "tsconfig.json", "jsconfig.json"];

function distrust(path: string): string | undefined {
  const file = realpathSync.native(path);
  for (let at = file; ; at = dirname(at)) {
    const found = statSync(at);
    if (isOthers(found)) return `"${at}" belongs to another user`;
    if ((found.mode & OTHERS_WRITE) !== 0) {
      // Beside the file others may not even put something.
      const isSticky = (found.mode & STICKY) !== 0 && at !== file && at !== dirname(file);
      if (!isSticky) return `others may write to "${at}"`;
      const put = LOOKED_FOR.map((name) => join(at, name)).find((one) => {
        const there = lstatSync(one, { throwIfNoEntry: false });
        return there !== undefined && isOthers(there);
      });
      if (put !== undefined) return `"${put}" belongs to another user`;
    }
    if (at === dirname(at)) return undefined;
  }
}

function isOthers({ uid }: Pick<Stats, "uid">): boolean {
  return uid !== (process.getuid?.() ?? 0) && uid !== 0;
}
