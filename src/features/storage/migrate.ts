import type { Database, Files, Log, Readable } from "../../ports.ts";
import { APPLICATION_ID, SCHEMA_VERSION, STEPS } from "../schema.ts";
import { describeOldSessions } from "./first-version.ts";

/** Copies of one version that get a name of their own; one more stays under the one it has. */
const backupsMax = 100;

interface MigrateParts {
  readonly files: Pick<Files, "remove" | "rename" | "stat">;
  readonly log: Pick<Log, "info">;
}

/**
 * Brings the database to this version's tables; one of an older version is copied whole to a file beside it
 * before. The copy gets its lasting name when the tables have changed: tries that fail, or are killed, leave
 * one copy at most, and the next takes its place.
 *
 * @throws as {@link prepareSchema}, and when there is no room for the copy: nothing has changed then
 */
export async function migrate(db: Database, parts: MigrateParts): Promise<void> {
  const version = numberOf(db, "user_version");
  refuseUnknown(db);
  if (version > 0 && version < SCHEMA_VERSION) await prepareWithCopy(db, version, parts);
  else prepareSchema(db);
  for (let old = 1; old < SCHEMA_VERSION; old++) await keepCopy(db, old, parts);
}

async function prepareWithCopy(db: Database, version: number, { files }: MigrateParts): Promise<void> {
  const copy = unkeptCopy(db, version);
  await files.remove(copy);
  if (!(await db.backup(copy))) throw new Error(`Cannot back up database to "${copy}": there is such a file`);
  try {
    prepareSchema(db);
  } catch (error) {
    // Nothing has changed. Where it cannot be removed either, the next try does it.
    await files.remove(copy).catch(() => {});
    throw error;
  }
}

/** Gives the copy its lasting name: this try's, or that of one which was killed before it came to this. */
async function keepCopy(db: Database, version: number, { files, log }: MigrateParts): Promise<void> {
  const copy = unkeptCopy(db, version);
  if (!(await files.stat(copy))) return;
  const name = `${db.path}.v${version}-backup`;
  for (let number = 1; number <= backupsMax; number++) {
    const backup = number === 1 ? name : `${name}-${number}`;
    if (await files.stat(backup)) continue;
    await files.rename(copy, backup);
    log.info("database was copied before its tables changed", { backup, from: version, to: SCHEMA_VERSION });
    return;
  }
}

function unkeptCopy({ path }: Database, version: number): string {
  return `${path}.v${version}-backup-unkept`;
}

/**
 * Makes the tables of this version, or what is missing of them, all of it or nothing.
 *
 * @throws Error when a newer gateway made it, or another program: nothing has been written then
 */
export function prepareSchema(db: Database, steps = STEPS): void {
  refuseUnknown(db);
  const version = numberOf(db, "user_version");
  if (version === SCHEMA_VERSION) return;
  db.transaction(() => {
    for (const step of steps.slice(version)) db.exec(step);
    if (version === 1) describeOldSessions(db);
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  });
}

/**
 * The first version carried no mark: its tables say that it is ours.
 *
 * @throws Error when another program made it, or a newer gateway
 */
export function refuseUnknown(db: Readable): void {
  const version = numberOf(db, "user_version");
  const mark = numberOf(db, "application_id");
  if (mark === APPLICATION_ID) return refuseNewer(db.path, version);
  const tables = new Set(
    db
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
      .all()
      .map((row) => row["name"]),
  );
  const isNew = version === 0 && tables.size === 0;
  const isFirst =
    version === 1 && ["sessions", "runs", "messages", "state"].every((name) => tables.has(name));
  if (mark === 0 && (isNew || isFirst)) return;
  throw new Error(`Cannot use database "${db.path}": it belongs to another program`);
}

function refuseNewer(path: string, version: number): void {
  if (version <= SCHEMA_VERSION) return;
  const state = `made by a newer gateway (its version is ${version}, this one knows ${SCHEMA_VERSION})`;
  throw new Error(`Cannot use database "${path}": ${state}`);
}

function numberOf(db: Readable, pragma: "application_id" | "user_version"): number {
  return Number(db.prepare(`PRAGMA ${pragma}`).get()?.[pragma] ?? 0);
}
