import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Files } from "../../ports.ts";
import { bytesOf } from "../find/code.ts";

type FilesToFill = Pick<Files, "tree" | "readBytes" | "writeBytes">;

const NAME_CHARS_MAX = 1_024;

/**
 * What is no part of a plugin's code: histories, links to programs nobody of ours calls, and settings of the
 * programs that fetch packages, which could name a program to run or a registry to ask.
 */
const LEFT_OUT = /(?:^|\/)(?:\.git|node_modules\/\.bin|\.npmrc|\.yarnrc(?:\.yml)?|bunfig\.toml)(?:\/|$)/i;

/**
 * Copies a folder's files, private, into a new one.
 *
 * @throws RpcError `forbidden` for links and what is no file, `too_large`
 */
export async function copyTree(files: FilesToFill, from: string, to: string): Promise<void> {
  const found = await files.tree(from, LIMITS.pluginFilesMax).catch((error: unknown) => {
    throw new RpcError("too_large", messageOf(error));
  });
  const wanted = found.filter(({ path }) => !LEFT_OUT.test(path));
  if (bytesOf(wanted) > LIMITS.pluginFilesBytesMax) throw tooLarge();
  let left: number = LIMITS.pluginFilesBytesMax;
  for (const { path, kind, isExecutable } of wanted) {
    if (kind === "directory") continue;
    if (kind !== "file") throw refused(`"${path}" in it is ${kind === "link" ? "a link" : "no file"}`);
    const bytes = await files.readBytes(`${from}/${path}`, left);
    if (!bytes) throw refused(`"${path}" in it is gone`);
    left -= bytes.length;
    await files.writeBytes(`${to}/${path}`, bytes, { isExecutable });
  }
}

/**
 * Puts the files of a `.tgz` into a new folder, private.
 *
 * @throws RpcError `forbidden` for names that lead elsewhere, links, devices and what is no archive;
 *   `too_large`
 */
export async function unpackTgz(files: FilesToFill, archive: Uint8Array, to: string): Promise<void> {
  const { createTarDecoder } = await import("modern-tar");
  const inflated = new Blob([Uint8Array.from(archive)])
    .stream()
    .pipeThrough(new DecompressionStream("gzip"))
    .pipeThrough(bounded())
    .pipeThrough(createTarDecoder({ strict: true }));
  let count = 0;
  try {
    for await (const { header, body } of inflated) {
      if (++count > LIMITS.pluginFilesMax) throw tooLarge();
      const name = nameOf(header.name);
      const { type = "file" } = header;
      if (type === "directory" || type === "pax-global-header" || LEFT_OUT.test(name)) {
        await body.cancel();
        continue;
      }
      if (type !== "file") throw refused(`"${name}" in it is no file: ${type}`);
      const bytes = new Uint8Array(await new Response(body).arrayBuffer());
      await files.writeBytes(`${to}/${name}`, bytes, { isExecutable: ((header.mode ?? 0) & 0o100) !== 0 });
    }
  } catch (error) {
    throw error instanceof RpcError ? error : refused(messageOf(error));
  }
}

/** @throws RpcError `forbidden` */
function nameOf(given: string): string {
  const name = given.replace(/^(?:\.\/)+/, "").replace(/\/$/, "");
  const parts = name.split("/");
  // Control characters have no place in a name, and would end up in logs.
  const isOdd = given.startsWith("/") || /[\\\p{Cc}]/u.test(name) || name.length > NAME_CHARS_MAX;
  const leadsOut = name !== "." && name !== "" && parts.some((part) => ["", ".", ".."].includes(part));
  if (isOdd || leadsOut) throw refused(`it has the name ${JSON.stringify(given.slice(0, 200))}`);
  return name;
}

function bounded(): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0;
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.length;
      if (bytes > LIMITS.pluginFilesBytesMax) controller.error(tooLarge());
      else controller.enqueue(chunk);
    },
  });
}

function tooLarge(): RpcError {
  const mebibytes = LIMITS.pluginFilesBytesMax / 1024 / 1024;
  return new RpcError("too_large", `it has more than ${mebibytes} MiB or ${LIMITS.pluginFilesMax} files`);
}

function refused(because: string): RpcError {
  return new RpcError("forbidden", because);
}
