import { join } from "node:path";
import { type Scope, SCOPES } from "../../../../src/contract/define.ts";
import { Journal } from "../../../../src/features/runs/journal.ts";
import type { SessionsParts } from "../../../../src/features/sessions/feature.ts";
import { createSessionsFeature } from "../../../../src/features/sessions/feature.ts";
import { Sessions, type SessionsPorts } from "../../../../src/features/sessions/sessions.ts";
import { prepareSchema } from "../../../../src/features/storage/migrate.ts";
import { Writer } from "../../../../src/features/storage/writer.ts";
import { systemClock, systemTimers } from "../../../../src/platform/clock.ts";
import { openDatabase } from "../../../../src/platform/database.ts";
import { NO_HOOKS } from "../../../../src/hooks.ts";
import type { Database } from "../../../../src/ports.ts";
import { createDispatcher } from "../../../../src/rpc/dispatch.ts";
import { createTable } from "../../../../src/rpc/table.ts";
import { createCountingCrypto, createMemoryLog } from "../../../support/ports.ts";
import { tempDir } from "../../../support/temp.ts";
import { createFakeTime } from "../../../support/time.ts";

export type SessionConfig = ReturnType<SessionsPorts["config"]>;

export const CONFIG: SessionConfig = {
  scope: "per-sender",
  dmScope: "main",
  identityLinks: {},
  reset: {},
  resetByType: {},
  resetByChannel: {},
};

export interface Told {
  readonly event: string;
  readonly payload: Record<string, unknown>;
  readonly key: string | undefined;
}

interface Options {
  readonly config?: Partial<SessionConfig>;
  readonly agents?: readonly string[];
  readonly keepMax?: number;
  readonly parts?: Partial<Pick<SessionsParts, "endRuns" | "closeAgent" | "compact">>;
  /** A database that is there already. */
  readonly db?: Database;
}

/** Real sessions, journal, writer, dispatcher and database; a clock that is told what time it is. */
export function setupSessions(options: Options = {}) {
  const { agents = ["main", "work"], keepMax = 100, config = {} } = options;
  const log = createMemoryLog();
  const db = options.db ?? openDatabase(join(tempDir(), "gateway.db"));
  prepareSchema(db);
  const time = createFakeTime();
  const crypto = createCountingCrypto();
  const writer = new Writer({ db, timers: systemTimers, clock: systemClock, log });
  const told: Told[] = [];
  const active = new Set<string>();
  const closed: string[] = [];
  const ended: string[] = [];
  const publish = (event: string, payload: object, { key }: { key?: string } = {}): void =>
    void told.push({ event, payload: { ...payload }, key });
  const sessions = new Sessions({
    db,
    hooks: NO_HOOKS,
    clock: time.clock,
    crypto,
    publish,
    keepMax: () => keepMax,
    config: () => ({ ...CONFIG, ...config }),
    defaultAgent: () => agents[0] ?? "main",
    isAgent: (id) => agents.includes(id),
    isActive: (id) => active.has(id),
  });
  const feature = createSessionsFeature({
    sessions,
    db,
    writer,
    endRuns: async (session, why) => {
      ended.push(`${session.key} ${why}`);
      active.delete(session.id);
      await Promise.resolve();
    },
    closeAgent: async (key) => {
      closed.push(key);
      await Promise.resolve();
    },
    compact: () => Promise.resolve({ compacted: 3, kept: 2 }),
    ...options.parts,
  });
  const table = createTable();
  const { timers } = time;
  const context = { config: () => ({ keepMax }), publish, clock: time.clock, timers, crypto, log };
  table.add(feature, feature.start({ ...context, onStop: () => {} }).handlers);
  const dispatcher = createDispatcher({ table, clock: time.clock, crypto, log });
  const journal = new Journal(db, crypto);

  /** @returns the result, or the error's code and message */
  async function call(method: string, params: object = {}, scopes: readonly Scope[] = SCOPES) {
    const caller = {
      connId: "c",
      subject: "test",
      name: "test",
      scopes,
      connectedMs: 0,
      onGone: () => () => {},
    };
    const reply = await dispatcher.dispatch(method, params, caller);
    if (reply.ok) return { result: structuredClone(reply.result) as Record<string, never>, error: undefined };
    return { result: undefined, error: reply.error };
  }

  /** A message in a session, made when there is none, at the time the clock shows. */
  const say = (key: string, text: string, role: "user" | "assistant" = "user"): Promise<number> =>
    writer.write(() => {
      const { session } = sessions.admit(key, {}, time.clock.now());
      const ts = time.clock.now();
      if (role === "assistant") return journal.addNote(session.id, text, ts);
      return journal.addMessage({ sessionDbId: session.id, runSeq: undefined, text, images: [], ts });
    });

  const admit = (key: string, how: Parameters<Sessions["admit"]>[1] = {}) =>
    writer.write(() => sessions.admit(key, how, time.clock.now()));

  return { db, log, time, crypto, writer, told, active, closed, ended, sessions, journal, call, say, admit };
}

/** What the promise rejects with. */
export function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => new Error("it did not fail"),
    (error: unknown) => error,
  );
}
