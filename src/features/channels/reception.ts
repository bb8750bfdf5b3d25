import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import { isStopWord } from "../../contract/stop-words.ts";
import type { Hooks } from "../../hooks.ts";
import type { Clock, Crypto, Log } from "../../ports.ts";
import type { Asked } from "../runs/acceptance.ts";
import type { Journal } from "../runs/journal.ts";
import type { Runs, Sent } from "../runs/runs.ts";
import { sessionKeyFor } from "../sessions/keys.ts";
import { resetWordIn } from "../sessions/resets.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { cut, oneLine } from "../sessions/text.ts";
import type { Writer } from "../storage/writer.ts";
import type { Answers } from "./answers.ts";
import { type ChannelAccount, isPassing, type Received } from "./channel.ts";
import { type Chat, type Deliveries, keyOfChat } from "./deliveries.ts";
import { spokenText, type Taken } from "./inbound.ts";
import type { Outgoing } from "./outgoing.ts";
import { BEGUN_ANEW, FAILED, STOPPED, TOO_MANY } from "./words.ts";

interface ReceptionPorts {
  readonly runs: Pick<Runs, "send">;
  readonly journal: Pick<Journal, "answered">;
  readonly sessions: Pick<Sessions, "find" | "keyConfig">;
  readonly writer: Pick<Writer, "write">;
  readonly deliveries: Deliveries;
  readonly outgoing: Pick<Outgoing, "add">;
  readonly answers: Pick<Answers, "follow">;
  readonly hooks: Hooks;
  /** Words that begin a session anew, and whether a name is a provider's: what may stand behind one. */
  readonly resetTriggers: () => readonly string[];
  readonly isProvider: (name: string) => boolean;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly log: Log;
}

/** A message from somebody who is heard. */
interface Coming {
  /** Names it, its run's message and its answer. */
  readonly id: string;
  readonly channel: string;
  readonly account: ChannelAccount;
  readonly message: Taken;
}

/** A conversation is told so often that too much waits in it. */
const NOTICE_MS = 60_000;
const NOTICES_MAX = 1_000;

/** Has messages of channels answered: a run, and a place where its answer goes, both on disk. */
export class Reception {
  readonly #ports: ReceptionPorts;
  /** `Clock.elapsed()` of the last word about too many messages, by conversation; the oldest first. */
  readonly #notices = new Map<string, number>();

  constructor(ports: ReceptionPorts) {
    this.#ports = ports;
  }

  /** @throws RpcError `busy`, `unavailable`: to be handed over again later */
  async take(coming: Coming): Promise<Received> {
    const { deliveries, hooks, log } = this.#ports;
    const { id, channel, account, message } = coming;
    if (deliveries.find(id)) return "accepted";
    if (deliveries.openCount(channel) >= LIMITS.deliveriesWaitingMax) throw tooManyWait(channel);
    const sessionKey = this.#keyOf(coming);
    if (sessionKey === undefined) return "ignored";
    // Taken before, and cut off before its answer had a place.
    const before = this.#before(sessionKey, id);
    if (before) return this.#accepted(coming, before);
    if (!hooks.has("message_received")) return this.#begin(coming, sessionKey, message.text);
    const { chatId, sender, isGroup } = message;
    const { text, drop } = await hooks.ask("message_received", {
      ...{ channel, accountId: account.id, chatId, senderId: sender.id, isGroup, text: message.text },
      ...(sender.name !== undefined && { senderName: sender.name }),
    });
    if (drop !== undefined) {
      log.info("message dropped by a plugin", { channel, account: account.id, reason: oneLine(drop, 300) });
      return "dropped";
    }
    if (text?.trim() === "" && message.attachments.length === 0) return "dropped";
    return this.#begin(coming, sessionKey, text ?? message.text);
  }

