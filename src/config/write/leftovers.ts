import type { Files } from "../../ports.ts";
import { directoryOf } from "../tree/file-names.ts";

/** What `Files.replace` writes before it renames, left behind by a process that was killed in between. */
const LEFTOVER = /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/;

/** Half a file of nobody's: never read, never put back. */
export function isLeftover(name: string): boolean {
  return LEFTOVER.test(name);
}

/** Takes away what is left of earlier writes of these files. Only while no other program writes them. */
export async function removeLeftovers(
  files: Pick<Files, "list" | "remove">,
  paths: Iterable<string>,
): Promise<void> {
  const written = new Set(paths);
  for (const directory of new Set([...written].map(directoryOf))) {
    for (const name of await files.list(directory)) {
      const path = directory === "/" ? `/${name}` : `${directory}/${name}`;
      if (isLeftover(name) && written.has(path.replace(LEFTOVER, ""))) await files.remove(path);
    }
  }
}
