import type { PluginLoader } from "../ports.ts";

/**
 * None yet: what a plugin imports as `gateway/plugin` cannot be given to code that this runtime loads while
 * it runs, as its own resolver answers before the hooks of `node:module`.
 */
export const denoPlugins: PluginLoader = {
  load: () =>
    Promise.reject(new Error("plugins are loaded by Bun and by the built program, not by Deno yet")),
};
