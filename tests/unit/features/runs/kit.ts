import { join } from "node:path";
import { rootSchema } from "../../../../src/config/schema.ts";
import { type Scope, SCOPES } from "../../../../src/contract/define.ts";
import { createRunsFeature } from "../../../../src/features/runs/feature.ts";
import { closeCutRuns } from "../../../../src/features/runs/cut-runs.ts";
import { type Message, runsContract } from "../../../../src/features/runs/contract.ts";
import { Journal } from "../../../../src/features/runs/journal.ts";
import { Runs, type Sent } from "../../../../src/features/runs/runs.ts";
import { sessionsContract } from "../../../../src/features/sessions/contract.ts";
import {
  type EnvironmentConfig,
  environmentOf,
  type QueueMode,
  type SessionSettings,
} from "../../../../src/features/sessions/environment.ts";
import { Sessions } from "../../../../src/features/sessions/sessions.ts";
import { prepareSchema } from "../../../../src/features/storage/migrate.ts";
import { Writer } from "../../../../src/features/storage/writer.ts";
import { openDatabase } from "../../../../src/platform/database.ts";
import { NO_HOOKS } from "../../../../src/hooks.ts";
import {
  type Crypto,
  type Database,
  DatabaseError,
  type DatabaseErrorKind,
  type Timers,
} from "../../../../src/ports.ts";
import { createDispatcher } from "../../../../src/rpc/dispatch.ts";
import { createTable } from "../../../../src/rpc/table.ts";
import { createScriptedRunner, type ScriptedTurn } from "../../../support/agent.ts";
import { createCountingCrypto, createMemoryLog } from "../../../support/ports.ts";
import { tempDir } from "../../../support/temp.ts";
import { createFakeTime } from "../../../support/time.ts";

export interface Told {
  readonly event: string;
  readonly payload: Record<string, unknown>;
  readonly dropIfSlow: boolean;
}

export interface Options {
  readonly path?: string;
  readonly activeMax?: number;
  readonly mode?: QueueMode;
  readonly reserveTokens?: number;
  readonly window?: { readonly contextWindow: number; readonly keepsHistory: boolean };
  /** An agent that does not even end when it is no longer listened to. */
  readonly isStubborn?: boolean;
  /** More of the configuration. */
  readonly config?: object;
  /** Absent: ids count from the start, as those of another kit on the same file do. */
  readonly crypto?: Crypto;
}

/** A database that takes nothing when told so: the works are done, and their commit fails. */
export function refusable(db: Database) {
  let kind: DatabaseErrorKind | undefined;
  const wrapped: Database = {
    path: db.path,
    exec: (sql) => db.exec(sql),
    prepare: (sql) => db.prepare(sql),
    transaction: (work) =>
      db.transaction(() => {
        const result = work();
        if (kind) throw new DatabaseError(kind, "as the test wants it");
        return result;
      }),
    savepoint: (work) => db.savepoint(work),
    backup: (path) => db.backup(path),
    close: () => db.close(),
  };
  return { db: wrapped, refuse: (how: DatabaseErrorKind | undefined) => void (kind = how) };
}

