import type { Path } from "../leaves.ts";
import { defineMigration, isFree, moveMissing, moveWhole, name, objectAt, removeEmpty } from "./migration.ts";

const OLD_CHANNELS = ["whatsapp", "telegram", "discord", "slack", "signal", "imessage", "msteams"] as const;

export const channelsIntoOne = defineMigration({
  id: "providers->channels",
  describe: "All channels are in one section",
  old: OLD_CHANNELS.map((channel) => [channel]),
  run(draft, changes) {
    for (const channel of OLD_CHANNELS) {
      if (objectAt(draft, [channel]))
        moveMissing(draft, changes, { from: [channel], to: ["channels", channel] });
    }
  },
});

const ALLOW_FROM = ["routing", "allowFrom"];

/** Moved even where no WhatsApp is set up: it is a list of who may talk, and forgetting it would widen. */
export const allowFromIntoWhatsapp = defineMigration({
  id: "routing.allowFrom->channels.whatsapp.allowFrom",
  describe: "Who may write over WhatsApp is set with WhatsApp",
  old: [ALLOW_FROM],
  run(draft, changes) {
    if (!Array.isArray(draft.get(ALLOW_FROM))) return;
    moveWhole(draft, changes, { from: ALLOW_FROM, to: ["channels", "whatsapp", "allowFrom"] });
    removeEmpty(draft, ["routing"]);
  },
});

/** What holds for every group of a channel that has no entry of its own. */
const mentionInGroups = (channel: string): Path => ["channels", channel, "groups", "*", "requireMention"];

const TELEGRAM_MENTION = ["channels", "telegram", "requireMention"];

export const telegramMention = defineMigration({
  id: "telegram.requireMention->channels.telegram.groups.*.requireMention",
  describe: "Telegram groups say whether the agent has to be mentioned",
  old: [TELEGRAM_MENTION],
  run(draft, changes) {
    moveWhole(draft, changes, { from: TELEGRAM_MENTION, to: mentionInGroups("telegram") });
  },
});

const ROUTING_MENTION = ["routing", "groupChat", "requireMention"];

/**
 * Telegram and iMessage run without a section too, and get it in any case; WhatsApp where it has one, since
 * naming groups there would also let them in.
 */
export const mentionIntoGroups = defineMigration({
  id: "routing.groupChat.requireMention->groups.*.requireMention",
  describe: "The groups of each channel say whether the agent has to be mentioned",
  old: [ROUTING_MENTION],
  run(draft, changes) {
    const value = draft.get(ROUTING_MENTION);
    if (typeof value !== "boolean") return;
    const whatsapp = objectAt(draft, ["channels", "whatsapp"]) ? ["whatsapp"] : [];
    let covered = false;
    for (const channel of [...whatsapp, "telegram", "imessage"]) {
      const to = mentionInGroups(channel);
      if (isFree(draft, to)) {
        draft.set(to, value);
        changes.did(`copied ${name(ROUTING_MENTION)} to ${name(to)}`);
      }
      covered ||= draft.get(to) !== undefined;
    }
    if (!covered) return changes.kept(ROUTING_MENTION, "there is no place for it in any channel");
    draft.remove(ROUTING_MENTION);
    changes.did(`removed ${name(ROUTING_MENTION)}: each channel says it`);
    removeEmpty(draft, ["routing", "groupChat"]);
    removeEmpty(draft, ["routing"]);
  },
});
