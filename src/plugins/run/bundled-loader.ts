import type { PluginLoader } from "../../ports.ts";
import { BUNDLED_ENTRY, type BundledPlugin } from "../bundled.ts";

/**
 * The loader, and before it plugins that are part of the gateway: their code is the gateway's own, loaded
 * once, and what nobody catches in it is the gateway's error as well.
 */
export function withBundled(loader: PluginLoader, bundled: readonly BundledPlugin[]): PluginLoader {
  return {
    ...loader,
    async load(entry, options) {
      const plugin = bundled.find(({ id }) => entry === `${BUNDLED_ENTRY}${id}`);
      if (!plugin) return loader.load(entry, options);
      const exports = { ...(await plugin.load()) };
      return { exports, run: (work, ...args) => work(...args), dispose: () => {} };
    },
  };
}
