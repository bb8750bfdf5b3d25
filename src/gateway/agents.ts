import { messageOf } from "../contract/errors.ts";
import type { Catalog } from "../agents/catalog.ts";
import { createDetector } from "../agents/detect.ts";
import { type ModelCost, modelConfig, splitModel, toBackend } from "../agents/providers.ts";
import { hookedTools } from "../agents/hooked-tools.ts";
import { createRunner, type PluginAgents } from "../agents/runtime.ts";
import { bothTools } from "../agents/tools.ts";
import { toModels } from "../config/values.ts";
import type { Config } from "../config/schema.ts";
import type { ConfigStore } from "../config/store.ts";
import type { Feature, Lifetime } from "../feature.ts";
import { createAgentsFeature } from "../features/agents/feature.ts";
import { mainKeyOf } from "../features/sessions/keys.ts";
import type { Platform, Runner } from "../ports.ts";
import type { Loaded } from "./configuration.ts";
import { createHelpers } from "./helpers.ts";
import type { Plugins } from "./plugins.ts";
import { defaultAgentOf } from "./sections.ts";

/** Who answers the runs. */
export interface Agents {
  /** USD for a million tokens of a model, where the configuration says it. */
  readonly priceOf: (ref: string) => ModelCost | undefined;
  readonly runner: Runner;
  /** Begins anew with the configuration as it is; runs that go on keep the agent they began with. */
  readonly feature: Feature;
  /** The model of a session nobody gave one; empty until it is known. */
  defaultModel(): string;
  /** What has not been found yet. */
  waiting(): string[];
  /**
   * Looks for a model where none is configured and says what it found; says which of those that are cannot
   * be used, once `others` are there that may bring some.
   */
  detect(others: Promise<void>): Promise<void>;
}

/** Sections of the configuration that are the agents' own. */
export const SECTIONS_OF_AGENTS: readonly string[] = ["agents", "models"];

/** Providers, their connections and what was found, for one state of the configuration. */
interface Begun {
  readonly runner: Runner;
  readonly catalog: () => Promise<Catalog>;
  readonly detect: ReturnType<typeof createDetector>;
  found: string | undefined;
}

interface AgentsParts {
  readonly lifetime: Lifetime;
  readonly plugins: Pick<Plugins, "agents" | "tools" | "hooks">;
}

export function createAgents(
  platform: Platform,
  { store, log }: Loaded,
  { lifetime, plugins }: AgentsParts,
): Agents {
  const { timers, clock } = platform;
  const helpers = createHelpers(platform, { store, log, lifetime });
  const tools = {
    ...hookedTools(bothTools(helpers.tools, plugins.tools), plugins.hooks),
    close: (sessionKey: string) => helpers.tools.close(sessionKey),
  };
  const isConfigured = (): boolean => configuredModel(store) !== undefined;
  let begun: Begun = begin();

  function begin(): Begun {
    const env = store.environment();
    const detect = createDetector({ env, fetch, timers });
    const config = (): Config => store.current();
    const named = (): string[] => namedModels(store);
    const parts = { config, env, fetch, timers, clock, log };
    const runner = createRunner({ ...parts, acp: helpers.acp, plugins: plugins.agents, tools, detect });
    let catalog: Promise<Catalog> | undefined;
    const openCatalog = async (): Promise<Catalog> =>
      (await import("../agents/catalog.ts")).createCatalog({ ...parts, named });
    return { runner, detect, found: undefined, catalog: () => (catalog ??= openCatalog()) };
  }

  async function look(): Promise<void> {
    if (isConfigured()) return;
    const mine = begun;
    const { model, line } = await mine.detect();
    mine.found = model;
    log.info(line);
  }

  const detect = async (others: Promise<void>): Promise<void> => {
    void others.then(() => check({ store, log }, plugins.agents));
    await look().catch((error: unknown) => log.error("model detection failed", { error: String(error) }));
  };

  let isFirst = true;
  const feature = createAgentsFeature({
    begin() {
      const before = begun;
      const mine = isFirst ? begun : begin();
      begun = mine;
      if (!isFirst) void detect(Promise.resolve());
      isFirst = false;
      // Taken back before it was of use: what was there goes on.
      return () => void (begun = begun === mine ? before : begun);
    },
    agents: () => listAgents(store, defaultModel()),
    models: async () => (await begun.catalog()).listModels(),
  });
  const defaultModel = (): string => configuredModel(store) ?? begun.found ?? "";

  return {
    feature,
    runner: {
      open: (environment) => begun.runner.open(environment),
      close: (sessionKey) => begun.runner.close(sessionKey),
    },
    defaultModel,
    priceOf: (ref) => modelConfig(ref, store.current())?.cost,
    waiting: () => (isConfigured() || begun.found !== undefined ? [] : ["models"]),
    detect,
  };
}

/** A model that nobody can open is told now, not to whoever sends the first message. */
function check({ store, log }: Pick<Loaded, "store" | "log">, others: PluginAgents): void {
  for (const model of new Set(namedModels(store))) {
    try {
      const { provider } = splitModel(model);
      if (provider !== "echo" && !others.has(provider))
        toBackend(model, store.current(), store.environment());
    } catch (error) {
      log.warn("model cannot be used", { model, reason: messageOf(error) });
    }
  }
}

/** Every model that some agent is to use. */
function namedModels(store: ConfigStore): string[] {
  const { defaults, list } = store.current().agents;
  return [defaults, ...list].flatMap((agent) => toModels(agent.model));
}

/** The first model of the configuration: what the runner tries first. */
function configuredModel(store: ConfigStore): string | undefined {
  return toModels(store.current().agents.defaults.model)[0];
}

/** As `agents.list` shows them; without a list there is the one default agent. */
function listAgents(store: ConfigStore, defaultModel: string) {
  const { agents, session } = store.current();
  const defaultId = defaultAgentOf(store);
  const { scope } = session;
  const list = agents.list.length > 0 ? agents.list : [{ id: defaultId }];
  return {
    defaultId,
    mainKey: mainKeyOf({ scope, defaultAgent: defaultId }),
    scope,
    agents: list.map((agent: Partial<(typeof agents.list)[number]> & { readonly id: string }) => {
      const [model = defaultModel, ...fallbacks] = toModels(agent.model ?? agents.defaults.model);
      const { id, name } = agent;
      const mainKey = mainKeyOf({ scope, defaultAgent: id });
      return { id, ...(name !== undefined && { name }), model, fallbacks: [...fallbacks], mainKey };
    }),
  };
}
