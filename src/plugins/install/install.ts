import { expandHome } from "../../config/values.ts";
import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { InstallRequest } from "../../features/plugins/contract.ts";
import type { Files, Log } from "../../ports.ts";
import { doubtAbout } from "../find/code.ts";
import { type FilesOfPlugins, type Found, lookAt } from "../find/found.ts";
import { isPluginId, MANIFEST } from "../find/manifest.ts";
import { fetchDependencies, fetchPackage, type PackagePorts, packageOf } from "./packages.ts";
import { copyTree, unpackTgz } from "./unpack.ts";

export interface InstallPorts extends PackagePorts {
  readonly files: PackagePorts["files"] &
    FilesOfPlugins &
    Pick<Files, "rename" | "removeDir" | "ensurePrivateDir">;
  readonly log: Log;
  readonly home: string;
  /** Where installed plugins are, absolute: each folder in it is one. */
  readonly folder: string;
  /** A name nobody else has. */
  readonly newKey: () => string;
}

/** Names of what is not a plugin yet, was one until another took its place, and is not any more. */
const [COMING, ASIDE, GOING] = [".new-", ".old-", ".gone-"];

/**
 * Copies a plugin into the state directory, whole or not at all. Nothing of it is run.
 *
 * @param foundOf what has an id now
 * @returns its id
 * @throws RpcError `not_found`, `conflict`, `forbidden`, `too_large`, `unavailable`
 */
export async function installPlugin(
  ports: InstallPorts,
  request: InstallRequest,
  foundOf: (id: string) => Found | undefined,
): Promise<string> {
  const { files, folder, log } = ports;
  const staging = `${folder}/${COMING}${ports.newKey()}`;
  try {
    await files.ensurePrivateDir(folder);
    await tidyInstalled(ports);
    await files.ensurePrivateDir(staging);
    const root = await stage(ports, request, staging);
    const place = { path: staging, origin: "installed" } as const;
    const staged = await lookAt(files, { path: root, place });
    if (staged.problem !== undefined) throw new RpcError("forbidden", staged.problem);
    const old = mayReplace(foundOf(staged.id), request.replace === true);
    await fetchDependencies(ports, root);
    const doubt = await doubtAbout(files, root);
    if (doubt !== undefined) throw new RpcError("forbidden", doubt);
    await put(ports, { root, id: staged.id, old });
    log.info("plugin installed", {
      plugin: staged.id,
      version: staged.manifest.version,
      from: request.source,
    });
    return staged.id;
  } catch (error) {
    const code = error instanceof RpcError ? error.code : "unavailable";
    const words = messageOf(error).replaceAll(`${staging}/`, "");
    throw new RpcError(code, `Cannot install plugin from "${request.source}": ${words}`, { cause: error });
  } finally {
    await drop(ports, staging);
  }
}

/** Takes an installed plugin's folder away, whole. @returns whether there was one */
export async function removeInstalled(ports: InstallPorts, path: string): Promise<boolean> {
  const { files, folder, newKey } = ports;
  const old = `${folder}/${GOING}${newKey()}`;
  try {
    if (!(await files.rename(path, old))) return false;
    await drop(ports, old);
    return true;
  } catch (error) {
    throw new RpcError("unavailable", messageOf(error), { cause: error });
  }
}

/** The plugin's own folder below `staging`. */
async function stage(ports: InstallPorts, request: InstallRequest, staging: string): Promise<string> {
  const { files } = ports;
  const inside = `${staging}/plugin`;
  const named = packageOf(request.source);
  if (named) {
    const scratch = `${staging}/package`;
    await files.ensurePrivateDir(scratch);
    const fetched = await fetchPackage(ports, named, scratch);
    if ("archive" in fetched) return unpackFile(ports, { ...request, source: fetched.archive }, inside);
    needIntegrity(request, fetched.integrity);
    await copyTree(files, fetched.folder, inside);
    return inside;
  }
  const source = expandHome(request.source, ports.home);
  if (!source.startsWith("/"))
    throw new RpcError("not_found", "wanted an absolute path, or npm:NAME@VERSION");
  const found = await files.stat(source);
  if (!found) throw new RpcError("not_found", "there is nothing");
  if (found.kind !== "directory") return unpackFile(ports, { ...request, source }, inside);
  if (request.integrity !== undefined)
    throw new RpcError("forbidden", "integrity is for archives and packages, and this is a folder");
  await copyTree(files, (await files.realPath(source)) ?? source, inside);
  return inside;
}

