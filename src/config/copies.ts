import { LIMITS } from "../contract/limits.ts";
import type { Clock, Files } from "../ports.ts";
import { directoryOf } from "./file-names.ts";
import type { Texts } from "./store.ts";

interface CopiesOptions {
  readonly files: Pick<Files, "ensurePrivateDir" | "replace" | "readText" | "list" | "removeDir">;
  readonly clock: Pick<Clock, "now">;
  readonly stateDir: string;
}

/** Whole copies of the configuration's files, in the state directory. */
export interface Copies {
  /**
   * Keeps what is there before it is written over; the oldest one past the bound goes.
   *
   * @param texts the main file first
   * @returns its name
   */
  backUp(texts: Texts): Promise<string>;
  /** Names of the backups, the newest first; each is the time it was made. */
  backups(): Promise<readonly string[]>;
  /** @returns undefined when there is no such backup */
  backup(name: string, main: string): Promise<Texts | undefined>;
  /** Remembers the files that made the configuration now in force, if they are not remembered already. */
  remember(hash: string, texts: Texts): Promise<void>;
  /** What was remembered, the hash it had beside it; more than one only after a crash. */
  remembered(main: string): Promise<readonly { readonly hash: string; readonly texts: Texts }[]>;
}

export function createCopies({ files, clock, stateDir }: CopiesOptions): Copies {
  const backupsDir = `${stateDir}/config-backups`;
  const lastGoodDir = `${stateDir}/config-last-good`;

  async function save(directory: string, texts: Texts): Promise<void> {
    const [main = ""] = texts.keys();
    const root = directoryOf(main);
    await files.ensurePrivateDir(stateDir);
    await files.ensurePrivateDir(directoryOf(directory));
    await files.ensurePrivateDir(directory);
    for (const [path, text] of [...texts].toReversed()) {
      // One level deep, so that reading it back needs no walk.
      const name = path
        .slice(root === "/" ? 1 : root.length + 1)
        .replaceAll("%", "%25")
        .replaceAll("/", "%2F");
      await files.replace(`${directory}/${name}`, text);
    }
  }

  async function load(directory: string, main: string): Promise<Texts | undefined> {
    const root = directoryOf(main);
    const texts = new Map<string, string>();
    for (const name of await files.list(directory)) {
      const text = await files.readText(`${directory}/${name}`, LIMITS.configBytesMax);
      const path = name.replaceAll("%2F", "/").replaceAll("%25", "%");
      if (text !== undefined) texts.set(root === "/" ? `/${path}` : `${root}/${path}`, text);
    }
    return texts.size === 0 ? undefined : texts;
  }

  async function backups(): Promise<readonly string[]> {
    const names = await files.list(backupsDir);
    return names.filter((name) => NAME.test(name)).toReversed();
  }

  return {
    async backUp(texts) {
      const time = new Date(clock.now()).toISOString().replaceAll(":", "-");
      const taken = await backups();
      // Sorted by name, and a clock may stand still or go back.
      const [newest = ""] = taken;
      const name = time > newest ? time : `${newest}+`;
      await save(`${backupsDir}/${name}`, texts);
      for (const old of taken.slice(LIMITS.configBackupsMax - 1))
        await files.removeDir(`${backupsDir}/${old}`);
      return name;
    },
    backups,
    backup: (name, main) =>
      NAME.test(name) ? load(`${backupsDir}/${name}`, main) : Promise.resolve(undefined),
    async remember(hash, texts) {
      const known = await files.list(lastGoodDir);
      if (known.length === 1 && known[0] === hash) return;
      await save(`${lastGoodDir}/${hash}`, texts);
      for (const old of known) if (old !== hash) await files.removeDir(`${lastGoodDir}/${old}`);
    },
    async remembered(main) {
      const found: { hash: string; texts: Texts }[] = [];
      for (const hash of await files.list(lastGoodDir)) {
        const texts = await load(`${lastGoodDir}/${hash}`, main);
        if (texts) found.push({ hash, texts });
      }
      return found;
    },
  };
}

/** A time of day in UTC, the colons as hyphens: file systems of memory cards know no colons. */
const NAME = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z\+*$/;
