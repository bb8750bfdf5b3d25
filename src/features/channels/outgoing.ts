import { messageOf } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Clock, Log, Stop, Timers } from "../../ports.ts";
import type { Accounts } from "./accounts.ts";
import type { Channel } from "./channel.ts";
import { type Chat, type Deliveries, keyOfChat } from "./deliveries.ts";
import type { Attempted, Sending } from "./sending.ts";

interface OutgoingPorts {
  readonly deliveries: Deliveries;
  readonly sending: Sending;
  readonly accounts: Pick<Accounts, "sender" | "sent">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

/** Messages of one conversation, one after the other. */
interface Lane {
  readonly chat: Chat;
  readonly ids: string[];
  isBusy: boolean;
  /** The first one could not be sent a moment ago. */
  pause: Stop | undefined;
}

/** Conversations of one account that are sent to at the same time. */
const SENDS_MAX = 4;

/**
 * Sends what is due: in the order of its conversation, at least once, until the other side has it or
 * `LIMITS.deliveryMsMax` have passed.
 */
export class Outgoing {
  readonly #ports: OutgoingPorts;
  readonly #lanes = new Map<string, Lane>();
  /** Sends that go on, by account. */
  readonly #active = new Map<string, number>();
  readonly #going = new Set<Promise<void>>();
  /** Who waits for the first attempt at something. */
  readonly #waiters = new Map<string, Set<() => void>>();
  #isStopped = false;

  constructor(ports: OutgoingPorts) {
    this.#ports = ports;
  }

  /** It is due, and on disk. */
  add(chat: Chat, id: string): void {
    const key = keyOfChat(chat);
    const lane = this.#lanes.get(key) ?? { chat, ids: [], isBusy: false, pause: undefined };
    this.#lanes.set(key, lane);
    lane.ids.push(id);
    this.#pump(lane);
  }

  /** Resolves when it has been tried once more, after `ms` at the latest. */
  tried(id: string, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(id) ?? new Set();
      this.#waiters.set(id, waiters);
      const done = (): void => {
        cancel();
        waiters.delete(done);
        if (waiters.size === 0) this.#waiters.delete(id);
        resolve();
      };
      const cancel = this.#ports.timers.after(ms, done);
      waiters.add(done);
    });
  }

  /** The account is there again: what has been put off is tried at once. */
  wake(channel: string, accountId: string): void {
    for (const lane of this.#of(channel, accountId)) {
      lane.pause?.();
      lane.pause = undefined;
      this.#pump(lane);
    }
  }

  /** Gives up what has waited too long for a channel that is not there. */
  async giveUpOld(): Promise<void> {
    const { deliveries, clock, sending } = this.#ports;
    for (const delivery of deliveries.dueBefore(clock.now() - LIMITS.deliveryMsMax)) {
      const lane = this.#lanes.get(keyOfChat(delivery.chat));
      // It may have left by now.
      if (lane?.isBusy && lane.ids[0] === delivery.id) continue;
      await sending.giveUp(delivery, delivery.error ?? "its channel was not there");
      if (lane) drop(lane, delivery.id);
    }
  }

  /** Resolves when what is being sent has left and is written down, after `graceMs` at the latest. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopped = true;
    for (const lane of this.#lanes.values()) lane.pause?.();
    for (const waiters of [...this.#waiters.values()]) for (const done of [...waiters]) done();
    if (this.#going.size === 0) return;
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const cancel = this.#ports.timers.after(graceMs, () => resolve(undefined));
    await Promise.race([Promise.all(this.#going), late]);
    cancel();
  }

  #of(channel: string, accountId: string): Lane[] {
    const lanes = [...this.#lanes.values()];
    return lanes.filter(({ chat }) => chat.channel === channel && chat.accountId === accountId);
  }

  #pump(lane: Lane): void {
    const { channel, accountId } = lane.chat;
    const account = JSON.stringify([channel, accountId]);
    const active = this.#active.get(account) ?? 0;
    const id = lane.ids[0];
    if (this.#isStopped || lane.isBusy || lane.pause || id === undefined || active >= SENDS_MAX) return;
    const sender = this.#ports.accounts.sender(channel, accountId);
    if (!sender) return;
    lane.isBusy = true;
    this.#active.set(account, active + 1);
    const going = this.#attempt(id, sender).then((attempted) => {
      this.#going.delete(going);
      lane.isBusy = false;
      const left = (this.#active.get(account) ?? 1) - 1;
      if (left > 0) this.#active.set(account, left);
      else this.#active.delete(account);
      this.#attempted(lane, id, attempted);
      for (const done of [...(this.#waiters.get(id) ?? [])]) done();
      for (const one of this.#of(channel, accountId)) this.#pump(one);
    });
    this.#going.add(going);
  }

  #attempted(lane: Lane, id: string, attempted: Attempted): void {
    const { channel, accountId } = lane.chat;
    if ("againMs" in attempted) {
      if (!this.#isStopped) lane.pause = this.#ports.timers.after(attempted.againMs, () => this.#again(lane));
    } else {
      drop(lane, id);
      if (attempted.isSent) this.#ports.accounts.sent(channel, accountId);
    }
    // Conversations take turns: this one goes behind those that wait for a place.
    const key = keyOfChat(lane.chat);
    this.#lanes.delete(key);
    if (lane.ids.length > 0) this.#lanes.set(key, lane);
  }

  #again(lane: Lane): void {
    lane.pause = undefined;
    this.#pump(lane);
  }

  /** Never rejects. */
  async #attempt(id: string, sender: Channel): Promise<Attempted> {
    try {
      return await this.#ports.sending.attempt(id, sender);
    } catch (error) {
      // The database cannot be read at present.
      this.#ports.log.warn("delivery put off", { id, reason: messageOf(error) });
      return { againMs: LIMITS.deliveryPauseMsMax };
    }
  }
}

function drop({ ids }: Lane, id: string): void {
  const place = ids.indexOf(id);
  if (place >= 0) ids.splice(place, 1);
}
