import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Handler } from "../../feature.ts";
import type { channelsContract } from "./contract.ts";
import type { Chat, Delivery } from "./deliveries.ts";
import type { FeatureParts } from "./feature.ts";
import { deliveryIdOf } from "./inbound.ts";

type Send = Handler<(typeof channelsContract)["methods"]["send"]>;

/** How long the answer waits for the message to leave: less than a client waits for an answer. */
const LEAVE_MS = 8_000;

/** A message to somebody, asked for by a client. The same key of the same client is the same message. */
export function createSend(parts: FeatureParts): Send {
  const { accounts, deliveries, outgoing, journal, sessions, writer, clock, crypto } = parts;
  return async ({ message, sessionKey, idempotencyKey, ...asked }, { caller }) => {
    if (message.trim() === "")
      throw new RpcError("invalid_params", `Cannot send to "${asked.to}": the message says nothing`);
    // As the disk gives it back.
    const [to, threadId] = [asked.to.toWellFormed(), asked.threadId?.toWellFormed()];
    const { channel, accountId } = accounts.find(`send to "${to}"`, asked.channel, asked.accountId);
    const chat: Chat = { channel: channel.id, accountId, to, threadId };
    const id = deliveryIdOf(crypto, "send", caller.subject, idempotencyKey);
    const known = deliveries.find(id);
    if (known) return answerOf(known, chat);
    if (deliveries.openCount(channel.id) >= LIMITS.deliveriesWaitingMax) throw tooManyWait(chat);
    const kept = await writer.write(() => {
      const ts = clock.now();
      if (!deliveries.addIn({ id, chat, text: message, ts })) return undefined;
      if (sessionKey === undefined) return {};
      const { session, created } = sessions.admit(sessionKey, {}, ts);
      journal.addNote(session.id, message, ts);
      return { key: session.key, created };
    }, message.length + 1_024);
    if (kept?.key !== undefined) sessions.announce(kept.key, kept.created ? "created" : "updated");
    if (kept) {
      const tried = outgoing.tried(id, accounts.sender(channel.id, accountId) ? LEAVE_MS : 0);
      outgoing.add(chat, id);
      await tried;
    }
    const now = deliveries.find(id);
    // What is on disk stays there for days.
    if (!now) throw new Error("delivery not found after it was written");
    return answerOf(now, chat);
  };
}

/** @throws RpcError when it has not left and will not, or is not what was asked for now */
function answerOf(
  { id, chat, state, messageId, error = "" }: Delivery,
  { channel, to }: Chat,
): Awaited<ReturnType<Send>> {
  const fail = (code: "conflict" | "unavailable", why: string): RpcError =>
    new RpcError(code, `Cannot send to "${to}" over channel "${channel}": ${why}`);
  if (chat.to !== to || chat.channel !== channel)
    throw fail("conflict", "the key was used for another message");
  if (state === "dropped") throw fail("conflict", `a plugin dropped it: ${error}`);
  if (state === "failed") throw fail("unavailable", error);
  const status = state === "sent" ? ("sent" as const) : ("waiting" as const);
  return { runId: id, channel, ...(messageId !== undefined && { messageId }), status };
}

function tooManyWait({ channel, to }: Chat): RpcError {
  const bound = LIMITS.deliveriesWaitingMax;
  const why = `${bound} messages wait to leave already`;
  return new RpcError("busy", `Cannot send to "${to}" over channel "${channel}": ${why}`, {
    details: { bound },
  });
}
