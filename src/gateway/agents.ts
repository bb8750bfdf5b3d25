import { messageOf } from "../contract/errors.ts";
import { createDetector } from "../agents/detect.ts";
import { createRunner } from "../agents/runtime.ts";
import { toModels } from "../config/values.ts";
import type { Config } from "../config/schema.ts";
import type { ConfigStore } from "../config/store.ts";
import type { Feature } from "../feature.ts";
import type { Platform, Runner } from "../ports.ts";
import type { Loaded } from "./configuration.ts";

/** Who answers the runs. */
export interface Agents {
  readonly runner: Runner;
  /** Begins anew with the configuration as it is; runs that go on keep the agent they began with. */
  readonly feature: Feature;
  /** The model of a session nobody gave one; empty until it is known. */
  defaultModel(): string;
  /** What has not been found yet. */
  waiting(): string[];
  /** Looks for a model where none is configured and says what it found; tries those that are. */
  detect(): Promise<void>;
}

/** The feature's name, and the sections that are its own. */
const NAME = "agents";
export const SECTIONS_OF_AGENTS: readonly string[] = [NAME, "models"];

/** Providers, their connections and what was found, for one state of the configuration. */
interface Begun {
  readonly runner: Runner;
  readonly detect: ReturnType<typeof createDetector>;
  found: string | undefined;
}

export function createAgents({ timers, clock }: Platform, { store, log }: Loaded): Agents {
  const isConfigured = (): boolean => configuredModel(store) !== undefined;
  let begun: Begun = begin();

  function begin(): Begun {
    const env = store.environment();
    const detect = createDetector({ env, fetch, timers });
    const config = (): Config => store.current();
    const runner = createRunner({ config, env, detect, fetch, timers, clock, log });
    return { runner, detect, found: undefined };
  }

  /** A model that nobody can open is told now, not to whoever sends the first message. */
  async function check(): Promise<void> {
    for (const model of toModels(store.current().agents.defaults.model)) {
      try {
        await begun.runner.open([model]);
      } catch (error) {
        log.warn("model cannot be used", {
          model,
          reason: messageOf(error),
        });
      }
    }
  }

  async function look(): Promise<void> {
    if (isConfigured()) return check();
    const mine = begun;
    const { model, line } = await mine.detect();
    mine.found = model;
    log.info(line);
  }

  const detect = (): Promise<void> =>
    look().catch((error: unknown) => log.error("model detection failed", { error: String(error) }));

  let isFirst = true;
  const feature: Feature = {
    name: NAME,
    methods: {},
    events: {},
    config: undefined,
    start({ onStop }) {
      const before = begun;
      const mine = isFirst ? begun : begin();
      begun = mine;
      // Taken back before it was of use: what was there goes on.
      onStop(() => void (begun = begun === mine ? before : begun));
      if (!isFirst) void detect();
      isFirst = false;
      return { handlers: {} };
    },
  };

  return {
    feature,
    runner: { open: (models) => begun.runner.open(models) },
    defaultModel: () => configuredModel(store) ?? begun.found ?? "",
    waiting: () => (isConfigured() || begun.found !== undefined ? [] : ["models"]),
    detect,
  };
}

/** The first model of the configuration: what the runner tries first. */
function configuredModel(store: ConfigStore): string | undefined {
  return toModels(store.current().agents.defaults.model)[0];
}
