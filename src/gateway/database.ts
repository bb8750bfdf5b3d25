import { messageOf } from "../contract/errors.ts";
import { migrate, refuseUnknown } from "../features/storage/migrate.ts";
import { readAll, readEnds } from "../features/storage/readable.ts";
import { type Database, DatabaseError, type Log, type Platform, type Readable } from "../ports.ts";
import { isDamage } from "../rpc/database-failures.ts";
import { EXIT, orEnd, StartError } from "./errors.ts";

/** What SQLite keeps under the database's own name. */
const PARTS = ["", "-wal", "-shm"];

/** One that was not closed in order is read whole up to this size: 0.4 s of a slow SD card. */
const readWholeBytesMax = 16 * 1024 * 1024;

/** Names under one moment; a start that goes round in circles ends. */
const namesMax = 100;

export interface StorageStatus {
  readonly path: string;
  readonly bytes: number;
  /** The newest of those that could not be read, as long as it lies there. */
  readonly movedAside?: string;
  readonly problem?: string;
}

/** The database, and what people should know of it. */
export interface Storage {
  readonly db: Database;
  /** @param problem why nothing can be written at present */
  status(problem: string | undefined): StorageStatus;
  /** What is in it turned out to be unreadable: the next start reads all of it. Never throws. */
  noteDamage(): void;
}

interface Parts {
  readonly platform: Pick<Platform, "openDatabase" | "files" | "clock">;
  readonly log: Log;
  readonly path: string;
}

/**
 * Opens the database with this version's tables. One that cannot be read is moved aside, never overwritten,
 * and a new one is made.
 *
 * @throws StartError 1 with the reason: anything else, such as another program's database or a full disk
 */
export function openStorage(parts: Parts): Promise<Storage> {
  return orEnd(EXIT.failed, async () => {
    await moveStray(parts);
    const db = await openOrReplace(parts);
    const movedAside = await newestAside(parts);
    const { files } = parts.platform;
    return {
      db,
      status: (problem) => ({
        path: parts.path,
        bytes: sizeOf(db),
        ...(movedAside !== undefined && { movedAside }),
        ...(problem !== undefined && { problem }),
      }),
      noteDamage() {
        files.writeNew(notePath(parts), "").catch((error: unknown) => {
          parts.log.error("the next start will not look for the damage", { error: messageOf(error) });
        });
      },
    };
  });
}

function sizeOf(db: Database): number {
  const size = db.prepare("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size");
  return Number(size.get()?.["bytes"]);
}

/** For the start that uses it. @throws StartError 1 where the database is the reason, else as `work` */
export function orEndByDatabase<T>({ db }: Storage, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    throw new StartError(EXIT.failed, [`Cannot use database "${db.path}": ${error.message}`]);
  }
}

async function openOrReplace(parts: Parts): Promise<Database> {
  try {
    return await openAtSecondTry(parts);
  } catch (error) {
    if (!isDamage(error)) throw error;
    for (const part of PARTS) await parts.platform.files.readThrough(`${parts.path}${part}`);
    const movedAside = await moveAside(parts);
    parts.log.error("database cannot be read: it was moved aside and a new one is made", {
      path: parts.path,
      movedAside,
      reason: messageOf(error),
    });
    return open(parts);
  }
}

/** SQLite takes a read that fails for damage as well: whether the disk is the reason is seen by reading. */
async function openAtSecondTry(parts: Parts): Promise<Database> {
  try {
    return await open(parts);
  } catch (error) {
    if (!isDamage(error)) throw error;
    const db = await open(parts);
    parts.log.warn("database could only be read at the second try: the disk may be failing", {
      path: parts.path,
      reason: messageOf(error),
    });
    return db;
  }
}

async function open(parts: Parts): Promise<Database> {
  const { platform, log, path } = parts;
  const isToBeRead = await needsReading(parts);
  const db = platform.openDatabase(path, (found) => check(found, isToBeRead));
  try {
    await migrate(db, { files: platform.files, log });
    await platform.files.remove(notePath(parts));
    return db;
  } catch (cause) {
    db.close();
    if (!(cause instanceof DatabaseError)) throw cause;
    throw new DatabaseError(cause.kind, `Cannot prepare database "${path}": ${cause.message}`, { cause });
  }
}

function check(db: Readable, isToBeRead: boolean): void {
  refuseUnknown(db);
  readEnds(db);
  if (isToBeRead) readAll(db);
}

/** A log beside it is what a kill or a power cut leaves; SQLite removes it when it closes the database. */
async function needsReading({ platform: { files }, path, ...rest }: Parts): Promise<boolean> {
  if (await files.stat(notePath({ path, ...rest }))) return true;
  const [main, log] = await Promise.all([files.stat(path), files.stat(`${path}-wal`)]);
  return log !== undefined && main !== undefined && main.bytes <= readWholeBytesMax;
}

/** SQLite would throw away a log without its database, and whatever is in it. */
async function moveStray(parts: Parts): Promise<void> {
  const { platform, log, path } = parts;
  if ((await platform.files.stat(path)) || !(await platform.files.stat(`${path}-wal`))) return;
  const movedAside = await moveAside(parts);
  log.error("there is a log without its database: it was moved aside", { movedAside: `${movedAside}-wal` });
}

/** The database first: a kill between the two leaves a log without a database, which the next start moves. */
async function moveAside({ platform: { files, clock }, path }: Parts): Promise<string> {
  const time = new Date(clock.now()).toISOString().slice(0, 19).replaceAll(":", "-");
  const there = new Set(await files.list(path.slice(0, path.lastIndexOf("/"))));
  const isTaken = (name: string): boolean =>
    PARTS.some((part) => there.has(`${name}${part}`.slice(name.lastIndexOf("/") + 1)));
  for (let number = 1; number <= namesMax; number++) {
    const name = `${path}.unreadable-${time}Z${number === 1 ? "" : `-${number}`}`;
    if (isTaken(name)) continue;
    for (const part of PARTS) await files.rename(`${path}${part}`, `${name}${part}`);
    return name;
  }
  throw new Error(`Cannot move database "${path}" aside: there are ${namesMax} of this second already`);
}

async function newestAside({ platform: { files }, path }: Parts): Promise<string | undefined> {
  const slash = path.lastIndexOf("/");
  const start = `${path.slice(slash + 1)}.unreadable-`;
  const names = (await files.list(path.slice(0, slash))).filter((name) => name.startsWith(start));
  const newest = names.at(-1)?.replace(/-(wal|shm)$/, "");
  return newest === undefined ? undefined : `${path.slice(0, slash)}/${newest}`;
}

function notePath({ path }: Pick<Parts, "path">): string {
  return `${path}.damaged`;
}
