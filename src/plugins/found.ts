import { z } from "zod";
import { messageOf } from "../contract/errors.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Files } from "../ports.ts";
import { API_VERSION } from "./api.ts";

export const MANIFEST = "gateway.plugin.json";

const Manifest = z.strictObject({
  id: z
    .string()
    .max(LIMITS.pluginIdCharsMax)
    .regex(/^[a-z][a-z0-9-]*$/, "wanted lower case letters, digits and -, a letter first"),
  name: z.string().max(100).optional(),
  version: z.string().max(100).optional(),
  description: z.string().max(1_000).optional(),
  apiVersion: z.literal(API_VERSION),
  entry: z.string().min(1).max(500).default("index.ts"),
});
export type Manifest = z.output<typeof Manifest>;

/** A plugin that is there, or the reason why its folder is left alone. No code of it has run. */
export type Found =
  | {
      readonly id: string;
      readonly directory: string;
      readonly overridden: string[];
      readonly problem: string;
    }
  | {
      readonly id: string;
      readonly directory: string;
      readonly overridden: string[];
      readonly problem?: never;
      readonly manifest: Manifest;
      /** The module to load, absolute and without links. */
      readonly entry: string;
    };

type FilesOfPlugins = Pick<Files, "readText" | "realPath" | "stat" | "list" | "distrust">;

/**
 * Every plugin of these places, each a plugin's folder or a folder of them, by id; of several with one id the
 * first is there.
 */
export async function findPlugins(
  files: FilesOfPlugins,
  places: readonly string[],
): Promise<ReadonlyMap<string, Found>> {
  const found = new Map<string, Found>();
  for (const directory of await foldersIn(files, places)) {
    const one = await look(files, directory);
    const first = found.get(one.id);
    if (first) first.overridden.push(directory);
    else found.set(one.id, one);
  }
  return found;
}

async function foldersIn(files: FilesOfPlugins, places: readonly string[]): Promise<readonly string[]> {
  const folders = new Set<string>();
  for (const place of places) {
    const names = await files.list(place).catch((): string[] => []);
    const inside = names.includes(MANIFEST) ? [place] : names.map((name) => `${place}/${name}`);
    for (const folder of inside) {
      if (folders.size >= LIMITS.pluginsMax) return [...folders];
      if (folder === place || (await files.stat(`${folder}/${MANIFEST}`))) folders.add(folder);
    }
  }
  return [...folders];
}

async function look(files: FilesOfPlugins, folder: string): Promise<Found> {
  const nameless = { id: folder.slice(folder.lastIndexOf("/") + 1), directory: folder, overridden: [] };
  try {
    const directory = (await files.realPath(folder)) ?? folder;
    const doubt = await files.distrust(`${directory}/${MANIFEST}`);
    if (doubt !== undefined) return { ...nameless, directory, problem: doubt };
    const text = (await files.readText(`${directory}/${MANIFEST}`, LIMITS.pluginManifestBytesMax)) ?? "";
    const read = Manifest.safeParse(JSON.parse(text));
    if (!read.success) return { ...nameless, directory, problem: `${MANIFEST}: ${wordsOf(read.error)}` };
    const manifest = read.data;
    const known = { id: manifest.id, directory, overridden: [] };
    const entry = await files.realPath(`${directory}/${manifest.entry}`);
    if (entry === undefined) return { ...known, problem: `its entry "${manifest.entry}" is not there` };
    if (!entry.startsWith(`${directory}/`))
      return { ...known, problem: `its entry "${manifest.entry}" is outside its folder` };
    const doubtful = await files.distrust(entry);
    return doubtful === undefined ? { ...known, manifest, entry } : { ...known, problem: doubtful };
  } catch (error) {
    return { ...nameless, problem: `${MANIFEST}: ${messageOf(error)}` };
  }
}

/** What does not fit a schema, each with its place. */
export function wordsOf(error: z.ZodError): string {
  return error.issues
    .slice(0, 10)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`))
    .join("; ");
}
