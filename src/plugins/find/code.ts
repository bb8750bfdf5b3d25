import { LIMITS } from "../../contract/limits.ts";
import type { Files, TreeEntry } from "../../ports.ts";

type FilesOfCode = Pick<Files, "tree" | "readBytes">;

/**
 * Why the code below a directory cannot be trusted: others could change a file, or a link leads out of it.
 * Undefined: it can.
 *
 * @param directory without links
 */
export async function doubtAbout(files: FilesOfCode, directory: string): Promise<string | undefined> {
  for (const entry of await files.tree(directory, LIMITS.pluginFilesMax)) {
    const full = `${directory}/${entry.path}`;
    if (entry.doubt !== undefined) return `"${full}" ${entry.doubt}`;
    if (entry.kind !== "link") continue;
    if (entry.leadsTo !== undefined && !entry.leadsTo.startsWith(`${directory}/`))
      return `"${full}" is a link to "${entry.leadsTo}", outside its folder`;
  }
  return undefined;
}

/** SHA-256 over names and contents of all files, hex; undefined for more than a plugin may have. */
export async function digestOf(files: FilesOfCode, directory: string): Promise<string | undefined> {
  try {
    const entries = await files.tree(directory, LIMITS.pluginFilesMax);
    const listed = entries.filter(({ kind }) => kind === "file" || kind === "link");
    if (bytesOf(listed) > LIMITS.pluginFilesBytesMax) return undefined;
    const lines: string[] = [];
    for (const { path, kind, leadsTo } of listed) {
      if (kind === "link") lines.push(`link ${JSON.stringify([path, leadsTo ?? ""])}`);
      else lines.push(`${await fileDigest(files, `${directory}/${path}`)} ${JSON.stringify(path)}`);
    }
    return await hexDigest(new TextEncoder().encode(lines.join("\n")));
  } catch {
    // Somebody is at work in there: what it is now is not what it will be.
    return undefined;
  }
}

export function bytesOf(entries: readonly TreeEntry[]): number {
  return entries.reduce((sum, { bytes }) => sum + bytes, 0);
}

async function fileDigest(files: FilesOfCode, path: string): Promise<string> {
  return hexDigest((await files.readBytes(path, LIMITS.pluginFilesBytesMax)) ?? new Uint8Array());
}

async function hexDigest(bytes: Uint8Array): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from(bytes))).toHex();
}
