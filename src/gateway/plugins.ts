import { expandHome } from "../config/values.ts";
import type { Config } from "../config/schema.ts";
import { errorText } from "../contract/errors.ts";
import type { Feature, Lifetime } from "../feature.ts";
import { createPluginsFeature } from "../features/plugins/feature.ts";
import type { PluginState } from "../features/plugins/contract.ts";
import type { PluginManager } from "../plugins/manager.ts";
import type { Platform } from "../ports.ts";
import type { Hub } from "../rpc/hub.ts";
import type { Table } from "../rpc/table.ts";
import type { Loaded } from "./configuration.ts";

/** Plugins, and the methods about them. */
export interface Plugins {
  readonly feature: Feature;
  /** From here on they have somebody to offer to: what the configuration wants is started. */
  attach(places: { readonly table: Table; readonly hub: Hub }): void;
  /** What has not started yet. */
  waiting(): string[];
  /** Resolves when everything that was wanted has started, or cannot. */
  settled(): Promise<void>;
}

/** Below the state directory: each folder in it is a plugin. */
const FOLDER = "plugins";

type Changed = (id: string, state: PluginState, error: string | undefined) => void;

/** The code that loads plugins is loaded when one is wanted, or somebody asks. */
export function createPlugins(platform: Platform, { store, log }: Loaded, lifetime: Lifetime): Plugins {
  const { files, process, clock, timers } = platform;
  const section = (): Config["plugins"] => store.current().plugins;
  const places = (): string[] => [
    ...section().paths.map((path) => expandHome(path, process.home)),
    `${store.paths.stateDir}/${FOLDER}`,
  ];
  let changed: Changed = () => {};
  let attached: { readonly table: Table; readonly hub: Hub } | undefined;
  let making: Promise<PluginManager> | undefined;
  let configuring = 0;
  let last: Promise<void> = Promise.resolve();

  async function make(): Promise<PluginManager> {
    if (!attached) throw new Error("plugins have no place yet");
    const { PluginManager: Manager } = await import("../plugins/manager.ts");
    return new Manager({
      ...attached,
      files,
      clock,
      timers,
      log,
      places,
      loader: platform.plugins,
      config: section,
      onChanged: (...told) => changed(...told),
    });
  }
  const manager = (): Promise<PluginManager> => (making ??= make());

  function configure(): void {
    const isWanted = Object.values(section().entries).some(({ enabled }) => enabled === true);
    if (!attached || (!isWanted && !making)) return;
    configuring++;
    last = manager()
      .then((made) => made.configure())
      .catch((error: unknown) => log.error("plugins not started", { error: errorText(error) }))
      .finally(() => void configuring--);
  }

  const feature = createPluginsFeature({
    // Also called for a configuration that is taken back a moment later: what is in force then counts.
    configure: () => void Promise.resolve().then(configure),
    list: async () => (await manager()).list(),
    reload: async (id) => (await manager()).reload(id),
    onChanged: (work) => void (changed = work),
  });

  return {
    feature,
    attach(given) {
      attached = given;
      lifetime.onStop(async () => (await making)?.stop());
      configure();
    },
    waiting: () => (configuring > 0 ? ["plugins"] : []),
    settled: () => last,
  };
}
