import { isBelow } from "../../config/tree/file-names.ts";
import { expandHome } from "../../config/values.ts";
import type { Confinement, Files } from "../../ports.ts";
import type { PluginStart } from "../running.ts";

export interface BoundsPorts {
  readonly files: Pick<Files, "realPath" | "stat">;
  readonly home: string;
  /** Folders that plugins are in: what shares a process may read all of them. */
  readonly places: () => readonly string[];
}

/** What a process of plugins may do, from its start on. */
export interface Bounds {
  readonly confinement: Confinement;
  /** What was there, by its path: the system grants the thing, and not whatever has its name later. */
  readonly things: ReadonlyMap<string, string>;
  /** Paths that were granted, with nothing there. */
  readonly missing: readonly string[];
}

const PACKAGES = "/node_modules";

export async function boundsOf(
  { files, home, places }: BoundsPorts,
  { grants, directory }: Pick<PluginStart, "grants" | "directory">,
  isOwn: boolean,
): Promise<Bounds> {
  const things = new Map<string, string>();
  const there = async (path: string): Promise<string[]> => {
    const real = await files.realPath(path);
    const found = real === undefined ? undefined : await files.stat(real);
    if (real === undefined || !found) return [];
    things.set(real, found.inode);
    return [real];
  };
  const seen = [...(isOwn ? packagesOf(directory) : places()), directory];
  const granted = (grants.files ?? []).map((path) => expandHome(path, home));
  const [readable, writable] = await Promise.all([
    Promise.all(seen.map(there)),
    Promise.all(granted.map(there)),
  ]);
  const { network = false, exec = false } = grants;
  const unique = (paths: readonly string[][]): string[] => [...new Set(paths.flat())];
  return {
    confinement: { network, exec, readable: unique(readable), writable: unique(writable) },
    things,
    missing: granted.filter((_, index) => writable[index]?.length === 0),
  };
}

/** Whether a plugin in that folder, which wants these bounds, has all of them in a process with those. */
export function isWithin(bounds: Bounds, wanted: Bounds, directory: string): boolean {
  const isSame = (path: string): boolean =>
    bounds.things.has(path) && bounds.things.get(path) === wanted.things.get(path);
  const { readable, writable } = bounds.confinement;
  return (
    wanted.confinement.writable.every((path) => writable.includes(path) && isSame(path)) &&
    readable.some((place) => isBelow(directory, place) && isSame(place))
  );
}

/** Beside a plugin that is a package lie those that it is built on. */
function packagesOf(directory: string): string[] {
  const at = directory.indexOf(`${PACKAGES}/`);
  return at === -1 ? [] : [directory.slice(0, at + PACKAGES.length)];
}
