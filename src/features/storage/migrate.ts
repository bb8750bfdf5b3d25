import type { Database, Log, Readable } from "../../ports.ts";
import { APPLICATION_ID, SCHEMA_VERSION, STEPS } from "../schema.ts";

/** Copies of one version that are kept apart; more would be a loop of failing starts. */
const backupsMax = 100;

/**
 * Brings the database to this version's tables; one of an older version is copied whole to a file beside it
 * before.
 *
 * @throws as {@link prepareSchema}, and when there is no room for the copy: nothing has changed then
 */
export async function migrate(db: Database, log: Pick<Log, "info">): Promise<void> {
  const version = numberOf(db, "user_version");
  refuseUnknown(db);
  if (version > 0 && version < SCHEMA_VERSION) {
    const backup = await backUp(db, version);
    log.info("database copied before its tables change", { backup, from: version, to: SCHEMA_VERSION });
  }
  prepareSchema(db);
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
  if (mark === APPLICATION_ID) return refuseNewer(version);
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

function refuseNewer(version: number): void {
  if (version <= SCHEMA_VERSION) return;
  throw new Error(
    `Cannot use database: made by a newer gateway (its version is ${version}, this one knows ${SCHEMA_VERSION})`,
  );
}

async function backUp(db: Database, version: number): Promise<string> {
  const name = `${db.path}.v${version}-backup`;
  for (let number = 1; number <= backupsMax; number++) {
    const path = number === 1 ? name : `${name}-${number}`;
    if (await db.backup(path)) return path;
  }
  throw new Error(`Cannot back up database to "${name}": there are ${backupsMax} backups already`);
}

function numberOf(db: Readable, pragma: "application_id" | "user_version"): number {
  return Number(db.prepare(`PRAGMA ${pragma}`).get()?.[pragma] ?? 0);
}
