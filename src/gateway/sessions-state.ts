import { agentEntry, environmentOf } from "../features/sessions/environment.ts";
import type { SessionEnvironment } from "../features/sessions/environment.ts";
import { isProvider } from "../agents/providers.ts";
import type { ConfigStore } from "../config/store.ts";
import { Approvals } from "../features/approvals/approvals.ts";
import { approvalsContract } from "../features/approvals/contract.ts";
import { Journal } from "../features/runs/journal.ts";
import { closeCutRuns } from "../features/runs/cut-runs.ts";
import { runsContract } from "../features/runs/contract.ts";
import { Runs } from "../features/runs/runs.ts";
import { sessionsContract } from "../features/sessions/contract.ts";
import { Sessions, type StoredSession } from "../features/sessions/sessions.ts";
import { Writer } from "../features/storage/writer.ts";
import type { Lifetime } from "../feature.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Hooks } from "../hooks.ts";
import type { Clock, Crypto, Database, Log, Runner, Timers } from "../ports.ts";
import type { Hub } from "../rpc/hub.ts";
import { defaultAgentOf, sectionOf } from "./sections.ts";

interface SessionsParts {
  readonly store: ConfigStore;
  readonly db: Database;
  readonly runner: Runner;
  readonly hooks: Hooks;
  readonly hub: Hub;
  readonly lifetime: Lifetime;
  readonly onDamage: () => void;
  readonly isPluginAgent: (name: string) => boolean;
  /** The user's home directory, and how many cores the machine has. */
  readonly home: string;
  readonly cpuCount: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly crypto: Crypto;
  readonly log: Log;
}

/** Sessions, their runs, and what both are written with. */
export interface SessionsState {
  readonly writer: Writer;
  readonly journal: Journal;
  readonly sessions: Sessions;
  readonly runs: Runs;
  readonly approvals: Approvals;
  readonly environmentOf: (session: StoredSession) => SessionEnvironment;
}

/** What was open when the last gateway ended without notice is closed first. */
export function createSessionsState(parts: SessionsParts): SessionsState {
  const { store, db, hub, lifetime, crypto, home, cpuCount, isPluginAgent } = parts;
  const writer = new Writer(parts);
  lifetime.onStop(() => writer.stop());
  const journal = new Journal(db, crypto);
  lifetime.onStop(closeCutRuns({ ...parts, journal, writer }));

  const sessions: Sessions = new Sessions({
    ...parts,
    publish: hub.publisher(sessionsContract),
    keepMax: () => sectionOf(store, sessionsContract).keepMax,
    config: () => store.current().session,
    defaultAgent: () => defaultAgentOf(store),
    isAgent: (id) => isAgent(store, id),
    isActive: (id) => runs.isActive(id),
  });
  const approvals = new Approvals({
    ...parts,
    writer,
    publish: hub.publisher(approvalsContract),
    timeoutMs: () => sectionOf(store, approvalsContract).timeoutSeconds * 1_000,
  });
  lifetime.onStop(() => approvals.stop());

  const environment = (session: StoredSession): SessionEnvironment =>
    environmentOf(session, store.current(), home);
  const runs = new Runs({
    ...parts,
    journal,
    writer,
    sessions,
    publish: hub.publisher(runsContract),
    activeMax: () =>
      store.current().agents.defaults.maxConcurrent ?? Math.max(LIMITS.runsActiveMin, cpuCount),
    reserveTokens: () => store.current().agents.defaults.compaction.reserveTokensFloor,
    isProvider: (name) => isProvider(name, store.current()) || isPluginAgent(name),
    resetTriggers: () => store.current().session.resetTriggers,
    environmentOf: environment,
    approve: ({ id, sessionDbId, sessionKey }, request, signal) =>
      approvals.request({ sessionDbId, sessionKey, runId: id }, request, signal),
  });
  return { writer, journal, sessions, runs, approvals, environmentOf: environment };
}

/** Ids are compared as keys have them, in lower case. */
function isAgent(store: ConfigStore, id: string): boolean {
  return (
    id === defaultAgentOf(store).toLowerCase() || agentEntry(store.current().agents.list, id) !== undefined
  );
}
