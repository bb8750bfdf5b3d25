import { type Directories, nodeDirectories } from "./files.ts";

/** What we use of `@std/fs`. */
interface StdFs {
  ensureDir(path: string): Promise<void>;
}

/** A variable, so that no tool tries to fetch it: the alias is in `deno.json`, and it may be out of reach. */
const specifier: string = "@std/fs";

/** The start does not wait longer than this for a library that has a substitute. */
const loadMsMax = 250;

/** Directories through `@std/fs`, where it can be loaded, else through `node:fs`. */
export function stdDirectories(): Directories {
  let loading: Promise<Directories> | undefined;
  return {
    async ensure(path) {
      const directories = await (loading ??= loadInTime());
      await directories.ensure(path);
    },
  };
}

async function loadInTime(): Promise<Directories> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Directories>((resolve) => {
    timer = setTimeout(() => resolve(nodeDirectories), loadMsMax);
  });
  try {
    return await Promise.race([load(), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function load(): Promise<Directories> {
  try {
    const loaded: unknown = await import(specifier);
    return isStdFs(loaded) ? { ensure: (path) => loaded.ensureDir(path) } : nodeDirectories;
  } catch {
    // Neither in the cache nor in reach.
    return nodeDirectories;
  }
}

function isStdFs(loaded: unknown): loaded is StdFs {
  return typeof loaded === "object" && loaded !== null && "ensureDir" in loaded;
}
