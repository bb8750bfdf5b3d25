import { registerHooks } from "node:module";
import { pathToFileURL } from "node:url";

import type { PluginLoader } from "../ports.ts";
import { codeOf } from "./failures.ts";

/** What plugins import by name: it is what we use ourselves. */
const NAMES = ["gateway/plugin", "gateway/plugin/testing", "zod"];

/** Only in the map: our own package has the names of plugins without it, for us and for nobody else. */
const MARK = "gateway/mapped";

/**
 * What a process of plugins is started with so that code that it loads finds these names, and its own
 * packages. Settings that lie beside a plugin, or us, do not count.
 */
export function pluginFlags(): readonly string[] {
  const places = [
    new URL("../plugins/api.ts", import.meta.url).href,
    new URL("../plugins/testing.ts", import.meta.url).href,
    import.meta.resolve("zod"),
    import.meta.url,
  ];
  const imports = Object.fromEntries([...NAMES, MARK].map((name, index) => [name, places[index]]));
  const map = encodeURIComponent(JSON.stringify({ imports }));
  return [
    "--quiet",
    "--no-config",
    "--no-lock",
    "--node-modules-dir=manual",
    // Names without their ends, as other runtimes take them.
    "--sloppy-imports",
    `--import-map=data:application/json,${map}`,
  ];
}

/**
 * In a thread of its own: the main one finds the end of its input when the gateway is gone, unless a plugin
 * spins there. Nothing else of the runtime's ends all threads.
 */
const WATCH = `
import process from "node:process";
const look = () => Deno.ppid === GATEWAY || process.kill(process.pid, "SIGKILL");
setInterval(look, 1000);
`;

let hasLoaded = false;

/** Into a process that was started for it: the names are given at its start, and no code is forgotten. */
export const denoPlugins: PluginLoader = {
  loadsOnce: true,
  async load(entry) {
    if (!isMapped())
      throw new Error("on Deno a plugin runs in a process of plugins, with isolation process or own");
    if (hasLoaded) throw new Error("its process has loaded a plugin before");
    hasLoaded = true;
    const watch = WATCH.replace("GATEWAY", String(Deno.ppid));
    new Worker(`data:application/javascript,${encodeURIComponent(watch)}`, { type: "module" });
    // The map is not for packages.
    registerHooks({
      resolve: (name, context, next) =>
        NAMES.includes(name) ? { url: import.meta.resolve(name), shortCircuit: true } : next(name, context),
    });
    // Timers and servers of it end with the process, and so does its code.
    return { exports: await load(entry), run: (work, ...args) => work(...args), dispose: () => {} };
  },
};

async function load(entry: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(pathToFileURL(entry).href)) as Record<string, unknown>;
  } catch (error) {
    // Deno's code for all that it cannot read.
    const isUnread = codeOf(error) === "ERR_MODULE_NOT_FOUND" || error instanceof SyntaxError;
    throw isUnread && error instanceof Error ? shortened(error) : error;
  }
}

/** Below its first line Deno shows the code and gives advice, and the place is in the stack as well. */
function shortened(error: Error): Error {
  const [first = ""] = error.message.split("\n");
  const told = new Error(first.replace(/ at file:\S+:\d+:\d+$/, ""), { cause: error });
  if (error.stack !== undefined) told.stack = error.stack;
  return told;
}

function isMapped(): boolean {
  try {
    return import.meta.resolve(MARK) === import.meta.url;
  } catch {
    // There is no such name.
    return false;
  }
}
