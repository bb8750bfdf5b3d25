import type { ReloadPlan } from "../config/plan.ts";
import type { Config } from "../config/schema.ts";
import type { ConfigStore } from "../config/store.ts";
import { CLOSE } from "../contract/errors.ts";
import { LIMITS } from "../contract/limits.ts";
import { ListenError, type Platform } from "../ports.ts";
import { SECTIONS_OF_AGENTS } from "./agents.ts";
import { SECTIONS_OF_PLUGINS } from "./plugins.ts";
import type { Restartable } from "./restarts.ts";
import { type GatewayRuntimeConfig, resolveGatewayRuntimeConfig } from "./runtime-config.ts";
import type { GatewayRuntimeState } from "./runtime-state.ts";
import type { Handlers } from "./sockets.ts";

interface Parts {
  readonly config: GatewayRuntimeConfig;
  readonly state: GatewayRuntimeState;
  readonly handlers: Handlers;
  /** Resolves when every configured part has started. */
  readonly ready: Promise<void>;
  /** Told before anything ends. */
  readonly onStopping: (reason: string) => void;
}

/** Everything between the configuration and the clients: what a restart replaces. */
export interface Running extends Parts, Restartable {
  /** Refuses new work, tells clients, gives what runs `drainMs`, closes. Once; later calls wait for the first. */
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

  let stopping: Promise<void> | undefined;

  async function stopNow(
    reason: string,
    { drainMs, restartExpectedMs }: Required<StopOptions>,
  ): Promise<void> {
    const refuse = (): void => {
      for (const listener of handlers.listeners) listener.refuse();
    };
    parts.onStopping(reason);
    handlers.stopAccepting();
    // Before a restart the port answers until the last moment: what runs may take a while to end.
    if (restartExpectedMs === 0) refuse();
    state.hub.broadcast("shutdown", { reason, restartExpectedMs });
    await Promise.all([state.runs.stop(drainMs), within(drainMs, state.dispatcher.idle())]);
    refuse();
    state.hub.closeAll(CLOSE.shutdown, reason);
    const graceMs = restartExpectedMs === 0 ? LIMITS.closeGraceMs : LIMITS.restartGraceMs;
    await within(graceMs, handlers.admission.empty());
    await stop();
  }

  return {
    ...parts,
    busy: () => state.runs.counts().active + state.runs.counts().queued,
    onBusy: (work) => state.runs.onCounts(work),
    stop: (reason, { drainMs = LIMITS.drainMs, restartExpectedMs = LIMITS.restartExpectedMs } = {}) =>
      (stopping ??= stopNow(reason, { drainMs, restartExpectedMs })),
  };
}

/** Puts a configuration in force that needs no restart; rejects with everything as it was. */
export async function applyHot(
  { state }: Running,
  store: ConfigStore,
  { plan, config }: { readonly plan: ReloadPlan; readonly config: Config },
): Promise<void> {
  const before = store.current();
  const owners = plan.features.map(ownerOf);
  await state.features.replace(
    [...new Set(owners)],
    () => store.use(config),
    () => store.use(before),
  );
}

/** The feature a section belongs to. */
function ownerOf(section: string): string {
  if (SECTIONS_OF_AGENTS.includes(section)) return "agents";
  return SECTIONS_OF_PLUGINS.includes(section) ? "plugins" : section;
}

interface Place {
  readonly target: Config;
  readonly stateDir: string;
  readonly running: Running;
}

/**
 * Whether a gateway could listen where this configuration wants it, as far as that can be tried while another
 * one listens. @throws StartError, ListenError
 */
export async function checkPlace(platform: Platform, { target, stateDir, running }: Place): Promise<void> {
  const { hostnames, port } = await resolveGatewayRuntimeConfig(target, { ...platform, stateDir });
  const [hostname] = hostnames;
  const { config, handlers } = running;
  const isSamePort = port === config.port || handlers.listeners.some((listener) => listener.port === port);
  if (isSamePort && config.hostnames[0] === hostname) return;
  const fetch = (): Response => new Response(null, { status: 503 });
  // The port is ours where it does not change, so that only the address can be tried.
  try {
    const probe = await platform.serve({ ...handlers.serve, fetch, hostname, port: isSamePort ? 0 : port });
    await probe.stop();
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    // It is not the port tried that anybody has asked for.
    throw new ListenError(error.message.replace(/ port 0:/, ` port ${port}:`));
  }
}
