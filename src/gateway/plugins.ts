import { isProvider } from "../agents/providers.ts";
import { NO_TOOLS, type ToolSource } from "../agents/tools.ts";
import type { PluginAgents } from "../agents/runtime.ts";
import type { Config } from "../config/schema.ts";
import { errorText, RpcError } from "../contract/errors.ts";
import type { Feature, Lifetime } from "../feature.ts";
import { channelsContract } from "../features/channels/contract.ts";
import type { PluginState } from "../features/plugins/contract.ts";
import { createPluginsFeature } from "../features/plugins/feature.ts";
import { type Hooks, NO_HOOKS } from "../hooks.ts";
import type { PluginRoutes } from "../http/plugins.ts";
import { mayRunPlugins } from "../plugins/find/auto-enable.ts";
import { BUNDLED, rulesOf } from "../plugins/bundled.ts";
import type { Platform } from "../ports.ts";
import { VERSION } from "../version.ts";
import type { Loaded } from "./configuration.ts";
import { withDevelopment } from "./development.ts";
import { lazyFeature } from "./lazy-feature.ts";
import type { PluginWorld } from "./plugin-world.ts";
import type { Core } from "./runtime-state.ts";

/** Plugins as the rest of the gateway knows them: their code is loaded when one is wanted, or asked for. */
export interface Plugins {
  readonly features: (core: Core) => readonly Feature[];
  readonly hooks: Hooks;
  readonly tools: ToolSource;
  readonly agents: PluginAgents;
  /** Undefined while there are none. */
  routes(): PluginRoutes | undefined;
  /** From here on what the configuration wants is started. */
  attach(): void;
  /** What has not started yet. */
  waiting(): string[];
  /** Resolves when everything that was wanted has started, or cannot. */
  settled(): Promise<void>;
  /** Tells those that listen. */
  stopping(reason: string): void;
}

/** Sections of the configuration that are for plugins. */
export const SECTIONS_OF_PLUGINS: readonly string[] = ["plugins", "channels", "hooks", "cron"];

type Changed = (id: string, state: PluginState, error: string | undefined) => void;

interface PluginsParts {
  readonly platform: Platform;
  readonly loaded: Loaded;
  readonly lifetime: Lifetime;
}

export function createPlugins({ platform, loaded, lifetime }: PluginsParts): Plugins {
  const { store, log, development } = loaded;
  const section = (): Config["plugins"] => withDevelopment(store.current().plugins, development);
  const surroundings = surroundingsOf(loaded);
  let changed: Changed = () => {};
  let core: Core | undefined;
  let phase: "before" | "on" | "over" = "before";
  let world: PluginWorld | undefined;
  let making: Promise<PluginWorld> | undefined;
  let configuring = 0;
  let last: Promise<void> = Promise.resolve();

  async function make(): Promise<PluginWorld> {
    if (!core) throw new RpcError("unavailable", "Cannot reach plugins: the gateway has not started yet");
    const { createPluginWorld } = await import("./plugin-world.ts");
    // Nobody would stop what was started from here on.
    if (phase === "over") throw new RpcError("unavailable", "Cannot reach plugins: the gateway stops");
    return (world = createPluginWorld({
      platform,
      loaded,
      core,
      section,
      settingsAt: surroundings.settingsAt,
      isProvider: (name) => isProvider(name, store.current()),
      onChanged: (id, state, error) => changed(id, state, error),
    }));
  }
  const made = (): Promise<PluginWorld> =>
    (making ??= make().catch((error: unknown) => {
      making = undefined;
      throw error;
    }));

  function configure(): void {
    if (phase !== "on" || (!making && !mayRunPlugins(section(), BUNDLED.flatMap(rulesOf), surroundings)))
      return;
    configuring++;
    last = made()
      .then(({ manager }) => manager.configure())
      .catch((error: unknown) => {
        if (phase !== "over") log.error("plugins not started", { error: errorText(error) });
      })
      .finally(() => void configuring--);
  }

  const surface = surfaceOf(() => world);
  const { hooks } = surface;
  return {
    ...surface,
    features(given) {
      core = given;
      return [
        createPluginsFeature({
          // Also called for a configuration that is taken back a moment later: what is in force then counts.
          configure: () => void Promise.resolve().then(configure),
          manager: async () => (await made()).manager,
          onChanged: (work) => void (changed = work),
        }),
        lazyFeature(channelsContract, async () => (await made()).channels),
      ];
    },
    attach() {
      phase = "on";
      lifetime.onStop(() => ((phase = "over"), world?.stop()));
      configure();
      void last.then(() => hooks.tell("gateway_start", { version: VERSION }));
    },
    waiting: () => (configuring > 0 ? ["plugins"] : []),
    settled: () => last,
    stopping: (reason) => hooks.tell("gateway_stop", { reason }),
  };
}

/** What plugins offer the rest of the gateway: nothing while there is none. */
function surfaceOf(
  world: () => PluginWorld | undefined,
): Pick<Plugins, "hooks" | "tools" | "agents" | "routes"> {
  return {
    hooks: {
      has: (name) => world()?.hooks.has(name) ?? false,
      ask: (name, event) => (world()?.hooks ?? NO_HOOKS).ask(name, event),
      tell: (name, event) => world()?.hooks.tell(name, event),
    },
    tools: { open: async (environment) => world()?.tools.open(environment) ?? NO_TOOLS },
    agents: {
      has: (id) => world()?.agents.has(id) ?? false,
      async open(id, environment) {
        const runtime = world()?.agents.open(id, environment);
        if (runtime) return runtime;
        throw new RpcError("not_found", `Cannot open model "${id}/${environment.model}": no plugin has it`);
      },
    },
    routes: () => world()?.routes,
  };
}

function surroundingsOf({ store }: Loaded) {
  return {
    settingsAt: (path: string) => settingsAt(store.current(), path),
    env: (name: string) => store.environment()[name],
  };
}

function settingsAt(config: Config, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>(
      (value, key) =>
        typeof value === "object" && value !== null && Object.hasOwn(value, key)
          ? (value as Readonly<Record<string, unknown>>)[key]
          : undefined,
      config,
    );
}
