import type { ConfigStore } from "../config/store.ts";
import type { Health } from "../contract/frames.ts";
import { createLifetime, type Feature, type Lifetime } from "../feature.ts";
import { RunningFeatures } from "./running-features.ts";
import { type ConfigAnswers, createConfigFeature } from "../features/config/feature.ts";
import { createApprovalsFeature } from "../features/approvals/feature.ts";
import { createEventsFeature } from "../features/events/feature.ts";
import { createRunsFeature } from "../features/runs/feature.ts";
import type { Runs } from "../features/runs/runs.ts";
import { createSessionsFeature } from "../features/sessions/feature.ts";
import type { Sessions } from "../features/sessions/sessions.ts";
import { createSystemFeature } from "../features/system/feature.ts";
import { createUsageFeature } from "../features/usage/feature.ts";
import { createVoicewakeFeature } from "../features/voicewake/feature.ts";
import type { ModelCost } from "../agents/providers.ts";
import type { Metric } from "../http/metrics.ts";
import type { Hooks } from "../hooks.ts";
import type { Clock, Crypto, Database, Log, Runner, Timers } from "../ports.ts";
import { createDispatcher, type Dispatcher } from "../rpc/dispatch.ts";
import { Hub } from "../rpc/hub.ts";
import { createTable, type Table } from "../rpc/table.ts";
import { VERSION } from "../version.ts";
import type { Storage, StorageStatus } from "./database.ts";
import { keepEvents } from "./ring-store.ts";
import { sectionOf } from "./sections.ts";
import { createSessionsState, type SessionsState } from "./sessions-state.ts";

/** How the configuration is followed while the gateway runs. */
export interface LiveConfig {
  answers(): Promise<ConfigAnswers>;
  status(): ConfigStatus;
  /** Asks for a restart: when no run is active, or now. */
  restart(isNow: boolean): void;
}

export type ConfigStatus = ReturnType<Parameters<typeof createSystemFeature>[0]["status"]>["config"];

/** What the runtime state is made of. */
export interface RuntimeParts {
  readonly store: ConfigStore;
  readonly live: LiveConfig;
  readonly storage: Storage;
  readonly runner: Runner;
  readonly hooks: Hooks;
  /** Features that come with parts of their own: agents, plugins. */
  readonly others: (core: Core) => readonly Feature[];
  /** Is there an agent of this name that a plugin brings? */
  readonly isPluginAgent: (name: string) => boolean;
  /** The model of a session nobody gave one, for people. */
  readonly defaultModel: () => string;
  readonly runtime: string;
  readonly priceOf: (ref: string) => ModelCost | undefined;
  readonly rssBytes: () => number;
  readonly home: string;
  readonly cpuCount: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly crypto: Crypto;
  readonly log: Log;
}

/** What features and plugins stand on. */
export interface Core extends SessionsState {
  readonly db: Database;
  readonly table: Table;
  readonly hub: Hub;
  readonly dispatcher: Dispatcher;
}

/** Everything that lives while the gateway runs and knows no socket. */
export interface GatewayRuntimeState {
  readonly core: Core;
  readonly table: Table;
  readonly hub: Hub;
  readonly dispatcher: Dispatcher;
  readonly runs: Runs;
  readonly features: RunningFeatures;
  readonly lifetime: Lifetime;
  /** The key a session is kept under; one that nobody may have stays as it is. */
  toSessionKey(given: string): string;
  health(): Health;
  metrics(): Metric[];
}

