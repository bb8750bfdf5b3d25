import { messageOf } from "../contract/errors.ts";
import type { Stop } from "../ports.ts";
import { kindOf } from "./sqlite-failures.ts";
import { openSqlite } from "./sqlite.ts";

/**
 * Holds a write transaction of a small SQLite file: the system ends that lock with the process, however it
 * ends, and SQLite itself keeps a second holder in this process out.
 *
 * Never open the file otherwise while it is held: closing any descriptor of it releases the lock.
 */
export function lock(path: string): Stop | undefined {
  const file = openSqlite(path, { busyMs: 0 });
  try {
    file.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    file.close();
    if (kindOf(cause) === "busy") return undefined;
    throw new Error(`Cannot lock "${path}": ${messageOf(cause)}`, {
      cause,
    });
  }
  let isHeld = true;
  return () => {
    if (!isHeld) return;
    isHeld = false;
    file.exec("ROLLBACK");
    file.close();
  };
}
