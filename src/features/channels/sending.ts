import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Publish } from "../../feature.ts";
import type { Hooks } from "../../hooks.ts";
import type { Clock, Log, Timers } from "../../ports.ts";
import { cut, oneLine } from "../sessions/text.ts";
import { type Channel, isPassing } from "./channel.ts";
import type { channelsContract } from "./contract.ts";
import type { Deliveries, Delivery } from "./deliveries.ts";
import type { Insistence } from "./insist.ts";
import { pauseAfter } from "./pause.ts";

interface SendingPorts {
  readonly deliveries: Deliveries;
  readonly insistence: Insistence;
  readonly hooks: Hooks;
  readonly publish: Publish<(typeof channelsContract)["events"]>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

/** What an attempt came to: the delivery is over, or is to be tried again after a pause. */
export type Attempted = { readonly isOver: true; readonly isSent: boolean } | { readonly againMs: number };

/** Characters of an error that is kept. */
const ERROR_CHARS_MAX = 300;

/** One attempt to get one message to the other side; what comes of it is written down. */
export class Sending {
  readonly #ports: SendingPorts;

  constructor(ports: SendingPorts) {
    this.#ports = ports;
  }

  /** @throws DatabaseError when it cannot be read */
  async attempt(id: string, channel: Channel): Promise<Attempted> {
    const { deliveries, clock, log } = this.#ports;
    const delivery = deliveries.find(id);
    if (delivery?.state !== "due") return { isOver: true, isSent: false };
    const { text, drop } = await this.#ask(delivery);
    if (drop !== undefined) {
      log.info("message dropped by a plugin", { channel: channel.id, id, reason: drop });
      await this.#end(id, "dropped", { error: toError(drop) });
      return { isOver: true, isSent: false };
    }
    try {
      const messageId = await this.#within(channel, delivery, text ?? delivery.text);
      // An id longer than ids are is no use to anybody.
      const isId = typeof messageId === "string" && messageId.length <= LIMITS.channelIdCharsMax;
      await this.#end(id, "sent", { ts: clock.now(), ...(isId && { messageId }) });
      return { isOver: true, isSent: true };
    } catch (error) {
      return this.#failed(delivery, error);
    }
  }

  /** Written down, logged and told. */
  async giveUp(delivery: Delivery, reason: string): Promise<void> {
    const { id, chat, runId } = delivery;
    const { channel, accountId, to } = chat;
    const error = toError(reason);
    this.#ports.log.warn("message not delivered", { channel, account: accountId, id, reason: error });
    await this.#end(id, "failed", { error });
    const what = { channel, accountId, to, error, ...(runId !== undefined && { runId }) };
    this.#ports.publish("channels.undelivered", what);
  }

  async #ask({ chat, text, runId }: Delivery): Promise<{ text?: string; drop?: string }> {
    const { hooks } = this.#ports;
    if (!hooks.has("message_sending")) return {};
    const { channel, accountId, to } = chat;
    const about = { channel, accountId, to, text, ...(runId !== undefined && { runId }) };
    const answer = await hooks.ask("message_sending", about);
    const changed = answer.text === undefined ? undefined : cut(answer.text, LIMITS.messageCharsMax).trim();
    // Nothing at all cannot be sent anywhere.
    if (changed === "") return { ...answer, drop: answer.drop ?? "nothing was left of it" };
    return { ...answer, ...(changed !== undefined && { text: changed }) };
  }

  /**
   * A channel that does not answer has not sent it, as far as anybody knows. One that answers has, whatever
   * it says: the types of a plugin are its own affair.
   */
  async #within(channel: Channel, { chat, replyTo }: Delivery, text: string): Promise<unknown> {
    const { accountId, to, threadId } = chat;
    const message = {
      accountId,
      to,
      text,
      ...(threadId !== undefined && { threadId }),
      ...(replyTo !== undefined && { replyTo }),
    };
    const { promise: late, reject } = Promise.withResolvers<never>();
    const cancel = this.#ports.timers.after(LIMITS.pluginCallMs, () => {
      const state = `it has not answered within ${LIMITS.pluginCallMs} ms`;
      reject(new RpcError("timeout", `Cannot send over channel "${channel.id}": ${state}`));
    });
    try {
      const answer: { readonly messageId?: unknown } | undefined = await Promise.race([
        channel.send(message),
        late,
      ]);
      return answer?.messageId;
    } finally {
      cancel();
    }
  }

  async #failed(delivery: Delivery, error: unknown): Promise<Attempted> {
    const { id, attempts, dueAtMs } = delivery;
    const reason = messageOf(error);
    const isTooOld = this.#ports.clock.now() - dueAtMs >= LIMITS.deliveryMsMax;
    if (!(error instanceof RpcError) || !isPassing(error) || isTooOld) {
      await this.giveUp(delivery, reason);
      return { isOver: true, isSent: false };
    }
    this.#ports.log.info("message not sent yet", { id, attempts: attempts + 1, reason: toError(reason) });
    await this.#ports.insistence.write(() => this.#ports.deliveries.triedIn(id, toError(reason)));
    const wantedMs = Math.max(pauseAfter(attempts), error.extra.retryAfterMs ?? 0);
    return { againMs: Math.min(wantedMs, LIMITS.deliveryPauseMsMax) };
  }

  async #end(...[id, state, how]: Parameters<Deliveries["endIn"]>): Promise<void> {
    await this.#ports.insistence.write(() => this.#ports.deliveries.endIn(id, state, how));
  }
}

function toError(reason: string): string {
  return oneLine(reason, ERROR_CHARS_MAX);
}
