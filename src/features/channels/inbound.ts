import { LIMITS } from "../../contract/limits.ts";
import type { Crypto } from "../../ports.ts";
import type { Attachment } from "../runs/contract.ts";
import { toImages } from "../runs/images.ts";
import { cut, oneLine } from "../sessions/text.ts";
import type { Inbound } from "./channel.ts";

/** A message as it is taken in: within all bounds, its pictures being pictures. */
export interface Taken extends Omit<Inbound, "images"> {
  readonly attachments: readonly Attachment[];
}

const KINDS: readonly string[] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/** @returns undefined for what nobody can be answered for: an id is missing or is none, or it says nothing */
export function takenOf({ images = [], ...given }: Inbound, crypto: Pick<Crypto, "id">): Taken | undefined {
  const { chatId, threadId = "-", messageId, sender } = given;
  if (![chatId, threadId, messageId, sender.id].every(isId)) return undefined;
  const attachments = picturesOf(images, crypto);
  const lost = images.length - attachments.length;
  const note = lost > 0 ? `[${lost} ${lost === 1 ? "picture" : "pictures"} could not be read]` : "";
  const own = cut(given.text.toWellFormed(), LIMITS.messageCharsMax - note.length - 2).trim();
  const text = [own, note].filter(Boolean).join("\n\n");
  return text === "" && attachments.length === 0 ? undefined : { ...given, text, attachments };
}

/** What names the message over all channels: given twice, it counts once. */
export function deliveryIdOf(
  crypto: Pick<Crypto, "sha256">,
  ...parts: readonly [kind: "reply" | "send", ...string[]]
): string {
  const digest = crypto.sha256(JSON.stringify(parts)).subarray(0, 16);
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What the agent reads: in a group, who says it. A name cannot look like a second line. */
export function spokenText({ isGroup, sender }: Pick<Taken, "isGroup" | "sender">, text: string): string {
  if (!isGroup || text === "") return text;
  const name = oneLine(sender.name ?? sender.id, LIMITS.labelCharsMax).replaceAll(/[[\]]/g, "");
  return cut(`[${name || oneLine(sender.id, LIMITS.labelCharsMax)}] ${text}`, LIMITS.messageCharsMax);
}

function isId(text: string): boolean {
  return text !== "" && text.length <= LIMITS.channelIdCharsMax && text.isWellFormed();
}

/** As many as fit; what is no picture would be refused with the whole message. */
function picturesOf(images: NonNullable<Inbound["images"]>, crypto: Pick<Crypto, "id">): Attachment[] {
  let chars = 0;
  return images.slice(0, LIMITS.imagesMax).flatMap(({ mimeType, data }) => {
    const picture = { mimeType, content: data };
    if (!isKind(picture) || chars + data.length > LIMITS.imagesCharsMax) return [];
    try {
      toImages([picture], crypto);
    } catch {
      // It is none, which the message says in its place.
      return [];
    }
    chars += data.length;
    return [picture];
  });
}

function isKind(picture: { mimeType: string; content: string }): picture is Attachment {
  return KINDS.includes(picture.mimeType);
}
