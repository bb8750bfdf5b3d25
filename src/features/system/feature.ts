import type { z } from "zod";
import type { Health, PresenceEntry } from "../../contract/frames.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Feature, FeatureContext } from "../../feature.ts";
import type { Stop } from "../../ports.ts";
import { systemContract } from "./contract.ts";

type Status = z.input<(typeof systemContract)["methods"]["status"]["result"]>;
type Context = FeatureContext<(typeof systemContract)["events"]>;

/** What the rest of the gateway knows. */
export interface SystemParts {
  readonly health: () => Health;
  readonly status: () => Status;
  readonly presence: () => PresenceEntry[];
  /** Asks for a restart, and comes back at once. */
  readonly restart: (isNow: boolean) => void;
  /** Called after a client came or went. */
  readonly onClients: (work: () => void) => Stop;
  /** Called after a run came, began or ended. */
  readonly onRuns: (work: () => void) => Stop;
}

/** Shortest distance of two `health` events. */
const HEALTH_MS = 1_000;

export function createSystemFeature(parts: SystemParts): Feature {
  return systemContract.implement((ctx) => {
    ctx.onStop(ctx.timers.every(LIMITS.tickMs, () => ctx.publish("tick", { ts: ctx.clock.now() })));
    publishChanges(ctx, parts);
    return {
      handlers: {
        health: parts.health,
        status: parts.status,
        "system.restart": ({ now }) => {
          const { active, queued } = parts.health().runs;
          parts.restart(now);
          return { ok: true as const, waitsForRuns: now ? 0 : active + queued };
        },
        "system-presence": parts.presence,
      },
    };
  });
}

/** A thousand clients that connect at once make a few events, not a thousand for each of a thousand. */
function publishChanges(ctx: Context, parts: SystemParts): void {
  const presence = coalesced(ctx, () => {
    ctx.publish("presence", { presence: parts.presence() });
    return LIMITS.presenceMs + parts.health().clients * LIMITS.presencePerClientMs;
  });
  const health = coalesced(ctx, () => {
    ctx.publish("health", parts.health());
    return HEALTH_MS;
  });
  ctx.onStop(
    parts.onClients(() => {
      presence();
      health();
    }),
  );
  ctx.onStop(parts.onRuns(health));
}

/**
 * Several calls make one run of `work`, `LIMITS.presenceMs` after the first.
 *
 * @param work answers how long the next one has to wait
 */
function coalesced({ timers, clock, onStop }: Context, work: () => number): () => void {
  let stopTimer: Stop | undefined;
  let earliestMs = 0;
  onStop(() => stopTimer?.());
  return () => {
    if (stopTimer) return;
    const waitMs = Math.max(LIMITS.presenceMs, earliestMs - clock.elapsed());
    stopTimer = timers.after(waitMs, () => {
      stopTimer = undefined;
      earliestMs = clock.elapsed() + work();
    });
  };
}