/** Registry, hub, dispatcher and the features, started. */
export function createGatewayRuntimeState(parts: RuntimeParts): GatewayRuntimeState {
  const { store, clock, crypto, log, storage } = parts;
  const { db } = storage;
  const startedMs = clock.elapsed();
  const table = createTable();
  const hub = new Hub(table, crypto.id());
  const lifetime = createLifetime((error) => log.error("stop failed", { error: String(error) }));
  keepEvents({ ...parts, db }, hub, lifetime);
  const dispatcher = createDispatcher({ table, clock, crypto, log });
  const sessionsState = createSessionsState({
    ...parts,
    db,
    hub,
    lifetime,
    onDamage: () => storage.noteDamage(),
  });
  const { writer, sessions, runs } = sessionsState;
  const core: Core = { ...sessionsState, db, table, hub, dispatcher };

  const toSessionKey = (given: string): string => sessions.canonical(given);
  const health = (): Health => ({
    ok: true,
    ts: clock.now(),
    uptimeMs: Math.round(clock.elapsed() - startedMs),
    clients: hub.size,
    runs: runs.counts(),
  });
  const system = createSystemFeature({
    health,
    status: () => statusOf(parts, { sessions, health: health(), storage: storage.status(writer.problem) }),
    presence: () => hub.presence(),
    restart: (isNow) => parts.live.restart(isNow),
    onClients: (work) => hub.onClients(work),
    onRuns: (work) => runs.onCounts(work),
  });

  const features = new RunningFeatures({ ...parts, table, hub, sectionOf: (one) => sectionOf(store, one) });
  lifetime.onStop(() => features.stop());
  features.start([system, ...featuresOf(parts, core, toSessionKey), ...parts.others(core)]);
  return {
    core,
    table,
    hub,
    dispatcher,
    runs,
    features,
    lifetime,
    toSessionKey,
    health,
    metrics: () => metricsOf(health(), { hub, dispatcher, rssBytes: parts.rssBytes() }),
  };
}

function featuresOf(
  { live, runner, priceOf }: RuntimeParts,
  { db, writer, journal, sessions, runs, approvals, table }: Core,
  toSessionKey: (given: string) => string,
): Feature[] {
  return [
    createConfigFeature(() => live.answers()),
    createSessionsFeature({
      sessions,
      writer,
      db,
      endRuns: (session, reason, by) => runs.endAll(session.id, { reason, by: by.name }),
      closeAgent: (key) => runner.close(key),
      compact: (session) => runs.compact(session),
    }),
    createRunsFeature({ runs, journal, sessions, writer }),
    createApprovalsFeature(approvals),
    createUsageFeature({ db, priceOf }),
    createEventsFeature({
      eventOf: (name) => table.event(name)?.event,
      toSessionKey,
      activeRuns: (keys) => runs.saying(keys),
    }),
    createVoicewakeFeature(db),
  ];
}

function statusOf(parts: RuntimeParts, now: { sessions: Sessions; health: Health; storage: StorageStatus }) {
  const { live, store, runtime } = parts;
  const { uptimeMs, clients, runs } = now.health;
  return {
    version: VERSION,
    runtime,
    uptimeMs,
    config: live.status(),
    storage: now.storage,
    stateDir: store.paths.stateDir,
    model: parts.defaultModel(),
    sessions: now.sessions.count(),
    runs,
    clients,
    memory: { rssBytes: parts.rssBytes() },
  };
}

function metricsOf(health: Health, now: { hub: Hub; dispatcher: Dispatcher; rssBytes: number }): Metric[] {
  const runs = { name: "gateway_runs", help: "Runs by state.", type: "gauge" as const };
  return [
    {
      name: "gateway_uptime_seconds",
      help: "Time since the start.",
      type: "gauge",
      value: health.uptimeMs / 1_000,
    },
    { name: "gateway_clients", help: "Clients connected.", type: "gauge", value: health.clients },
    {
      name: "gateway_requests_active",
      help: "Requests being worked on.",
      type: "gauge",
      value: now.dispatcher.active(),
    },
    { name: "gateway_events_total", help: "Events published.", type: "counter", value: now.hub.seq },
    { ...runs, labels: { state: "active" }, value: health.runs.active },
    { ...runs, labels: { state: "queued" }, value: health.runs.queued },
    { name: "process_resident_memory_bytes", help: "Resident memory.", type: "gauge", value: now.rssBytes },
  ];
}
