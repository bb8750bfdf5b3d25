import type { z } from "zod";
import type { ConfigStore } from "../config/store.ts";
import { toModels } from "../config/values.ts";
import type { Health } from "../contract/frames.ts";
import { createLifetime, type Feature, type Lifetime } from "../feature.ts";
import { RunningFeatures } from "./running-features.ts";
import { type ConfigAnswers, createConfigFeature } from "../features/config/feature.ts";
import { createRunsFeature } from "../features/runs/feature.ts";
import { runsContract } from "../features/runs/contract.ts";
import { Journal } from "../features/runs/journal.ts";
import type { RunSettings } from "../features/runs/run.ts";
import { Runs } from "../features/runs/runs.ts";
import { prepareSchema } from "../features/schema.ts";
import { sessionsContract } from "../features/sessions/contract.ts";
import { createSessionsFeature } from "../features/sessions/feature.ts";
import { Sessions } from "../features/sessions/sessions.ts";
import { createSystemFeature } from "../features/system/feature.ts";
import { createVoicewakeFeature } from "../features/voicewake/feature.ts";
import type { Metric } from "../http/metrics.ts";
import type { Clock, Crypto, Database, Log, Runner, Timers } from "../ports.ts";
import { createDispatcher, type Dispatcher } from "../rpc/dispatch.ts";
import { Hub } from "../rpc/hub.ts";
import { createTable, type Table } from "../rpc/table.ts";
import { VERSION } from "../version.ts";

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
  readonly db: Database;
  readonly runner: Runner;
  /** Who is behind it, to be started anew by itself. */
  readonly agents: Feature;
  /** The model of a session nobody gave one, for people. */
  readonly defaultModel: () => string;
  readonly runtime: string;
  readonly rssBytes: () => number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly crypto: Crypto;
  readonly log: Log;
}

/** Everything that lives while the gateway runs and knows no socket. */
export interface GatewayRuntimeState {
  readonly table: Table;
  readonly hub: Hub;
  readonly dispatcher: Dispatcher;
  readonly runs: Runs;
  readonly features: RunningFeatures;
  readonly lifetime: Lifetime;
  health(): Health;
  metrics(): Metric[];
}

/** Registry, hub, dispatcher and the features, started. */
export function createGatewayRuntimeState(parts: RuntimeParts): GatewayRuntimeState {
  const { store, db, clock, crypto, log } = parts;
  const startedMs = clock.elapsed();
  prepareSchema(db);
  const table = createTable();
  const hub = new Hub(table, crypto.id());
  const dispatcher = createDispatcher({ table, clock, crypto, log });
  const journal = new Journal(db);
  const cut = journal.interruptOpen(clock.now());
  if (cut > 0) log.warn("runs were cut by the last stop", { runs: cut });

  const sessions: Sessions = new Sessions({
    ...parts,
    publish: hub.publisher(sessionsContract),
    keepMax: () => sectionOf(store, sessionsContract).keepMax,
    defaultAgent: () => defaultAgentOf(store),
    isActive: (sessionId) => runs.isActive(sessionId),
  });
  const runs = new Runs({
    ...parts,
    journal,
    sessions,
    publish: hub.publisher(runsContract),
    settings: () => runSettings(store),
  });

  const health = (): Health => ({
    ok: true,
    ts: clock.now(),
    uptimeMs: Math.round(clock.elapsed() - startedMs),
    clients: hub.size,
    runs: runs.counts(),
  });
  const system = createSystemFeature({
    health,
    status: () => statusOf(parts, { sessions, health: health() }),
    presence: () => hub.presence(),
    restart: (isNow) => parts.live.restart(isNow),
    onClients: (work) => hub.onClients(work),
    onRuns: (work) => runs.onCounts(work),
  });

  const isAgent = (id: string): boolean =>
    id === defaultAgentOf(store) || store.current().agents.list.some((agent) => agent.id === id);
  const lifetime = createLifetime((error) => log.error("stop failed", { error: String(error) }));
  const features = new RunningFeatures({ ...parts, table, hub, sectionOf: (one) => sectionOf(store, one) });
  lifetime.onStop(() => features.stop());
  features.start([
    system,
    createConfigFeature(() => parts.live.answers()),
    createSessionsFeature({ sessions, isAgent, abortRuns: (key) => runs.abort(key, undefined, "deleted") }),
    createRunsFeature({ runs, journal, sessions }),
    createVoicewakeFeature(db),
    parts.agents,
  ]);
  return {
    table,
    hub,
    dispatcher,
    runs,
    features,
    lifetime,
    health,
    metrics: () => metricsOf(health(), { hub, dispatcher, rssBytes: parts.rssBytes() }),
  };
}

/** A feature's section: the root schema has it from that feature's own contract. */
function sectionOf<C extends z.ZodObject>(
  store: ConfigStore,
  { name }: { readonly name: string; readonly config?: (() => C) | undefined },
): z.output<C> {
  return store.current()[name] as z.output<C>;
}

/** The one marked as default, else the first, else `main`: what the original does. */
function defaultAgentOf(store: ConfigStore): string {
  const { list } = store.current().agents;
  return (list.find((agent) => agent.default) ?? list[0])?.id ?? "main";
}

function runSettings(store: ConfigStore): RunSettings {
  const { agents } = store.current();
  const { defaults } = agents;
  return {
    activeMax: defaults.maxConcurrent,
    timeoutMs: defaults.timeoutSeconds * 1_000,
    agent(agentId) {
      const named = agents.list.find((agent) => agent.id === agentId);
      return {
        models: toModels(named?.model ?? defaults.model),
        systemPrompt: named?.systemPrompt ?? defaults.systemPrompt,
      };
    },
  };
}

function statusOf(parts: RuntimeParts, now: { sessions: Sessions; health: Health }) {
  const { live, store, runtime } = parts;
  const { uptimeMs, clients, runs } = now.health;
  return {
    version: VERSION,
    runtime,
    uptimeMs,
    config: live.status(),
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
