import type { Chat, Message, MessageEntity, User } from "grammy/types";
import type { Inbound } from "../api.ts";
import { rulesOf, type Settings } from "./settings.ts";

/** A message for the gateway, and the picture that belongs to it. */
export interface Heard {
  readonly inbound: Inbound;
  readonly picture?: { readonly fileId: string; readonly mimeType: string };
}

type Me = Pick<User, "id"> & { readonly username?: string };

/** What came and is no text; the agent is told that there was something. */
const KINDS = "voice audio video video_note animation sticker document location contact".split(" ");

/** @returns undefined for what nobody wrote to the agent, or who is not heard there */
export function toHeard(message: Message, me: Me, settings: Settings): Heard | undefined {
  const { chat, from } = message;
  // Somebody who writes as a group or channel is that group or channel, not the one shared helper account.
  const sender = message.sender_chat ?? from;
  if (chat.type === "channel" || !sender || sender.id === me.id || message.is_automatic_forward)
    return undefined;
  const picture = pictureOf(message, settings.mediaMaxMb * 1024 * 1024);
  const kind = KINDS.find((name) => name in message);
  const note = picture
    ? undefined
    : message.photo
      ? "[photo: too large]"
      : kind && `[${kind.replace("_", " ")}]`;
  const text = [unnamed(message.text ?? message.caption ?? "", me), note].filter(Boolean).join("\n");
  if (text === "" && !picture) return undefined;

  const isGroup = chat.type !== "private";
  const chatId = String(chat.id);
  const senderId = String(sender.id);
  const threadId = message.is_topic_message ? message.message_thread_id : undefined;
  const where = { chatId, senderId, ...(threadId !== undefined && { threadId: String(threadId) }) };
  const rules = isGroup ? rulesOf(settings, where) : { requireMention: false };
  // Before its picture is fetched: a group talks more than anybody says to the agent.
  if (!rules || (rules.requireMention && !mentions(message, me))) return undefined;
  const { senderId: id, ...place } = where;
  return {
    inbound: {
      ...place,
      // Groups count their messages each for itself.
      messageId: `${chatId}:${message.message_id}`,
      sender: { id, name: nameOf(sender) },
      isGroup,
      // Or need not be: whose word counts, a topic's or its group's, is settled here.
      ...(isGroup && { isMentioned: true }),
      text,
    },
    ...(picture && { picture }),
  };
}

/** The largest one that is within the bound; Telegram keeps a picture in several sizes. */
function pictureOf({ photo = [], document }: Message, bytesMax: number): Heard["picture"] {
  const fits = photo.filter(({ file_size = 0 }) => file_size <= bytesMax);
  const best = fits.toSorted((a, b) => b.width * b.height - a.width * a.height)[0];
  if (best) return { fileId: best.file_id, mimeType: "image/jpeg" };
  const { mime_type: mimeType = "", file_size: bytes = 0, file_id: fileId = "" } = document ?? {};
  const isPicture = /^image\/(?:png|jpeg|gif|webp)$/.test(mimeType) && bytes <= bytesMax;
  return isPicture ? { fileId, mimeType } : undefined;
}

/** Without the name in front that only says who is meant: "@bot stop" and "/new@bot" are for the gateway. */
function unnamed(text: string, { username = "" }: Me): string {
  return text.replace(new RegExp(`^(/\\w+)?@${username}(?!\\S)`, "i"), "$1").trim() || text;
}

/** Named by its name, by a link to it or in a command, or answered. */
function mentions(message: Message, me: Me): boolean {
  const { reply_to_message: answered } = message;
  // Everything in a topic answers the message that opened it.
  if (answered?.from?.id === me.id && !answered.forum_topic_created) return true;
  const text = message.text ?? message.caption ?? "";
  const name = `@${me.username ?? ""}`.toLowerCase();
  const isNamed = (entity: MessageEntity): boolean => {
    const said = text.slice(entity.offset, entity.offset + entity.length).toLowerCase();
    if (entity.type === "text_mention") return entity.user.id === me.id;
    if (entity.type === "mention") return said === name;
    return entity.type === "bot_command" && said.endsWith(name) && name.length > 1;
  };
  return (message.entities ?? message.caption_entities ?? []).some(isNamed);
}

/** Of a person, or of a group or channel that somebody writes as. */
function nameOf(sender: User | Chat): string {
  if ("title" in sender && sender.title !== undefined) return sender.title;
  return [sender.first_name, sender.last_name].filter(Boolean).join(" ") || String(sender.id);
}
