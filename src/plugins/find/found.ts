import { messageOf } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { PluginOrigin } from "../../features/plugins/contract.ts";
import type { Files } from "../../ports.ts";
import { API_VERSION } from "../api.ts";
import { BUNDLED_ENTRY, type BundledPlugin, rulesOf } from "../bundled.ts";
import { MANIFEST, type Manifest, readManifest } from "./manifest.ts";

/** A folder that is a plugin, or a folder of plugins. */
export interface Place {
  /** Absolute. */
  readonly path: string;
  /** `package`: a `node_modules`, where only what has a manifest counts. */
  readonly origin: Exclude<PluginOrigin, "bundled">;
}

interface Known {
  /** The folder's name where the manifest cannot be read. */
  readonly id: string;
  readonly origin: PluginOrigin;
  /** Absolute and without links; undefined: it is part of the gateway. */
  readonly directory: string | undefined;
  /** Where it was found; undefined as `directory` is. */
  readonly folder: Folder | undefined;
  /** Others of the same id that are not used. */
  readonly overridden: readonly string[];
}

export interface Quarantined extends Known {
  readonly problem: string;
  /** Its manifest could not be read: the id is its folder's name, and takes nobody's place. */
  readonly isNameless: boolean;
}

export interface Usable extends Known {
  readonly problem?: never;
  readonly manifest: Manifest;
  /** The module to load, absolute and without links; or the name of what is part of the gateway. */
  readonly entry: string;
  /** Where its settings stand in the configuration, when that is not its entry in `plugins`. */
  readonly section?: string;
  /** Files that its settings name: it declares those as well. */
  readonly filesOf?: BundledPlugin["filesOf"];
}

/** A plugin that is there, or the reason why its folder is left alone. No code of it has run. */
export type Found = Usable | Quarantined;

export type FilesOfPlugins = Pick<Files, "readText" | "realPath" | "stat" | "list" | "distrust">;

/**
 * Every plugin of these places, each a plugin's folder or a folder of them, and those that are part of the
 * gateway, by id; of several with one id the first is there.
 */
export async function findPlugins(
  files: FilesOfPlugins,
  places: readonly Place[],
  bundled: readonly BundledPlugin[],
): Promise<ReadonlyMap<string, Found>> {
  const found = new Map<string, Found>();
  const overridden = new Map<string, string[]>();
  const add = (one: Found): void => {
    if (!found.has(one.id)) return void found.set(one.id, one);
    const others = overridden.get(one.id) ?? [];
    overridden.set(one.id, [...others, one.directory ?? "the gateway's own"]);
  };
  const nameless: Found[] = [];
  for (const folder of await foldersIn(files, places)) {
    const one = await lookAt(files, folder);
    if (one.problem !== undefined && one.isNameless) nameless.push(one);
    else add(one);
  }
  for (const one of bundled) add(bundledOne(one));
  for (const one of nameless) add(one);
  for (const [id, others] of overridden) {
    const first = found.get(id);
    if (first) found.set(id, { ...first, overridden: others });
  }
  return found;
}

/** A folder with a manifest, and why it is looked at. */
export interface Folder {
  readonly path: string;
  readonly place: Place;
}

async function foldersIn(files: FilesOfPlugins, places: readonly Place[]): Promise<readonly Folder[]> {
  const folders = new Map<string, Folder>();
  for (const place of places) {
    for (const path of await candidatesIn(files, place)) {
      if (folders.size >= LIMITS.pluginsMax) return [...folders.values()];
      if (!folders.has(path) && (await files.stat(`${path}/${MANIFEST}`))) folders.set(path, { path, place });
    }
  }
  return [...folders.values()];
}

async function candidatesIn(files: FilesOfPlugins, { path, origin }: Place): Promise<readonly string[]> {
  const names = await visible(files, path);
  if (origin === "path" && names.includes(MANIFEST)) return [path];
  if (origin !== "package") return names.map((name) => `${path}/${name}`);
  const packages = await Promise.all(
    names.map(async (name) =>
      name.startsWith("@")
        ? (await visible(files, `${path}/${name}`)).map((inner) => `${path}/${name}/${inner}`)
        : [`${path}/${name}`],
    ),
  );
  return packages.flat();
}

/** What begins with a dot is somebody's at work: a copy that is not complete, an editor's file. */
async function visible(files: FilesOfPlugins, path: string): Promise<readonly string[]> {
  const names = await files.list(path).catch((): string[] => []);
  return names.filter((name) => !name.startsWith("."));
}

/** One folder, whatever is in it. Never rejects. */
export async function lookAt(files: FilesOfPlugins, folder: Folder): Promise<Found> {
  const { path, place } = folder;
  const id = path.slice(path.lastIndexOf("/") + 1);
  const nameless = {
    ...{ id, origin: place.origin, directory: path, folder },
    overridden: [],
    isNameless: true,
  };
  try {
    const directory = (await files.realPath(path)) ?? path;
    const here = { ...nameless, directory };
    if (!(await files.stat(`${directory}/${MANIFEST}`)))
      return { ...here, problem: `there is no ${MANIFEST}` };
    const doubt =
      (await strayed(files, directory, place)) ?? (await files.distrust(`${directory}/${MANIFEST}`));
    if (doubt !== undefined) return { ...here, problem: doubt };
    const text = (await files.readText(`${directory}/${MANIFEST}`, LIMITS.pluginManifestBytesMax)) ?? "";
    const manifest = readManifest(text);
    if ("problem" in manifest) return { ...here, problem: `${MANIFEST}: ${manifest.problem}` };
    return await withEntry(files, { ...here, id: manifest.id, isNameless: false }, manifest);
  } catch (error) {
    return { ...nameless, problem: `${MANIFEST}: ${messageOf(error)}` };
  }
}

/** Folders that an owner names may be links; what lies in the state directory may not lead out of it. */
async function strayed(files: FilesOfPlugins, directory: string, { path, origin }: Place) {
  if (origin === "path") return undefined;
  const root = (await files.realPath(path)) ?? path;
  return directory.startsWith(`${root}/`)
    ? undefined
    : `its folder is a link to "${directory}"; plugins.paths is for those elsewhere`;
}

async function withEntry(
  files: FilesOfPlugins,
  known: Omit<Quarantined, "problem"> & { readonly directory: string },
  manifest: Manifest,
): Promise<Found> {
  const { directory } = known;
  const refused = (problem: string): Quarantined => ({ ...known, problem });
  const entry = await files.realPath(`${directory}/${manifest.entry}`);
  if (entry === undefined) return refused(`its entry "${manifest.entry}" is not there`);
  if (!entry.startsWith(`${directory}/`))
    return refused(`its entry "${manifest.entry}" is outside its folder`);
  const doubt = await files.distrust(entry);
  if (doubt !== undefined) return refused(doubt);
  const { id, origin, folder, overridden } = known;
  return { id, origin, directory, folder, overridden, manifest, entry };
}

function bundledOne(plugin: BundledPlugin): Usable {
  const { id, name, description, section, filesOf, capabilities = {} } = plugin;
  return {
    id,
    origin: "bundled",
    directory: undefined,
    folder: undefined,
    overridden: [],
    entry: `${BUNDLED_ENTRY}${id}`,
    section,
    ...(filesOf && { filesOf }),
    manifest: {
      id,
      name,
      description,
      apiVersion: API_VERSION,
      entry: id,
      capabilities,
      channels: [],
      autoEnable: [...rulesOf(plugin)],
    },
  };
}
