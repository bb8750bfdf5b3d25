import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  type Stats,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";

import type { Files, TreeEntry } from "../ports.ts";
import { codeOf, wordsOf } from "./failures.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** Whole directories and what is in their files, through `node:fs`. */
export const trees: Pick<Files, "tree" | "readBytes" | "writeBytes"> = {
  tree,
  readBytes: async (path, bytesMax) => readBytes(path, bytesMax),
  writeBytes: async (path, bytes, options) => writeBytes(path, bytes, options),
};

/** Looks at so many names before others get their turn. */
const NAMES_IN_A_ROW = 500;

async function tree(directory: string, entriesMax: number): Promise<readonly TreeEntry[]> {
  const found: TreeEntry[] = [];
  const open = [""];
  try {
    for (let below = open.pop(); below !== undefined; below = open.pop()) {
      for (const name of readdirSync(`${directory}/${below}`).toSorted()) {
        if (found.length >= entriesMax) throw new Error(`there are more than ${entriesMax} files in it`);
        const entry = entryOf(directory, `${below}${name}`);
        if (!entry) continue;
        found.push(entry);
        if (entry.kind === "directory") open.push(`${entry.path}/`);
        if (found.length % NAMES_IN_A_ROW === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }
  } catch (cause) {
    throw new Error(`Cannot look through directory "${directory}": ${wordsOf(cause)}`, { cause });
  }
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** Undefined for what has gone meanwhile. */
function entryOf(directory: string, path: string): TreeEntry | undefined {
  const full = `${directory}/${path}`;
  const found = lstatSync(full, { throwIfNoEntry: false });
  if (!found) return undefined;
  const kind = kindOf(found);
  const doubt = kind === "link" ? undefined : doubtOf(found);
  return {
    path,
    kind,
    bytes: kind === "file" ? found.size : 0,
    isExecutable: kind === "file" && (found.mode & 0o100) !== 0,
    ...(doubt !== undefined && { doubt }),
    ...(kind === "link" && { leadsTo: endOf(full) }),
  };
}

function kindOf(found: Stats): TreeEntry["kind"] {
  if (found.isSymbolicLink()) return "link";
  if (found.isDirectory()) return "directory";
  return found.isFile() ? "file" : "other";
}

const OTHERS_WRITE = 0o022;

function doubtOf({ uid, mode }: Stats): string | undefined {
  if (uid !== (process.getuid?.() ?? 0) && uid !== 0) return "belongs to another user";
  return (mode & OTHERS_WRITE) === 0 ? undefined : "may be written to by others";
}

function endOf(link: string): string | undefined {
  try {
    return realpathSync.native(link);
  } catch {
    // It leads nowhere, or in a circle.
    return undefined;
  }
}

function readBytes(path: string, bytesMax: number): Uint8Array | undefined {
  const problem = `Cannot read file "${path}"`;
  let fd: number;
  try {
    // Opening a pipe would wait for its writer.
    fd = openSync(path, O_RDONLY | O_NONBLOCK);
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined;
    throw new Error(`${problem}: ${wordsOf(cause)}`, { cause });
  }
  try {
    const found = fstatSync(fd);
    if (!found.isFile()) throw new Error(`${problem}: it is not a regular file`);
    if (found.size > bytesMax) throw new Error(`${problem}: it is larger than ${bytesMax} bytes`);
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

function writeBytes(path: string, bytes: Uint8Array, { isExecutable = false } = {}): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, isExecutable ? 0o700 : 0o600);
    try {
      writeFileSync(fd, bytes);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw new Error(`Cannot write file "${path}": ${wordsOf(cause)}`, { cause });
  }
}
