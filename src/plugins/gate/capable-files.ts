import { directoryOf, isBelow, normalize } from "../../config/tree/file-names.ts";
import { expandHome } from "../../config/values.ts";
import { RpcError } from "../../contract/errors.ts";
import { utf8Bytes } from "../../rpc/json.ts";
import type { Files } from "../../ports.ts";
import type { PluginFiles } from "../api.ts";
import type { CapablePorts, Deny } from "./capable.ts";
import type { PluginStart } from "../running.ts";

/** As `PluginFiles` promises. */
const BYTES_MAX = 8 * 1024 * 1024;

/** Longer ones no system takes. */
const PATH_CHARS_MAX = 4_096;

type Verb = "read" | "write" | "list" | "remove";

/**
 * Files inside what was granted, and the plugin's own folder to read. A path is looked at with every link in
 * it followed, and what was looked at is what is used: a link cannot lead out.
 */
export function createCapableFiles(
  { files, process }: Pick<CapablePorts, "files" | "process">,
  { id, directory, grants }: Pick<PluginStart, "id" | "directory" | "grants">,
  deny: Deny,
): PluginFiles {
  const absolute = (path: string): string => {
    const expanded = expandHome(path, process.home);
    return normalize(expanded.startsWith("/") ? expanded : `${directory}/${expanded}`);
  };

  /** A link is removed, and not what it leads to. */
  async function realName(verb: Verb, path: string): Promise<string> {
    if (verb !== "remove") return realOf(files, path);
    return joined(await realOf(files, directoryOf(path)), path.slice(path.lastIndexOf("/") + 1));
  }

  /** The path without links, if it is inside what the plugin may use. @throws RpcError */
  async function allowed(verb: Verb, given: unknown): Promise<string> {
    const path = pathOf(verb, given);
    const wanted = absolute(path);
    const isReading = verb === "read" || verb === "list";
    const places = [...(grants.files ?? []).map(absolute), ...(isReading ? [directory] : [])];
    // Each time anew: what is granted may have been made, or become a link, since.
    const roots = await Promise.all(places.map((place) => realOf(files, place).catch(() => place)));
    const real = await realName(verb, wanted).catch((error: unknown) => {
      if (roots.some((root) => isBelow(wanted, root))) throw error;
      // Some systems do not even tell where it leads.
      throw deny("files", `${verb} file "${path}"`);
    });
    // What was granted by name is not taken away by it.
    const isThere = roots.some((root) => isBelow(real, root) && !(verb === "remove" && real === root));
    if (isThere) return real;
    throw deny("files", `${verb} file "${path}"`);
  }

  return {
    async readText(given) {
      const path = await allowed("read", given);
      const found = await files.stat(path);
      if (found && found.bytes > BYTES_MAX) throw tooLarge("read", given);
      return told(() => files.readText(path, BYTES_MAX));
    },
    async writeText(given, text) {
      const path = await allowed("write", given);
      if (typeof text !== "string")
        throw new RpcError("invalid_params", `Cannot write file "${given}": what is written is no text`);
      if (utf8Bytes(text) > BYTES_MAX) throw tooLarge("write", given);
      await told(() => files.replace(path, text));
    },
    async list(given) {
      const path = await allowed("list", given);
      return told(() => files.list(path));
    },
    async remove(given) {
      const path = await allowed("remove", given);
      const found = await files.stat(path);
      if (found?.kind === "directory" && (await files.realPath(path)) === path)
        throw new RpcError(
          "invalid_params",
          `Cannot remove file "${given}": plugin "${id}" named a directory`,
        );
      await told(() => files.remove(path));
    },
  };
}

function pathOf(verb: Verb, given: unknown): string {
  const refuse = (state: string): RpcError => new RpcError("invalid_params", `Cannot ${verb} file: ${state}`);
  if (typeof given !== "string" || given === "") throw refuse("its path is no text, or empty");
  if (given.length > PATH_CHARS_MAX) throw refuse(`its path is longer than ${PATH_CHARS_MAX} characters`);
  if (given.includes("\0") || !given.isWellFormed()) throw refuse("its path is broken text");
  return given;
}

/** With every link followed; of what is not there yet, as far as it is there. */
async function realOf(files: Pick<Files, "realPath">, path: string): Promise<string> {
  const real = await told(() => files.realPath(path));
  if (real !== undefined || path === "/") return real ?? path;
  return joined(await realOf(files, directoryOf(path)), path.slice(path.lastIndexOf("/") + 1));
}

function joined(directory: string, name: string): string {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}

function tooLarge(verb: Verb, path: string): RpcError {
  return new RpcError("too_large", `Cannot ${verb} file "${path}": larger than ${BYTES_MAX} bytes`, {
    details: { bound: BYTES_MAX },
  });
}

/** What the system refuses is told to the plugin in its words, which name the path and no more. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RpcError || !(error instanceof Error)) throw error;
    throw new RpcError("unavailable", error.message, { cause: error });
  }
}
