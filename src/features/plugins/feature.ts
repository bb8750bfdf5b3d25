import type { Feature } from "../../feature.ts";
import {
  type Grants,
  type InstallRequest,
  type PluginInfo,
  pluginsContract,
  type PluginState,
  type PluginSummary,
} from "./contract.ts";

/** Who has the plugins. Fails with `RpcError`s of the codes that the contract names. */
export interface PluginsManager {
  list(): Promise<readonly PluginSummary[]>;
  info(id: string): Promise<PluginInfo>;
  enable(id: string, grants: Grants | undefined): Promise<PluginInfo>;
  disable(id: string): Promise<PluginSummary>;
  reload(id: string): Promise<PluginSummary>;
  install(request: InstallRequest): Promise<PluginInfo>;
  remove(id: string, options: { readonly data: boolean }): Promise<{ readonly removed: boolean }>;
}

export interface PluginsParts {
  /** The configuration of plugins is another one, or new. */
  configure(): void;
  /** Made when somebody asks for the first time. */
  manager(): Promise<PluginsManager>;
  /** Told of each state that is new. */
  onChanged(work: (id: string, state: PluginState, error: string | undefined) => void): void;
}

export function createPluginsFeature(parts: PluginsParts): Feature {
  const { manager } = parts;
  return pluginsContract.implement((ctx) => {
    parts.onChanged((id, state, error) =>
      ctx.publish("plugins.changed", { id, state, ...(error !== undefined && { error }) }, { key: id }),
    );
    parts.configure();
    return {
      handlers: {
        "plugins.list": async () => ({ plugins: [...(await (await manager()).list())] }),
        "plugins.info": async ({ id }) => (await manager()).info(id),
        "plugins.enable": async ({ id, grants }) => (await manager()).enable(id, grants),
        "plugins.disable": async ({ id }) => (await manager()).disable(id),
        "plugins.reload": async ({ id }) => (await manager()).reload(id),
        "plugins.install": async (request) => (await manager()).install(request),
        "plugins.remove": async ({ id, data }) => ({
          id,
          ...(await (await manager()).remove(id, { data: data === true })),
        }),
      },
    };
  });
}
