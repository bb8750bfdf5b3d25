import type { PluginLoader } from "../ports.ts";

/** Each load in a module graph of its own: fresh code, and all that it opened closed with it. */
export const bunPlugins: PluginLoader = {
  loadsOnce: false,
  async load(entry, { onError, globals }) {
    await (offered ??= offer());
    const graph = new Bun.ModuleGraph({ onError, globals: { ...globals } });
    try {
      const exports = await graph.import<Record<string, unknown>>(entry);
      return {
        exports,
        run: graph.run.bind(graph),
        dispose: () => graph.dispose(),
      };
    } catch (error) {
      graph.dispose();
      throw error;
    }
  },
};

let offered: Promise<void> | undefined;

/**
 * What plugins import by name: once in memory, for all of them. In the binary their zod is a copy of its own,
 * whole: of ours it has only what we use, which every start loads.
 */
async function offer(): Promise<void> {
  const [{ offered: api }, zod] = await Promise.all([import("../plugins/offered.ts"), import("#plugin-zod")]);
  Bun.plugin({
    name: "gateway",
    setup(build) {
      build.module("gateway/plugin", () => ({ exports: { ...api, z: zod.z }, loader: "object" }));
      build.module("zod", () => ({ exports: { ...zod }, loader: "object" }));
    },
  });
}
