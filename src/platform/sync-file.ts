import { closeSync, fsyncSync, openSync } from "node:fs";

/** Puts what was written to a file, or named in a directory, on the disk. */
export function syncFile(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
