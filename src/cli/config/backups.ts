import { redactValue } from "../../config/show/redact.ts";
import type { Snapshot, Texts } from "../../config/store.ts";
import { problemOf } from "../../features/config/problems.ts";
import { EXIT } from "../../gateway/errors.ts";
import type { Platform } from "../../ports.ts";
import type { CommandInput } from "../command.ts";
import { CliError } from "../errors.ts";
import { formatDuration } from "../status.ts";
import type { Desk } from "./desk.ts";
import { type Difference, differences, hidden } from "./differences.ts";
import { invalid } from "./failures.ts";
import { type ConfigFiles, openConfigFiles, writtenOf } from "./files.ts";

/** What one backup says, beside what is written now. */
export interface Compared {
  readonly path: string;
  /** From what is there now to the backup; secrets hidden. */
  readonly rows: readonly Difference[];
  /** Not a byte is different. */
  readonly isSame: boolean;
}

/** The backups that can be read from here. */
export interface Backups {
  names(): Promise<readonly string[]>;
  /** @throws CliError for one that does not exist, or what cannot be read */
  compare(name: string): Promise<Compared>;
}

/** @returns undefined when they are on another machine */
export async function openBackups(input: CommandInput, desk: Desk): Promise<Backups | undefined> {
  if (!desk.place) return undefined;
  const { path } = await desk.call("config.get", {});
  const files = openConfigFiles(input, desk.gateway ? { ...desk.place, configPath: path } : {});
  return {
    names: () => files.copies.backups(path),
    compare: (name) => compare(files, path, name),
  };
}

async function compare({ store, copies }: ConfigFiles, path: string, name: string): Promise<Compared> {
  const texts = await copies.backup(name, path);
  if (!texts) {
    throw new CliError(EXIT.failed, `Cannot read backup "${name}": there is no such backup`, {
      hint: "gateway config rollback --list shows them",
    });
  }
  const [now, then] = [await store.readConfigFileSnapshot(), await store.readConfigFileSnapshot(texts)];
  const [old, kept] = [readable(now), readable(then)];
  const { schema } = await store.settings();
  const rows = hidden(differences(old, kept), redactValue(schema, old), redactValue(schema, kept));
  return { path, rows, isSame: isSameText(now.source?.texts, texts) };
}

/** What is written, valid or not. @throws CliError 78 when it cannot even be read */
function readable(snapshot: Snapshot): Record<string, unknown> {
  const { source, exists } = snapshot;
  if (snapshot.valid || source?.tree || !exists) return writtenOf(snapshot);
  throw invalid(snapshot.errors.map(problemOf));
}

function isSameText(now: Texts | undefined, then: Texts): boolean {
  return [...then].every(([path, text]) => now?.get(path) === text);
}

/** `5 min ago`; a backup is named after the moment it was made. */
export function ageOf(name: string, { clock }: Pick<Platform, "clock">): string {
  const time = name.replace(/T(\d\d)-(\d\d)-(\d\d)\.(\d+)Z.*$/, "T$1:$2:$3.$4Z");
  const madeMs = Date.parse(time);
  if (Number.isNaN(madeMs)) return "";
  // The larger of its units is near enough.
  const [largest = ""] = /^\d+ \w+/.exec(formatDuration(Math.max(clock.now() - madeMs, 0))) ?? [];
  return `${largest} ago`;
}
