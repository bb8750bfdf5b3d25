import { Buffer } from "node:buffer";
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import process from "node:process";

import type { Files } from "../ports.ts";
import { entries } from "./entries.ts";
import { codeOf, wordsOf } from "./failures.ts";
import { trees } from "./trees.ts";

/** The part of the file work that a runtime's own library can do. */
export interface Directories {
  /** Makes the directory and its parents where they are missing. */
  ensure(path: string): Promise<void>;
}

export const nodeDirectories: Directories = {
  async ensure(path) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  },
};

/**
 * Files through `node:fs`, for few and small ones: everything but `fsync` takes microseconds and is done at
 * once, which also spares the start the loading of the asynchronous half of that module.
 */
export function createFiles(directories: Directories = nodeDirectories): Files {
  return {
    readText: async (path, bytesMax) => readText(path, bytesMax),
    readPrivate: async (path, bytesMax) => readPrivate(path, bytesMax),
    readThrough: async (path) => readThrough(path),
    writeNew,
    replace,
    async ensurePrivateDir(given) {
      // A slash at the end would make the system follow a link.
      const path = resolve(given);
      // Before it is made: one that leads to a foreign place is no parent to make directories in.
      const problem = `Cannot use directory "${path}"`;
      refuseLink(path, problem);
      await directories.ensure(path).catch((cause: unknown) => {
        throw new Error(`Cannot make directory "${path}": ${wordsOf(cause)}`, { cause });
      });
      makePrivate(path, problem);
    },
    async remove(path) {
      rmSync(path, { force: true });
    },
    ...entries,
    ...trees,
  };
}

/** Nearly every file we read is smaller. */
const chunkBytes = 64 * 1024;

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

function readText(path: string, bytesMax: number): string | undefined {
  // Opening a pipe would wait for its writer.
  const fd = openOr(path, O_RDONLY | O_NONBLOCK, "ENOENT");
  return fd === undefined ? undefined : readAll(path, fd, bytesMax);
}

function readPrivate(path: string, bytesMax: number): string | undefined {
  const problem = `Cannot read file "${path}"`;
  refuseLink(path, problem);
  const fd = openOr(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, "ENOENT");
  if (fd === undefined) return undefined;
  try {
    closeToOthers(fd, problem);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return readAll(path, fd, bytesMax);
}

/** Reads the file and closes it. */
function readAll(path: string, fd: number, bytesMax: number): string {
  try {
    if (!fstatSync(fd).isFile()) throw new Error(`Cannot read file "${path}": it is not a regular file`);
    const bytes = readUpTo(fd, bytesMax + 1);
    if (bytes.length > bytesMax)
      throw new Error(`Cannot read file "${path}": it is larger than ${bytesMax} bytes`);
    return decode(path, bytes);
  } finally {
    closeSync(fd);
  }
}

function readUpTo(fd: number, bytesMax: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let length = 0;
  while (length < bytesMax) {
    const chunk = new Uint8Array(Math.min(bytesMax - length, chunkBytes));
    const count = readSync(fd, chunk, 0, chunk.length, null);
    if (count === 0) break;
    chunks.push(chunk.subarray(0, count));
    length += count;
  }
  return Buffer.concat(chunks);
}

function readThrough(path: string): void {
  const fd = openOr(path, O_RDONLY | O_NONBLOCK, "ENOENT");
  if (fd === undefined) return;
  try {
    const chunk = new Uint8Array(chunkBytes);
    while (readSync(fd, chunk, 0, chunk.length, null) > 0);
  } catch (cause) {
    throw new Error(`Cannot read file "${path}": ${wordsOf(cause)}`, { cause });
  } finally {
    closeSync(fd);
  }
}

function decode(path: string, bytes: Uint8Array): string {
  try {
    // A byte order mark stays, or what is read and written again would lose it.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new Error(`Cannot read file "${path}": it is not UTF-8 text`, { cause });
  }
}

async function writeNew(path: string, text: string): Promise<boolean> {
  const fd = openOr(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, "EEXIST");
  if (fd === undefined) return false;
  try {
    await fill(fd, text);
  } catch (error) {
    // Half a file would count as written the next time.
    rmSync(path, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
  return true;
}

async function replace(path: string, text: string, isReady = ready): Promise<void> {
  refuseReplacing(path);
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  let isAsking = false;
  try {
    await fill(openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600), text);
    isAsking = true;
    await isReady();
    isAsking = false;
    renameSync(temporary, path);
    await syncDirectory(dirname(path));
  } catch (cause) {
    rmSync(temporary, { force: true });
    if (isAsking) throw cause;
    // The name of the temporary file says nothing to anybody.
    throw new Error(`Cannot replace file "${path}": ${wordsOf(cause)}`, { cause });
  }
}

const ready = (): Promise<void> => Promise.resolve();

function refuseReplacing(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found || found.isFile()) return;
  const state = found.isSymbolicLink() ? "it is a symbolic link" : "it is not a regular file";
  throw new Error(`Cannot replace file "${path}": ${state}`);
}

function refuseLink(path: string, problem: string): void {
  if (isLink(path, problem)) throw new Error(`${problem}: it is a symbolic link`);
}

function isLink(path: string, problem: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  } catch (cause) {
    throw new Error(`${problem}: ${wordsOf(cause)}`, { cause });
  }
}

function makePrivate(path: string, problem: string): void {
  const fd = openOr(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, "ENOTDIR");
  if (fd === undefined) throw new Error(`${problem}: it is a symbolic link or no directory`);
  try {
    closeToOthers(fd, problem);
  } finally {
    closeSync(fd);
  }
}

function closeToOthers(fd: number, problem: string): void {
  const { uid, mode } = fstatSync(fd);
  const user = process.getuid?.();
  if (user !== undefined && uid !== user) throw new Error(`${problem}: it belongs to user ${uid}`);
  if ((mode & 0o077) !== 0) fchmodSync(fd, mode & 0o700);
}

/** Opens the file, mode 0600 if that makes it; undefined when it fails with the one expected code. */
function openOr(path: string, flags: number, expectedCode: string): number | undefined {
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    if (codeOf(error) === expectedCode) return undefined;
    throw new Error(`Cannot open file "${path}": ${wordsOf(error)}`, { cause: error });
  }
}

/** Writes the whole text, puts it on the disk and closes the file, also when that fails. */
async function fill(fd: number, text: string): Promise<void> {
  try {
    writeFileSync(fd, text);
    await sync(fd);
  } finally {
    closeSync(fd);
  }
}

/** A new name is on the disk when its directory is. */
async function syncDirectory(path: string): Promise<void> {
  const fd = openSync(path, O_RDONLY | O_DIRECTORY);
  try {
    await sync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The one call that waits for the disk, on an SD card for long. */
function sync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fsync(fd, (error) => (error ? reject(error) : resolve())));
}
