import type { Channel, ChannelPolicy, Inbound, Outbound } from "../../../../src/features/channels/channel.ts";
import { createChannels } from "../../../../src/features/channels/channels.ts";
import { channelsContract } from "../../../../src/features/channels/contract.ts";
import { type Scope, SCOPES } from "../../../../src/contract/define.ts";
import { type HookAnswer, type HookEvent, type Hooks, NO_HOOKS } from "../../../../src/hooks.ts";
import type { Crypto } from "../../../../src/ports.ts";
import { createDispatcher } from "../../../../src/rpc/dispatch.ts";
import { createTable } from "../../../../src/rpc/table.ts";
import { createCountingCrypto } from "../../../support/ports.ts";
import { nextTurn, type Options, setupRuns } from "../runs/kit.ts";

/** What the other side of a channel does with a message. */
export type Receiving = (message: Outbound) => Promise<{ readonly messageId?: string }>;

export interface MemoryChannel extends Channel {
  /** What it was given, in the order it came. */
  readonly given: Outbound[];
  readonly typed: string[];
  receiving: Receiving;
  /** What it was given, when that is so many. */
  got(count: number): Promise<readonly Outbound[]>;
}

export const POLICY: ChannelPolicy = { direct: "open", allowFrom: [], group: "open", groups: {} };

export function createMemoryChannel(
  policy: Partial<ChannelPolicy> = {},
  more: Partial<Pick<Channel, "id" | "accounts" | "logout">> = {},
): MemoryChannel {
  const given: Outbound[] = [];
  const waiters: { readonly count: number; readonly resolve: () => void }[] = [];
  const typed: string[] = [];
  return {
    id: "pigeon",
    label: "Pigeon",
    accounts: [{ id: "default", policy: { ...POLICY, ...policy } }],
    given,
    typed,
    receiving: () => Promise.resolve({ messageId: `m-${given.length}` }),
    async send(message) {
      given.push(message);
      for (const { count, resolve } of waiters) if (given.length >= count) resolve();
      return this.receiving(message);
    },
    typing: async ({ to }) => void typed.push(to),
    logout: () => Promise.resolve(true),
    async got(count) {
      if (given.length < count) await new Promise<void>((resolve) => void waiters.push({ count, resolve }));
      return given;
    },
    ...more,
  };
}

interface Made extends Options {
  readonly hooks?: {
    readonly received?: (
      event: HookEvent<"message_received">,
    ) => HookAnswer<"message_received"> | Promise<HookAnswer<"message_received">>;
    readonly sending?: (
      event: HookEvent<"message_sending">,
    ) => HookAnswer<"message_sending"> | Promise<HookAnswer<"message_sending">>;
  };
  readonly dmScope?: "main" | "per-peer" | "per-channel-peer" | "per-account-channel-peer";
}

let kits = 0;

/** Real channels, runs, sessions, writer and database; an agent, a clock and other sides that do as told. */
export function setupChannels({ hooks = {}, dmScope = "per-channel-peer", ...options }: Made = {}) {
  const counting = createCountingCrypto();
  const kit = ++kits;
  // Another gateway has other ids.
  const crypto: Crypto = { ...counting, id: () => `${kit}-${counting.id()}` };
  const runs = setupRuns({ mode: "collect", ...options, crypto });
  const { db, writer, journal, log, time, refuse } = runs;
  const { clock, timers } = time;
  const told: { readonly event: string; readonly payload: Record<string, unknown> }[] = [];
  const misfits: unknown[] = [];
  const events: Record<string, { data: { safeParse(value: unknown): { error?: unknown } } }> =
    channelsContract.events;
  const publish = (event: string, payload: object): void => {
    const misfit = events[event]?.data.safeParse(payload).error;
    if (misfit) misfits.push({ event, payload, misfit });
    told.push({ event, payload: { ...payload } });
  };
  const asking: Hooks = {
    ...NO_HOOKS,
    has: (name) =>
      (name === "message_received" && hooks.received !== undefined) ||
      (name === "message_sending" && hooks.sending !== undefined),
    // The name says which event it is.
    ask: async (name, event) =>
      (name === "message_received"
        ? await hooks.received?.(event as HookEvent<"message_received">)
        : await hooks.sending?.(event as HookEvent<"message_sending">)) ?? {},
  };
  const { sessions } = runs;
  const channels = createChannels({
    ...{ db, writer, journal, publish, clock, timers, crypto, log },
    runs: runs.runs,
    hooks: asking,
    sessions: {
      find: (key) => sessions.find(key),
      admit: (...given) => sessions.admit(...given),
      announce: (...given) => sessions.announce(...given),
      keyConfig: () => ({ ...sessions.keyConfig(), dmScope }),
    },
    resetTriggers: () => ["/new", "/reset"],
    isProvider: (name) => name === "test",
  });
  const table = createTable();
  const context = { config: () => ({}), publish, clock, timers, crypto, log, onStop: () => {} };
  /** As a gateway does when it starts. */
  const start = () => void table.add(channels.feature, channels.feature.start(context).handlers);
  const dispatcher = createDispatcher({ table, clock, crypto, log });
  async function call(method: string, params: object = {}, scopes: readonly Scope[] = SCOPES) {
    const caller = {
      ...{ connId: "c", subject: "owner", name: "owner", scopes, connectedMs: 0 },
      onGone: () => () => {},
    };
    const reply = await dispatcher.dispatch(method, params, caller);
    return reply.ok
      ? { result: structuredClone(reply.result) as Record<string, unknown>, error: undefined }
      : { result: undefined, error: reply.error };
  }
  let messages = 0;
  const receive = (text: string, more: Partial<Inbound> & { from?: string; channel?: string } = {}) => {
    const { from = "alice", channel = "pigeon", ...message } = more;
    return channels.receive(channel, "default", {
      ...{ chatId: from, messageId: `in-${++messages}`, sender: { id: from }, isGroup: false, text },
      ...message,
    });
  };
  const rows = (sql: string): Record<string, unknown>[] => db.prepare(sql).all();
  const states = () => rows("SELECT state FROM deliveries ORDER BY rowid").map(({ state }) => state);
  return {
    ...{ runs, db, writer, journal, sessions, log, time, refuse, channels, told, misfits, crypto },
    ...{ start, call, receive, rows, states, path: runs.path, agent: runs.agent, answer: runs.answer },
    of: (event: string) => told.filter((one) => one.event === event).map(({ payload }) => payload),
  };
}

/** Everything that can happen without time passing has happened. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await nextTurn();
}
