import { LIMITS } from "../../contract/limits.ts";
import type { Clock, Files } from "../../ports.ts";
import { directoryOf } from "../tree/file-names.ts";
import { INDEX_NAME, isShort, mainNameIn, namesOf, pathOf, readIndex } from "./copy-names.ts";
import { isLeftover } from "./leftovers.ts";
import type { Texts } from "../store.ts";

interface CopiesOptions {
  readonly files: Pick<Files, "ensurePrivateDir" | "replace" | "readText" | "list" | "removeDir">;
  readonly clock: Pick<Clock, "now">;
  readonly stateDir: string;
  /** A backup that somebody is going to ask for. */
  readonly isWanted?: (backup: string) => boolean;
}

/** Whole copies of the configuration's files, in the state directory. */
export interface Copies {
  /**
   * Keeps what is there before it is written over.
   *
   * @param texts the main file first
   * @returns its name
   */
  backUp(texts: Texts): Promise<string>;
  /** The write that a backup was for did not happen. */
  discard(backup: string): Promise<void>;
  /** Lets the oldest backups past the bound go. */
  prune(): Promise<void>;
  /** Names of the backups that are whole, the newest first; each is the time it was made. */
  backups(main: string): Promise<readonly string[]>;
  /**
   * @param main the path that the main file of it gets, whatever it was called then
   * @returns undefined when there is no such backup, or only half of one after a crash
   */
  backup(name: string, main: string): Promise<Texts | undefined>;
  /** Remembers the files that made the configuration now in force, if they are not remembered already. */
  remember(hash: string, texts: Texts): Promise<void>;
  /** Keeps what a change has written that may have to be undone; what was kept for another one goes. */
  keepChange(hash: string, texts: Texts): Promise<void>;
  /** @returns undefined when it is not kept, or only half of it after a crash */
  change(hash: string, main: string): Promise<Texts | undefined>;
  forgetChange(): Promise<void>;
  /** What was remembered, the hash it had beside it; more than one only after a crash. */
  remembered(main: string): Promise<readonly { readonly hash: string; readonly texts: Texts }[]>;
}

export function createCopies({ files, clock, stateDir, isWanted }: CopiesOptions): Copies {
  const backupsDir = `${stateDir}/config-backups`;
  const lastGoodDir = `${stateDir}/config-last-good`;
  const changeDir = `${stateDir}/config-unconfirmed`;

  async function save(directory: string, texts: Texts): Promise<void> {
    const [main = ""] = texts.keys();
    await files.ensurePrivateDir(stateDir);
    await files.ensurePrivateDir(directoryOf(directory));
    await files.ensurePrivateDir(directory);
    const names = namesOf([...texts.keys()], main);
    if (names.index !== undefined) await files.replace(`${directory}/${INDEX_NAME}`, names.index);
    for (const [path, text] of [...texts].toReversed()) {
      await files.replace(`${directory}/${names.of(path)}`, text);
    }
  }

  async function taken(): Promise<readonly string[]> {
    const names = await files.list(backupsDir);
    return names.filter((name) => NAME.test(name)).toReversed();
  }

  return {
    async backUp(texts) {
      const time = new Date(clock.now()).toISOString().replaceAll(":", "-");
      // Sorted by name, and a clock may stand still or go back.
      const [newest = ""] = await taken();
      const name = time > newest ? time : after(newest);
      await save(`${backupsDir}/${name}`, texts);
      return name;
    },
    discard: (name) => files.removeDir(`${backupsDir}/${name}`),
    async prune() {
      const old = (await taken()).slice(LIMITS.configBackupsMax);
      for (const name of old) if (!isWanted?.(name)) await files.removeDir(`${backupsDir}/${name}`);
    },
    async backups(main) {
      const whole: string[] = [];
      for (const name of await taken()) {
        if (mainNameIn(await files.list(`${backupsDir}/${name}`), main) !== undefined) whole.push(name);
      }
      return whole;
    },
    backup: (name, main) =>
      NAME.test(name) ? loadTexts(files, `${backupsDir}/${name}`, main) : Promise.resolve(undefined),
    async remember(hash, texts) {
      const known = await files.list(lastGoodDir);
      const [main = ""] = texts.keys();
      const kept = known.includes(hash) ? await files.list(`${lastGoodDir}/${hash}`) : [];
      if (known.length === 1 && mainNameIn(kept, main) !== undefined) return;
      await save(`${lastGoodDir}/${hash}`, texts);
      for (const old of known) if (old !== hash) await files.removeDir(`${lastGoodDir}/${old}`);
    },
    async keepChange(hash, texts) {
      const known = await files.list(changeDir);
      await save(`${changeDir}/${hash}`, texts);
      for (const old of known) if (old !== hash) await files.removeDir(`${changeDir}/${old}`);
    },
    change: (hash, main) => loadTexts(files, `${changeDir}/${hash}`, main),
    forgetChange: () => files.removeDir(changeDir),
    async remembered(main) {
      const found: { hash: string; texts: Texts }[] = [];
      for (const hash of await files.list(lastGoodDir)) {
        const texts = await loadTexts(files, `${lastGoodDir}/${hash}`, main);
        if (texts) found.push({ hash, texts });
      }
      return found;
    },
  };
}

type FolderFiles = Pick<Files, "list" | "readText">;

/** @returns the main file first; undefined where one is missing */
async function loadTexts(files: FolderFiles, directory: string, main: string): Promise<Texts | undefined> {
  const texts = new Map<string, string>();
  const names = (await files.list(directory)).filter((name) => !isLeftover(name) && name !== INDEX_NAME);
  const mainName = mainNameIn(names, main);
  if (mainName === undefined) return undefined;
  const index = await files.readText(`${directory}/${INDEX_NAME}`, LIMITS.configBytesMax);
  const long = readIndex(index ?? "{}");
  for (const name of [mainName, ...names.filter((one) => one !== mainName)]) {
    const text = await files.readText(`${directory}/${name}`, LIMITS.configBytesMax);
    const full = isShort(name) ? long.get(name) : name;
    const path = name === mainName ? main : full && pathOf(full, main);
    if (path === undefined) return undefined;
    if (text !== undefined) texts.set(path, text);
  }
  return texts;
}

/** A time of day in UTC, the colons as hyphens: file systems of memory cards know no colons. */
const NAME = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z(?:\+\d{6})?$/;

/** The name that sorts next; as long however often that is needed. */
function after(name: string): string {
  const [time = "", count = "0"] = name.split("+");
  return `${time}+${String(Number(count) + 1).padStart(6, "0")}`;
}
