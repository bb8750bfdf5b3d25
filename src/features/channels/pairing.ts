import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Publish } from "../../feature.ts";
import type { Clock, Crypto } from "../../ports.ts";
import { oneLine } from "../sessions/text.ts";
import type { Writer } from "../storage/writer.ts";
import type { Inbound } from "./channel.ts";
import { newCode, toCode } from "./codes.ts";
import type { channelsContract, Sender } from "./contract.ts";
import type { Chat, Deliveries } from "./deliveries.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Senders, Who } from "./senders.ts";
import { LET_IN, strangerText } from "./words.ts";

interface PairingPorts {
  readonly senders: Senders;
  readonly deliveries: Deliveries;
  readonly outgoing: Pick<Outgoing, "add">;
  readonly writer: Pick<Writer, "write">;
  readonly publish: Publish<(typeof channelsContract)["events"]>;
  readonly clock: Clock;
  readonly crypto: Crypto;
}

const HOUR_MS = 60 * 60_000;

/** Strangers are given a code, and let in by it. */
export class Pairing {
  readonly #ports: PairingPorts;
  /** `Clock.elapsed()` of codes that were none, within the last hour. */
  #misses: number[] = [];

  constructor(ports: PairingPorts) {
    this.#ports = ports;
  }

  isApproved(who: Who): boolean {
    return this.#ports.senders.find(who)?.state === "approved";
  }

  /**
   * A stranger has written: the first message is answered with a code, those that follow within its hour are
   * not, and nobody is who comes when enough others wait. Costs a look at the disk, and a write a code.
   *
   * @throws RpcError as the disk
   */
  async meet(who: Who, { chatId, threadId, sender }: Inbound): Promise<"pairing" | "ignored"> {
    const { writer, deliveries, outgoing, crypto, clock, senders } = this.#ports;
    const known = this.#wait(who, clock.now());
    if (known !== "new") return known;
    const { channel, accountId } = who;
    const chat: Chat = { channel, accountId, to: chatId, threadId };
    const name = sender.name === undefined ? undefined : oneLine(sender.name, LIMITS.labelCharsMax);
    const id = crypto.id();
    const met = await writer.write(() => {
      const ts = clock.now();
      // Others may have come meanwhile.
      const now = this.#wait(who, ts);
      if (now !== "new") return now;
      const code = this.#freeCode();
      senders.waitIn(who, { chatId, name: name || undefined, code, ts, untilMs: ts + LIMITS.pairingCodeMs });
      deliveries.addIn({ id, chat, text: strangerText(code), ts });
      return senders.find(who);
    });
    if (typeof met !== "object") return met ?? "ignored";
    const { chatId: _, ...requested } = met;
    outgoing.add(chat, id);
    this.#ports.publish("channels.pairing.requested", requested);
    return "pairing";
  }

  /**
   * Lets in who was given this code, and tells them.
   *
   * @throws RpcError `not_found`; `busy` after too many codes that were none; as the disk
   */
  async approve(typed: string, channel: string | undefined): Promise<Sender> {
    const { writer, senders, deliveries, outgoing, crypto, clock } = this.#ports;
    const code = this.#checked(typed, channel);
    const id = crypto.id();
    const { sender, chat } = await writer.write(() => {
      const ts = clock.now();
      const found = senders.byCode(code);
      if (!found) throw noCode();
      const { chatId, code: _code, expiresAtMs: _until, ...who } = found;
      senders.approveIn(code, ts);
      const to: Chat = { channel: who.channel, accountId: who.accountId, to: chatId };
      deliveries.addIn({ id, chat: to, text: LET_IN, ts });
      return { sender: { ...who, state: "approved" as const }, chat: to };
    });
    outgoing.add(chat, id);
    return sender;
  }

  #wait({ channel, accountId, senderId }: Who, ts: number): "pairing" | "ignored" | "new" {
    const { senders } = this.#ports;
    const known = senders.find({ channel, accountId, senderId });
    if (known && (known.expiresAtMs ?? Number.POSITIVE_INFINITY) > ts) return "pairing";
    return senders.waiting(channel, accountId, ts) < LIMITS.pairingWaitingMax ? "new" : "ignored";
  }

  #freeCode(): string {
    const { crypto, senders } = this.#ports;
    for (;;) {
      const code = newCode(crypto);
      if (!senders.byCode(code)) return code;
    }
  }

  #checked(typed: string, channel: string | undefined): string {
    const { clock, senders } = this.#ports;
    const nowMs = clock.elapsed();
    this.#misses = this.#misses.filter((missedMs) => nowMs - missedMs < HOUR_MS);
    const oldestMs = this.#misses[0];
    if (oldestMs !== undefined && this.#misses.length >= LIMITS.pairingTriesMax) {
      const state = `${LIMITS.pairingTriesMax} codes within an hour were none`;
      throw new RpcError("busy", `Cannot approve a pairing code: ${state}`, {
        details: { bound: LIMITS.pairingTriesMax },
        retryAfterMs: Math.ceil(oldestMs + HOUR_MS - nowMs),
      });
    }
    const code = toCode(typed);
    const found = code === undefined ? undefined : senders.byCode(code);
    const isGood =
      found && (found.expiresAtMs ?? 0) > clock.now() && (channel ?? found.channel) === found.channel;
    if (code !== undefined && isGood) return code;
    this.#misses.push(nowMs);
    throw noCode();
  }
}

/** The code itself is not repeated: it may be somebody else's secret with a slip in it. */
function noCode(): RpcError {
  return new RpcError("not_found", "Cannot approve a pairing code: nobody waits with it");
}
