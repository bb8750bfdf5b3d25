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
  /** Begins anew with the configuration as it is now; runs that go on keep the agent they began with. */
  renew(): void;
}

/** The sections whose settings need it. */
export const AGENT_SECTIONS = ["agents", "models"];

export function createAgents({ timers, clock }: Platform, { store, log }: Loaded): Agents {
  const isConfigured = (): boolean => configuredModel(store) !== undefined;
  let found: string | undefined;
  let { runner, detect } = begin();

  function begin(): { readonly runner: Runner; readonly detect: ReturnType<typeof createDetector> } {
    const env = store.environment();
    const find = createDetector({ env, fetch, timers });
    const config = (): ReturnType<ConfigStore["current"]> => store.current();
    return { runner: createRunner({ config, env, detect: find, fetch, timers, clock, log }), detect: find };
  }

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

  async function look(): Promise<void> {
    if (isConfigured()) return check();
    const { model, line } = await detect();
    found = model;
    log.info(line);
  }

  const detectNow = (): Promise<void> =>
    look().catch((error: unknown) => log.error("model detection failed", { error: String(error) }));

  return {
    runner: { open: (models) => runner.open(models) },
    defaultModel: () => configuredModel(store) ?? found ?? "",
    waiting: () => (isConfigured() || found !== undefined ? [] : ["models"]),
    detect: detectNow,
    renew() {
      ({ runner, detect } = begin());
      void detectNow();
    },
  };
}

/** The first model of the configuration: what the runner tries first. */
function configuredModel(store: ConfigStore): string | undefined {
  return toModels(store.current().agents.defaults.model)[0];
}