/** The next turn of the loop: the writer has committed what was given before. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

const events: Record<string, { data: { safeParse(value: unknown): { error?: unknown } } }> = {
  ...runsContract.events,
  ...sessionsContract.events,
};

/** Real runs, sessions, writer and database; an agent and a clock that do as they are told. */
export function setupRuns(options: Options = {}) {
  const path = options.path ?? join(tempDir(), "gateway.db");
  const { db, refuse } = refusable(openDatabase(path));
  prepareSchema(db);
  const time = createFakeTime();
  const crypto = options.crypto ?? createCountingCrypto();
  const log = createMemoryLog();
  const agent = createScriptedRunner(options.window, options.isStubborn);
  const told: Told[] = [];
  const misfits: unknown[] = [];
  const publish = (event: string, payload: object, how: { dropIfSlow?: boolean } = {}): void => {
    const misfit = events[event]?.data.safeParse(payload).error;
    if (misfit) misfits.push({ event, payload, misfit });
    told.push({ event, payload: { ...payload }, dropIfSlow: how.dropIfSlow === true });
  };
  // The schema of the whole file says what it gives.
  const config = rootSchema().parse({
    messages: { queue: { mode: options.mode ?? "followup" } },
    agents: { defaults: { model: "test/one" }, list: [{ id: "main" }, { id: "work" }] },
    ...options.config,
  }) as unknown as EnvironmentConfig;
  const commitTimers: Timers = {
    after: (_ms, work) => {
      const immediate = setImmediate(work);
      return () => clearImmediate(immediate);
    },
    every: time.timers.every,
  };
  const writer = new Writer({ db, timers: commitTimers, clock: time.clock, log });
  const journal = new Journal(db, crypto);
  const sessions: Sessions = new Sessions({
    db,
    hooks: NO_HOOKS,
    clock: time.clock,
    crypto,
    publish,
    keepMax: () => 1_000,
    config: () => ({
      scope: "per-sender",
      dmScope: "main",
      identityLinks: {},
      reset: {},
      resetByType: {},
      resetByChannel: {},
    }),
    defaultAgent: () => "main",
    isAgent: (id) => id === "main" || id === "work",
    isActive: (id) => runs.isActive(id),
  });
  const limit = { activeMax: options.activeMax ?? 4 };
  /** What a start does with what was open. @returns the ids */
  const recover = (): string[] => {
    const open = journal.openRuns().map(({ id }) => id);
    closeCutRuns({ db, journal, writer, timers: time.timers, clock: time.clock, log });
    return open;
  };
  const approvals: string[] = [];
  const runs = new Runs({
    hooks: NO_HOOKS,
    journal,
    writer,
    sessions,
    runner: agent.runner,
    publish,
    clock: time.clock,
    timers: time.timers,
    crypto,
    log,
    activeMax: () => limit.activeMax,
    reserveTokens: () => options.reserveTokens ?? 0,
    resetTriggers: () => ["/new", "/reset"],
    isProvider: (name) => name === "test" || name === "other",
    environmentOf: (session) => environmentOf(session, config, "/home/somebody"),
    approve: async (run, request) => {
      approvals.push(`${run.id} ${request.title}`);
      return "allow_once";
    },
  });

  const table = createTable();
  const feature = createRunsFeature({ runs, journal, sessions, writer });
  const { clock, timers } = time;
  const context = { config: () => ({}), publish, clock, timers, crypto, log, onStop: () => {} };
  table.add(feature, feature.start(context).handlers);
  const dispatcher = createDispatcher({ table, clock, crypto, log });
  async function call(method: string, params: object = {}, scopes: readonly Scope[] = SCOPES) {
    const caller = {
      connId: "c",
      subject: "somebody",
      name: "somebody",
      scopes,
      connectedMs: 0,
      onGone: () => () => {},
    };
    const reply = await dispatcher.dispatch(method, params, caller);
    return reply.ok
      ? { result: structuredClone(reply.result) as Record<string, unknown>, error: undefined }
      : { result: undefined, error: reply.error };
  }

  let key = 0;
  type More = Partial<Parameters<Runs["begin"]>[0]> & { readonly timeoutMs?: number };
  const asked = (sessionKey: string, message: string, { timeoutMs, ...more }: More = {}) => ({
    sessionKey,
    message,
    idempotencyKey: `key-${++key}`,
    origin: "chat" as const,
    owner: "somebody",
    options: timeoutMs === undefined ? {} : { timeoutMs },
    ...more,
  });
  const send = async (sessionKey: string, message: string, more: More = {}): Promise<Sent> =>
    runs.send(asked(sessionKey, message, more), "somebody");
  const begin = (sessionKey: string, message: string, more: More = {}) =>
    runs.begin(asked(sessionKey, message, more));
  const wait = async (runId: string) => runs.wait(runId, 3_600_000, () => () => {});
  const chat = (state?: string) =>
    told
      .filter(({ event, payload }) => event === "chat" && (state === undefined || payload["state"] === state))
      .map(({ payload }) => payload);
  const streamed = (stream: string) =>
    told
      .filter(({ event, payload }) => event === "agent" && payload["stream"] === stream)
      .map(({ payload }) => payload["data"]);
  const idOf = (sessionKey: string): string => sessions.find(sessionKey)?.id ?? "";
  const history = (sessionKey: string) =>
    journal.page(idOf(sessionKey), { limit: 1_000, start: sessions.find(sessionKey)?.historyStart ?? 0 })
      .messages;
  const settings = (sessionKey: string, change: SessionSettings) =>
    writer.write(() => {
      const { session } = sessions.admit(sessionKey, {}, time.clock.now());
      return sessions.patchIn(session, { settings: change });
    });
  /** Has the turn say all that it was told to, and end; resolves when that is on disk. */
  const answer = async (turn: ScriptedTurn, text: string) => {
    turn.say({ type: "text", text });
    turn.end();
    return wait(turn.turn.runId);
  };
  return {
    ...{
      path,
      db,
      refuse,
      time,
      agent,
      told,
      misfits,
      journal,
      sessions,
      runs,
      log,
      writer,
      limit,
      approvals,
      recover,
    },
    ...{ call, asked, send, begin, wait, chat, streamed, idOf, history, settings, answer },
    texts: (sessionKey: string) => lines(history(sessionKey)),
  };
}

export type Kit = ReturnType<typeof setupRuns>;

/** One line each: `user: hello`, `assistant: half an ans (aborted)`. */
export function lines(messages: readonly Message[]): string[] {
  return messages.map(({ role, content, status }) => {
    const said = content.map((part) => {
      if (part.type === "tool_call") return `[${part.name}: ${part.result ?? "cut off"}]`;
      if (part.type === "image") return "[image]";
      return part.type === "thinking" ? `<${part.text}>` : part.text;
    });
    return `${role}: ${said.join(" ")}${status === undefined ? "" : ` (${status})`}`;
  });
}

/** What the promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

/** Heard what it was told to say. */
export async function heard(turn: ScriptedTurn, ...texts: string[]): Promise<void> {
  for (const text of texts) turn.say({ type: "text", text });
  await nextTurn();
}
