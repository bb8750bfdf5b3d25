import type { Feature } from "../../feature.ts";
import { pluginsContract, type PluginState, type PluginSummary } from "./contract.ts";

export interface PluginsParts {
  /** The configuration of plugins is another one, or new. */
  configure(): void;
  list(): Promise<readonly PluginSummary[]>;
  /** @throws RpcError `not_found`, `conflict`, `unavailable` */
  reload(id: string): Promise<PluginSummary>;
  /** Told of each state that is new. */
  onChanged(work: (id: string, state: PluginState, error: string | undefined) => void): void;
}

export function createPluginsFeature(parts: PluginsParts): Feature {
  return pluginsContract.implement((ctx) => {
    parts.onChanged((id, state, error) =>
      ctx.publish("plugins.changed", { id, state, ...(error !== undefined && { error }) }, { key: id }),
    );
    parts.configure();
    return {
      handlers: {
        "plugins.list": async () => ({ plugins: [...(await parts.list())] }),
        "plugins.reload": ({ id }) => parts.reload(id),
      },
    };
  });
}
