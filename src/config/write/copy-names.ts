import { isObject } from "../leaves.ts";
import { directoryOf, normalize } from "../tree/file-names.ts";

/** What the short names of a copy stand for. No file's own name: there is no such escape. */
export const INDEX_NAME = "%names.json";

/** Bytes; with what a replacement puts behind it, every file system takes it. */
const NAME_BYTES_MAX = 100;

const OLDER_NAME = "clawdbot.json";
const SHORT_MAIN = "%main";
const SHORT = /^%(?:main|-\d+)$/;

interface Names {
  /** The text of the index; undefined where no name is too long. */
  readonly index: string | undefined;
  of(path: string): string;
}

/** What the files of one copy are called in it: all of them in one directory. */
export function namesOf(paths: readonly string[], main: string): Names {
  const short = new Map<string, string>();
  for (const path of paths) {
    if (path !== main && isLong(nameOf(path, main))) short.set(path, `%-${short.size}`);
  }
  const entries = [...short].map(([path, name]) => [name, nameOf(path, main)]);
  return {
    index: entries.length === 0 ? undefined : `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`,
    of: (path) => (path === main ? mainNameOf(main) : (short.get(path) ?? nameOf(path, main))),
  };
}

/** Reads such an index. A copy with names that it does not explain is not whole. */
export function readIndex(text: string): ReadonlyMap<string, string> {
  try {
    const index: unknown = JSON.parse(text);
    return new Map(Object.entries(isObject(index) ? index : {}).map(([name, full]) => [name, String(full)]));
  } catch {
    // Not as we have written it.
    return new Map();
  }
}

/** Whether only the index knows what it stands for. */
export function isShort(name: string): boolean {
  return SHORT.test(name);
}

/** The path as an include of that main file has it. */
export function pathOf(name: string, main: string): string {
  return normalize(`${directoryOf(main)}/${name.replaceAll("%2F", "/").replaceAll("%25", "%")}`);
}

/** The main file is written last, so where it is, all is. It may have had its older name then. */
export function mainNameIn(names: readonly string[], main: string): string | undefined {
  return [mainNameOf(main), OLDER_NAME].find((name) => names.includes(name));
}

function mainNameOf(main: string): string {
  const name = nameOf(main, main);
  return isLong(name) ? SHORT_MAIN : name;
}

/** One level deep, so that reading back needs no walk; includes are below the main file's directory. */
function nameOf(path: string, main: string): string {
  const root = normalize(directoryOf(main));
  const below = normalize(path).slice(root === "" || root === "/" ? root.length : root.length + 1);
  return below.replaceAll("%", "%25").replaceAll("/", "%2F");
}

function isLong(name: string): boolean {
  return new TextEncoder().encode(name).length > NAME_BYTES_MAX;
}
