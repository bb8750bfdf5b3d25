import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";

import type { ProgramOptions } from "../ports.ts";
import { codeOf, wordsOf } from "./failures.ts";

/** Where names are looked for when the environment says nothing. */
const USUAL_PATH = "/usr/local/bin:/usr/bin:/bin";

const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/**
 * The file that a command means, in a place where nobody but its owner can put another one.
 *
 * @throws Error that says what is wrong with it, without a subject
 */
export function findProgram({ command, directory, env }: ProgramOptions): string {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new Error(`there is no directory "${directory}"`);
  }
  const path = pathOf(command[0], directory, env["PATH"] ?? USUAL_PATH);
  const real = realPathOf(path);
  refuseUnrunnable(real);
  refuseWritable(real, real, 0);
  // The directory of a link too: who may write there may lead it elsewhere.
  for (const place of new Set([dirname(real), dirname(path)])) refuseWritable(place, real, STICKY);
  return path;
}

function pathOf(name: string, directory: string, searchPath: string): string {
  if (name.includes("/")) return resolve(directory, name);
  // A place relative to wherever we are is a place others may choose.
  const places = searchPath.split(":").filter((place) => isAbsolute(place));
  const found = places.map((place) => join(place, name)).find((path) => name !== "" && isRunnable(path));
  if (found === undefined) throw new Error("there is no such program");
  return found;
}

function isRunnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Not there, or not for us: the next place may have it.
    return false;
  }
}

function realPathOf(path: string): string {
  try {
    return realpathSync.native(path);
  } catch (error) {
    throw new Error(codeOf(error) === "ENOENT" ? "there is no such program" : wordsOf(error), {
      cause: error,
    });
  }
}

function refuseUnrunnable(path: string): void {
  if (!statSync(path).isFile()) throw new Error("it is no file");
  if (!isRunnable(path)) throw new Error("it may not be run");
}

function refuseWritable(path: string, program: string, allowedBy: number): void {
  const { mode } = statSync(path);
  if ((mode & WRITABLE_BY_OTHERS) === 0 || (mode & allowedBy) !== 0) return;
  const what = path === program ? `"${path}"` : `the directory "${path}"`;
  throw new Error(`others than its owner may write to ${what} (chmod go-w)`);
}
