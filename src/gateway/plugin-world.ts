import type { PluginAgents } from "../agents/runtime.ts";
import type { ToolSource } from "../agents/tools.ts";
import type { Config } from "../config/schema.ts";
import { expandHome } from "../config/values.ts";
import type { Feature } from "../feature.ts";
import { type Channels, createChannels } from "../features/channels/channels.ts";
import { channelsContract } from "../features/channels/contract.ts";
import type { Isolation, PluginState } from "../features/plugins/contract.ts";
import { PluginValues } from "../features/plugins/values.ts";
import type { Hooks } from "../hooks.ts";
import type { PluginRoutes } from "../http/plugins.ts";
import { BUNDLED } from "../plugins/bundled.ts";
import { createCapable } from "../plugins/gate/capable.ts";
import type { Place } from "../plugins/find/found.ts";
import { createGates } from "../plugins/gate/gate.ts";
import { createHosts, type Hosts } from "../plugins/host/hosts.ts";
import { createInProcess } from "../plugins/run/in-process.ts";
import { PluginManager } from "../plugins/life/manager.ts";
import { PluginRegistry } from "../plugins/serve/registry.ts";
import { createPluginRoutes } from "../plugins/serve/routes.ts";
import type { PluginGate, PluginStart, RunningPlugin } from "../plugins/running.ts";
import type { Platform } from "../ports.ts";
import { withBundled } from "../plugins/run/bundled-loader.ts";
import type { Loaded } from "./configuration.ts";
import { editConfiguration } from "./edit-configuration.ts";
import type { Core } from "./runtime-state.ts";

/** Everything about plugins, once somebody wants one. */
export interface PluginWorld {
  readonly manager: PluginManager;
  readonly channels: Feature;
  readonly hooks: Hooks;
  readonly tools: ToolSource;
  readonly agents: PluginAgents;
  readonly routes: PluginRoutes;
  stop(): Promise<void>;
}

interface WorldParts {
  readonly platform: Platform;
  readonly loaded: Loaded;
  readonly core: Core;
  readonly section: () => Config["plugins"];
  readonly settingsAt: (path: string) => unknown;
  /** A provider of models that is not a plugin's. */
  readonly isProvider: (name: string) => boolean;
  readonly onChanged: (id: string, state: PluginState, error: string | undefined) => void;
}

/** Below the state directory: each folder in it is a plugin, and packages that were installed there. */
const FOLDER = "plugins";

export function createPluginWorld(parts: WorldParts): PluginWorld {
  const { platform, loaded, core, section, settingsAt, isProvider, onChanged } = parts;
  const { files, process, clock, timers, crypto } = platform;
  const { store, log } = loaded;
  const { home } = process;
  const ports = { files, process, clock, timers, crypto, log, home };
  const folder = `${store.paths.stateDir}/${FOLDER}`;
  const places = (): readonly Place[] => placesOf(section(), { folder, home });

  const registry = new PluginRegistry(ports);
  const channels = channelsOf(parts, registry);
  registry.attach({ table: core.table, channels, isProvider });

  const values = new PluginValues({ ...core, log });
  const gates = createGates({
    ...ports,
    ...core,
    values,
    sessionOfRun: (runId) => core.sessions.byId(core.journal.find(runId)?.sessionDbId ?? "")?.key,
    channelsOf: (id) => registry.get(id)?.offers.channels.map((channel) => channel.id) ?? [],
    receive: (...message) => channels.receive(...message),
  });
  const starters = createStarters({ ...ports, platform, places, env: () => store.environment() });

  const manager = new PluginManager({
    ...ports,
    folder,
    newKey: () => crypto.id(),
    startProgram: (options) => process.startProgram(options),
    places,
    settingsAt,
    config: section,
    env: (name) => store.environment()[name],
    bundled: BUNDLED,
    start: starters.start,
    gate: gates,
    swap: (id, next, grants) => registry.swap(id, next, grants),
    facts: (id) => starters.hosts()?.facts(id),
    held: (id) => starters.hosts()?.held(id) ?? [],
    edit: (changes) => editConfiguration(core.dispatcher, changes),
    dropValues: (id) => values.drop(id),
    onAccount: ({ channel, accountId }, { state, detail }) => {
      // An account that runs is connecting until its channel says more.
      if (state === "running") return;
      channels.state(channel, accountId, { state, ...(detail !== undefined && { detail }) });
    },
    onChanged,
  });

  return {
    manager,
    channels: channels.feature,
    hooks: registry.hooks,
    tools: registry.tools,
    agents: {
      has: (id) => registry.hasAgent(id),
      open: (id, environment) => registry.openAgent(id, environment),
    },
    routes: createPluginRoutes((id) => registry.get(id)),
    async stop() {
      try {
        // What is being sent, and what is being told, is on its way through a plugin.
        await Promise.all([channels.stop(), registry.hooks.told()]);
      } finally {
        await manager.stop();
        await starters.hosts()?.stop();
      }
    },
  };
}

function placesOf(
  { paths }: Config["plugins"],
  { folder, home }: { readonly folder: string; readonly home: string },
): Place[] {
  return [
    ...paths.map((path) => ({ path: expandHome(path, home), origin: "path" as const })),
    { path: folder, origin: "installed" },
    { path: `${folder}/node_modules`, origin: "package" },
  ];
}

function channelsOf({ platform, loaded, core, isProvider }: WorldParts, registry: PluginRegistry): Channels {
  const { clock, timers, crypto } = platform;
  return createChannels({
    ...core,
    clock,
    timers,
    crypto,
    log: loaded.log,
    hooks: registry.hooks,
    publish: core.hub.publisher(channelsContract),
    resetTriggers: () => loaded.store.current().session.resetTriggers,
    isProvider: (name) => isProvider(name) || registry.hasAgent(name),
  });
}

interface StarterPorts extends Pick<Platform, "files" | "process" | "clock" | "timers" | "crypto"> {
  readonly platform: Platform;
  readonly log: Loaded["log"];
  readonly home: string;
  readonly places: () => readonly Place[];
  readonly env: () => Readonly<Record<string, string | undefined>>;
}

/** Who starts plugins here, and in processes of their own, which there are none of before the first. */
function createStarters(ports: StarterPorts) {
  const { platform, places, env, crypto } = ports;
  const here = createInProcess({
    ...ports,
    loader: withBundled(platform.plugins, BUNDLED),
    newKey: () => crypto.id(),
    capable: (start, gate, signal) => createCapable(ports, { start, gate, signal }),
  });
  let hosts: Hosts | undefined;
  const start = (isolation: Isolation, plugin: PluginStart, gate: PluginGate): Promise<RunningPlugin> => {
    if (isolation === "none") return here(plugin, gate);
    hosts ??= createHosts({
      ...ports,
      loader: platform.plugins,
      env: env(),
      places: () => places().map(({ path }) => path),
    });
    return hosts.start(isolation, plugin, gate);
  };
  return { start, hosts: () => hosts };
}
