import { RpcError } from "../../contract/errors.ts";
import type { Publish } from "../../feature.ts";
import type { Clock, Log, Stop, Timers } from "../../ports.ts";
import { oneLine } from "../sessions/text.ts";
import type { AccountState, Channel, ChannelAccount } from "./channel.ts";
import type { channelsContract } from "./contract.ts";

interface AccountsPorts {
  readonly publish: Publish<(typeof channelsContract)["events"]>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  /** An account can be sent over again, or for the first time. */
  readonly onReady: (channel: string, accountId: string) => void;
}

/** What is known of an account, as long as its channel is there. */
interface Known {
  state: AccountState["state"];
  detail: string | undefined;
  lastError: string | undefined;
  lastInboundAt: number | undefined;
  lastOutboundAt: number | undefined;
}

/** Characters of what a channel says about an account. */
const DETAIL_CHARS_MAX = 500;

/** The channels that are there, and how their accounts are. */
export class Accounts {
  readonly #ports: AccountsPorts;
  readonly #channels = new Map<string, Channel>();
  /** By channel, by account. */
  readonly #known = new Map<string, Map<string, Known>>();
  /** Channels whose leave is not told yet: most come back at once, as another version. */
  readonly #leaving = new Map<string, Stop>();

  constructor(ports: AccountsPorts) {
    this.#ports = ports;
  }

  /** In place of the channel of the same id. @returns takes it away, unless another has its place by then */
  add(channel: Channel): Stop {
    const { id } = channel;
    this.#leaving.get(id)?.();
    this.#leaving.delete(id);
    this.#channels.set(id, channel);
    const before = this.#known.get(id) ?? new Map<string, Known>();
    const now = new Map(channel.accounts.map((one) => [one.id, before.get(one.id) ?? newlyKnown()]));
    this.#known.set(id, now);
    for (const accountId of before.keys()) if (!now.has(accountId)) this.#gone(id, accountId);
    for (const accountId of now.keys()) this.#ports.onReady(id, accountId);
    return () => {
      if (this.#channels.get(id) === channel) this.#remove(id);
    };
  }

  stop(): void {
    for (const cancel of this.#leaving.values()) cancel();
    this.#leaving.clear();
  }

  /** In the order they came. */
  all(): Channel[] {
    return [...this.#channels.values()];
  }

  channel(id: string): Channel | undefined {
    return this.#channels.get(id);
  }

  account(channel: string, accountId: string): ChannelAccount | undefined {
    return this.#channels.get(channel)?.accounts.find(({ id }) => id === accountId);
  }

  known(channel: string, accountId: string): Readonly<Known> | undefined {
    return this.#known.get(channel)?.get(accountId);
  }

  /** Who sends for this account now; undefined while nobody can. */
  sender(channel: string, accountId: string): Channel | undefined {
    const known = this.known(channel, accountId);
    return !known || isAway(known.state) ? undefined : this.#channels.get(channel);
  }

  /** @throws RpcError `not_found` no such channel or account; `conflict` none was named and there are several */
  find(verb: string, channel: string | undefined, accountId: string | undefined) {
    const found = this.#named(verb, channel);
    const wanted = accountId ?? defaultAccount(found);
    if (wanted !== undefined && this.account(found.id, wanted)) return { channel: found, accountId: wanted };
    const name = wanted ?? "default";
    throw new RpcError("not_found", `Cannot ${verb}: channel "${found.id}" has no account "${name}"`);
  }

  /** The account of a channel that is meant where none is named, the channel being there or not. */
  defaultOf(channel: string): string {
    const found = this.#channels.get(channel);
    return (found && defaultAccount(found)) ?? "default";
  }

  /** What nobody knows of is passed over: the word of a version that has gone. */
  tell(channel: string, accountId: string, { state, detail }: AccountState): void {
    const known = this.#known.get(channel)?.get(accountId);
    if (!known) return;
    const said = detail === undefined ? undefined : oneLine(detail, DETAIL_CHARS_MAX);
    if (known.state === state && known.detail === said) return;
    const wasAway = isAway(known.state);
    this.#log({ channel, accountId }, known, { state, said });
    known.state = state;
    known.detail = said;
    if (state === "failed") known.lastError = said ?? "failed";
    // Why it is not connected yet: a side that cannot be reached is tried for as long as that lasts.
    if (state === "connecting" && said !== undefined) known.lastError = said;
    if (state === "connected") known.lastError = undefined;
    this.#publish(channel, accountId, { state, ...(said !== undefined && { detail: said }) });
    if (state === "connected" || (wasAway && !isAway(state))) this.#ports.onReady(channel, accountId);
  }

  /** What changes is written, not each try: it may go on for days. */
  #log(
    { channel, accountId: account }: { readonly channel: string; readonly accountId: string },
    known: Pick<Known, "state" | "lastError">,
    { state, said }: { readonly state: AccountState["state"]; readonly said: string | undefined },
  ): void {
    const { log } = this.#ports;
    if (state === "connected" && known.state !== "connected")
      log.info("channel connected", { channel, account });
    if (state === "failed" && known.state !== "failed")
      log.warn("channel failed", { channel, account, reason: said });
    if (state === "connecting" && said !== undefined && known.lastError === undefined)
      log.warn("channel not connected", { channel, account, reason: said });
  }

  heard(channel: string, accountId: string): void {
    const known = this.#known.get(channel)?.get(accountId);
    if (known) known.lastInboundAt = this.#ports.clock.now();
  }

  sent(channel: string, accountId: string): void {
    const known = this.#known.get(channel)?.get(accountId);
    if (known) known.lastOutboundAt = this.#ports.clock.now();
  }

  #named(verb: string, id: string | undefined): Channel {
    const fail = (code: "not_found" | "conflict", state: string): never => {
      throw new RpcError(code, `Cannot ${verb}: ${state}`);
    };
    if (id !== undefined) return this.#channels.get(id) ?? fail("not_found", `there is no channel "${id}"`);
    const [only, ...others] = this.#channels.values();
    if (!only) return fail("not_found", "there is no channel");
    return others.length === 0 ? only : fail("conflict", "there are several channels, and none is named");
  }

  /** At once; that it is gone is told when no other one has come by the next turn. */
  #remove(id: string): void {
    this.#channels.delete(id);
    const tell = (): void => {
      this.#leaving.delete(id);
      for (const accountId of this.#known.get(id)?.keys() ?? []) this.#gone(id, accountId);
      this.#known.delete(id);
    };
    this.#leaving.set(id, this.#ports.timers.after(0, tell));
  }

  #gone(channel: string, accountId: string): void {
    this.#publish(channel, accountId, { state: "gone" });
  }

  #publish(
    channel: string,
    accountId: string,
    now: { readonly state: AccountState["state"] | "gone"; readonly detail?: string },
  ): void {
    const key = JSON.stringify([channel, accountId]);
    this.#ports.publish("channels.changed", { channel, accountId, ...now }, { key });
  }
}

export function defaultAccount({ accounts }: Channel): string | undefined {
  return (accounts.find(({ id }) => id === "default") ?? accounts[0])?.id;
}

/** Nothing can be sent: what is to leave waits. */
function isAway(state: AccountState["state"]): boolean {
  return state === "ended" || state === "failed";
}

function newlyKnown(): Known {
  return {
    state: "connecting",
    detail: undefined,
    lastError: undefined,
    lastInboundAt: undefined,
    lastOutboundAt: undefined,
  };
}
