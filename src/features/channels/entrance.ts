import { RpcError } from "../../contract/errors.ts";
import type { Crypto, Log } from "../../ports.ts";
import { databaseUnavailable, isDamage, isOutage } from "../../rpc/database-failures.ts";
import type { Accounts } from "./accounts.ts";
import type { Inbound, Received } from "./channel.ts";
import { deliveryIdOf, takenOf } from "./inbound.ts";
import type { Pairing } from "./pairing.ts";
import { judge } from "./policy.ts";
import type { Reception } from "./reception.ts";

interface EntrancePorts {
  readonly accounts: Pick<Accounts, "account" | "heard">;
  readonly pairing: Pick<Pairing, "isApproved" | "meet">;
  readonly reception: Pick<Reception, "take">;
  readonly crypto: Crypto;
  readonly log: Log;
}

/** Where messages of people come in, and most of those stay outside that nobody asked for. */
export class Entrance {
  readonly #ports: EntrancePorts;
  /** The same message, handed over again while it is being taken. */
  readonly #taking = new Map<string, Promise<Received>>();
  #isStopped = false;

  constructor(ports: EntrancePorts) {
    this.#ports = ports;
  }

  /** @throws RpcError `busy`, `unavailable`: to be handed over again later */
  async receive(channel: string, accountId: string, message: Inbound): Promise<Received> {
    try {
      return await this.#receive(channel, accountId, message);
    } catch (error) {
      throw isOutage(error) || isDamage(error) ? databaseUnavailable("read", error) : error;
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #receive(channel: string, accountId: string, given: Inbound): Promise<Received> {
    const { accounts, pairing, reception, crypto, log } = this.#ports;
    const account = accounts.account(channel, accountId);
    if (!account || this.#isStopped) throw this.#notThere(channel, accountId);
    const message = takenOf(given, crypto);
    if (!message) {
      log.debug("message not taken: its ids are none, or it is empty", { channel, account: accountId });
      return "ignored";
    }
    accounts.heard(channel, accountId);
    const who = { channel, accountId, senderId: message.sender.id };
    const verdict = judge(account.policy, message, () => pairing.isApproved(who));
    if (verdict === "stranger") return pairing.meet(who, message);
    if (verdict === "ignored") return "ignored";
    const id = deliveryIdOf(crypto, "reply", channel, accountId, message.chatId, message.messageId);
    const known = this.#taking.get(id);
    if (known) return known;
    const taking = reception.take({ id, channel, account, message });
    const taken = taking.finally(() => void this.#taking.delete(id));
    this.#taking.set(id, taken);
    return taken;
  }

  #notThere(channel: string, accountId: string): RpcError {
    const state = this.#isStopped ? "the gateway is stopping" : `account "${accountId}" is not there`;
    return new RpcError("unavailable", `Cannot receive over channel "${channel}": ${state}`);
  }
}