  async #begin(coming: Coming, sessionKey: string, text: string): Promise<Received> {
    const { id, channel, account, message } = coming;
    const said = cut(text.trim(), LIMITS.messageCharsMax);
    const asked: Asked = {
      sessionKey,
      message: this.#isCommand(said) ? said : spokenText(message, said),
      attachments: message.attachments,
      idempotencyKey: id,
      // What a person says in a conversation: it may join or steer what goes on, as the queue has it.
      origin: "chat",
      owner: "",
      options: {},
      ...(account.agentId !== undefined && { session: { agentId: account.agentId.toLowerCase() } }),
    };
    try {
      const by = `${channel}:${oneLine(message.sender.id, LIMITS.labelCharsMax)}`;
      return await this.#accepted(coming, await this.#ports.runs.send(asked, by));
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      return this.#refused(coming, error);
    }
  }

  /** On disk when this resolves. @throws RpcError as the disk */
  async #accepted({ id, channel, account, message }: Coming, sent: Sent): Promise<Received> {
    const { writer, deliveries, answers, outgoing, sessions, clock } = this.#ports;
    const chat = chatOf(channel, account, message);
    const word = sent.status === "stopped" ? STOPPED : sent.status === "reset" ? BEGUN_ANEW : undefined;
    const isOwn = sent.status === "started" || sent.status === "queued";
    const isNew = await writer.write(() =>
      deliveries.addIn({
        ...{ id, chat, replyTo: message.messageId, ts: clock.now() },
        ...(word !== undefined && { text: word }),
        ...(isOwn && { runId: sent.runId }),
      }),
    );
    if (!isNew) return "accepted";
    if (word === undefined) answers.follow(id, chat, sessions.find(sent.sessionKey)?.id);
    else outgoing.add(chat, id);
    return "accepted";
  }

  /** @throws RpcError what may work later; the rest is told to the sender, in words that say nothing */
  async #refused(coming: Coming, error: RpcError): Promise<Received> {
    const { log } = this.#ports;
    // A queue or a shelf that is full: whoever hands messages over must not wait for one conversation.
    const isFull = error.code === "busy" && error.extra.details?.["bound"] !== undefined;
    if (!isFull && isPassing(error)) throw error;
    const { channel, account, message } = coming;
    const fields = { channel, account: account.id, reason: messageOf(error) };
    // Once in a while for each conversation: whoever floods it does not flood its owner's log as well.
    if (!this.#mayNotice(keyOfChat(chatOf(channel, account, message)))) {
      log.debug("message not taken", fields);
      return "ignored";
    }
    log.warn("message not taken", fields);
    await this.#answer(coming, isFull ? TOO_MANY : FAILED);
    return "ignored";
  }

  async #answer({ id, channel, account, message }: Coming, text: string): Promise<void> {
    const { writer, deliveries, outgoing, clock } = this.#ports;
    const chat = chatOf(channel, account, message);
    const delivery = { id, chat, replyTo: message.messageId, text, ts: clock.now() };
    if (await writer.write(() => deliveries.addIn(delivery))) outgoing.add(chat, id);
  }

  #mayNotice(key: string): boolean {
    const nowMs = this.#ports.clock.elapsed();
    if (nowMs - (this.#notices.get(key) ?? Number.NEGATIVE_INFINITY) < NOTICE_MS) return false;
    this.#notices.delete(key);
    this.#notices.set(key, nowMs);
    const [oldest] = this.#notices.keys();
    if (this.#notices.size > NOTICES_MAX && oldest !== undefined) this.#notices.delete(oldest);
    return true;
  }

  #before(sessionKey: string, id: string): Sent | undefined {
    const session = this.#ports.sessions.find(sessionKey);
    const answered = session && this.#ports.journal.answered(session.id, id);
    if (!session || !answered?.run) return undefined;
    return { runId: answered.run.id, sessionKey: session.key, status: answered.reply };
  }

  /** Words to the gateway are not the agent's, who else is in the room does not matter. */
  #isCommand(text: string): boolean {
    const { resetTriggers, isProvider } = this.#ports;
    return isStopWord(text) || resetWordIn(text, resetTriggers(), isProvider) !== undefined;
  }

  #keyOf({ channel, account, message }: Coming): string | undefined {
    const { chatId, sender, isGroup, threadId } = message;
    const peer = isGroup
      ? ({ kind: "group", id: chatId } as const)
      : ({ kind: "direct", id: sender.id } as const);
    try {
      const route = { agentId: account.agentId, channel, accountId: account.id, peer, threadId };
      return sessionKeyFor(route, this.#ports.sessions.keyConfig());
    } catch (error) {
      this.#ports.log.warn("message not taken", { channel, account: account.id, reason: messageOf(error) });
      return undefined;
    }
  }
}

function chatOf(channel: string, { id: accountId }: ChannelAccount, { chatId, threadId }: Taken): Chat {
  return { channel, accountId, to: chatId, threadId };
}

function tooManyWait(channel: string): RpcError {
  const bound = LIMITS.deliveriesWaitingMax;
  return new RpcError("busy", `Cannot receive over channel "${channel}": ${bound} answers wait to leave`, {
    details: { bound },
    retryAfterMs: LIMITS.deliveryPauseMsMin,
  });
}
