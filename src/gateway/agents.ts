import { createDetector } from "../agents/detect.ts";
import { createRunner } from "../agents/runtime.ts";
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
  /** Looks for a model where none is configured, and says what it found. */
  detect(): Promise<void>;
}

export function createAgents({ timers, clock, process }: Platform, { store, log }: Loaded): Agents {
  const detect = createDetector({ env: process.env, fetch, timers });
  const isConfigured = (): boolean => configuredModel(store) !== undefined;
  let found: string | undefined;
  return {
    runner: createRunner({
      config: () => store.current(),
      env: process.env,
      detect,
      fetch,
      timers,
      clock,
      log,
    }),
    defaultModel: () => configuredModel(store) ?? found ?? "",
    waiting: () => (isConfigured() || found !== undefined ? [] : ["models"]),
    async detect(): Promise<void> {
      if (isConfigured()) return;
      const { model, line } = await detect();
      found = model;
      log.info(line);
    },
  };
}

function configuredModel(store: ConfigStore): string | undefined {
  const { model } = store.current().agents.defaults;
  return typeof model === "string" ? model : model?.primary;
}