async function unpackFile(ports: InstallPorts, request: InstallRequest, inside: string): Promise<string> {
  const { files } = ports;
  const archive = await files
    .readBytes(request.source, LIMITS.pluginFilesBytesMax)
    .catch((error: unknown) => {
      throw new RpcError("forbidden", messageOf(error));
    });
  if (!archive) throw new RpcError("not_found", "there is nothing");
  if (request.integrity !== undefined) needIntegrity(request, await sha512(archive));
  await unpackTgz(files, archive, inside);
  // Archives of packages have everything in one folder, and so have most others.
  const names = await files.list(inside);
  return names.length === 1 && !names.includes(MANIFEST) ? `${inside}/${names[0]}` : inside;
}

async function sha512(bytes: Uint8Array): Promise<string> {
  const sum = await crypto.subtle.digest("SHA-512", Uint8Array.from(bytes));
  return `sha512-${new Uint8Array(sum).toBase64()}`;
}

function needIntegrity({ integrity }: InstallRequest, actual: string | undefined): void {
  if (integrity === undefined || integrity === actual) return;
  const has = actual === undefined ? "its sum cannot be told" : `it has ${actual}`;
  throw new RpcError("forbidden", `it is not what was wanted: ${has}`);
}

/** @returns the folder whose place it takes */
function mayReplace(found: Found | undefined, isWanted: boolean): string | undefined {
  if (!found) return undefined;
  const { id, origin, folder } = found;
  const refuse = (because: string): never => {
    throw new RpcError("conflict", because);
  };
  if (!folder) return refuse(`"${id}" is part of the gateway`);
  if (origin === "path") refuse(`plugins.paths has "${id}" already, in "${folder.path}"`);
  if (origin === "package") refuse(`"${id}" is a package, in "${folder.path}"; it has to be removed first`);
  if (!isWanted) refuse(`"${id}" is installed already; replace takes its place`);
  return folder.path;
}

interface Move {
  readonly root: string;
  readonly id: string;
  readonly old: string | undefined;
}

/** Two names change; when the second cannot, the first is changed back. */
async function put(ports: InstallPorts, { root, id, old }: Move): Promise<void> {
  const { files, folder, newKey } = ports;
  const target = `${folder}/${id}`;
  if (old !== target && (await files.stat(target)))
    throw new RpcError("conflict", `there is something in "${target}" already`);
  const aside = `${folder}/${ASIDE}${newKey()}.${id}`;
  if (old !== undefined) await files.rename(old, aside);
  try {
    await files.rename(root, target);
  } catch (error) {
    if (old !== undefined) await files.rename(aside, old);
    throw error;
  }
  if (old !== undefined) await drop(ports, aside);
}

/**
 * Puts right what a killed gateway has left: a plugin that was aside comes back unless another has its place,
 * the rest goes. Not while something is installed.
 */
export async function tidyInstalled(ports: Pick<InstallPorts, "files" | "folder" | "log">): Promise<void> {
  const { files, folder } = ports;
  for (const name of await files.list(folder)) {
    const path = `${folder}/${name}`;
    const id = name.startsWith(ASIDE) ? name.slice(name.indexOf(".", ASIDE.length) + 1) : "";
    if (isPluginId(id) && !(await files.stat(`${folder}/${id}`))) await files.rename(path, `${folder}/${id}`);
    else if ([COMING, ASIDE, GOING].some((prefix) => name.startsWith(prefix))) await drop(ports, path);
  }
}

/** What is left over harms nobody, and goes another time. */
async function drop({ files, log }: Pick<InstallPorts, "files" | "log">, directory: string): Promise<void> {
  await files.removeDir(directory).catch((error: unknown) => {
    log.warn("files of a plugin left over", { directory, error: messageOf(error) });
  });
}
