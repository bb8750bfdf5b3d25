import type { ReloadPlan } from "../config/plan.ts";
import type { Config } from "../config/schema.ts";
import type { ConfigStore } from "../config/store.ts";
import { CLOSE } from "../contract/errors.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Platform } from "../ports.ts";
import { AGENT_SECTIONS, type Agents } from "./agents.ts";
import type { Restartable } from "./restarts.ts";
import type { GatewayRuntimeConfig } from "./runtime-config.ts";
import type { GatewayRuntimeState } from "./runtime-state.ts";
import type { Handlers } from "./sockets.ts";

interface Parts {
  readonly config: GatewayRuntimeConfig;
  readonly state: GatewayRuntimeState;
  readonly handlers: Handlers;
  readonly agents: Agents;
  /** Resolves when every configured part has started. */
  readonly ready: Promise<void>;
}

/** Everything between the configuration and the clients: what a restart replaces. */
export interface Running extends Parts, Restartable {
  /** Refuses new work, tells clients, gives what runs `drainMs`, closes. */
  stop(reason: string, options?: StopOptions): Promise<void>;
}

interface StopOptions {
  readonly drainMs?: number;
  /** 0: it is not coming back by itself. */
  readonly restartExpectedMs?: number;
}

/** @param stop closes what was opened */
export function createRunning({ timers }: Platform, parts: Parts, stop: () => Promise<void>): Running {
  const { state, handlers } = parts;

  /** Waits for `work`, at most so long. */
  function within(ms: number, work: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const stopTimer = timers.after(ms, resolve);
      void work.then(stopTimer).then(resolve);
    });
  }

  return {
    ...parts,
    busy: () => state.runs.counts().active + state.runs.counts().queued,
    onBusy: (work) => state.runs.onCounts(work),
    async stop(reason, { drainMs = LIMITS.drainMs, restartExpectedMs = LIMITS.restartExpectedMs } = {}) {
      handlers.stopAccepting();
      for (const listener of handlers.listeners) listener.refuse();
      state.hub.broadcast("shutdown", { reason, restartExpectedMs });
      await Promise.all([state.runs.stop(drainMs), within(drainMs, state.dispatcher.idle())]);
      state.hub.closeAll(CLOSE.shutdown, reason);
      const graceMs = restartExpectedMs === 0 ? LIMITS.closeGraceMs : LIMITS.restartGraceMs;
      await within(graceMs, handlers.admission.empty());
      await stop();
    },
  };
}

/** Puts a configuration in force that needs no restart; rejects with everything as it was. */
export async function applyHot(
  { state, agents }: Running,
  store: ConfigStore,
  { plan, config }: { readonly plan: ReloadPlan; readonly config: Config },
): Promise<void> {
  const before = store.current();
  await state.features.replace(
    plan.features,
    () => store.use(config),
    () => store.use(before),
  );
  if (plan.features.some((name) => AGENT_SECTIONS.includes(name))) agents.renew();
}
