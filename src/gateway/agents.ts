import { createDetector } from "../agents/detect.ts";
import { createRunner } from "../agents/runtime.ts";
import { toModels } from "../config/values.ts";
import type { ConfigStore } from "../config/store.ts";
import type { Platform, Runner } from "../ports.ts";
import type { Loaded } from "./configuration.ts";

/** Who answers the runs. */
export interface Agents {
  readonly runner: Runner;
  /** The model of a session nobody gave one; empty until it is known. */
  defaultModel(): string;
  /** What has not been found yet. */
  waiting(): string[];
  /** Looks for a model where none is configured and says what it found; tries those that are. */
  detect(): Promise<void>;
}

export function createAgents({ timers, clock, process }: Platform, { store, log }: Loaded): Agents {
  const detect = createDetector({ env: process.env, fetch, timers });
  const isConfigured = (): boolean => configuredModel(store) !== undefined;
  let found: string | undefined;
  const runner = createRunner({
    config: () => store.current(),
    env: process.env,
    detect,
    fetch,
    timers,
    clock,
    log,
  });

  /** A model that nobody can open is told now, not to whoever sends the first message. */
  async function check(): Promise<void> {
    for (const model of toModels(store.current().agents.defaults.model)) {
      try {
        await runner.open([model]);
      } catch (error) {
        log.warn("model cannot be used", {
          model,
          reason: error instanceof Error ? error.message : String(error),
        });
      }
    }
  }

  return {
    runner,
    defaultModel: () => configuredModel(store) ?? found ?? "",
    waiting: () => (isConfigured() || found !== undefined ? [] : ["models"]),
    async detect(): Promise<void> {
      if (isConfigured()) return check();
      const { model, line } = await detect();
      found = model;
      log.info(line);
    },
  };
}

/** The first model of the configuration: what the runner tries first. */
function configuredModel(store: ConfigStore): string | undefined {
  return toModels(store.current().agents.defaults.model)[0];
}
