import type { ChannelPolicy, Inbound } from "./channel.ts";

/** `stranger`: may be let in by the owner. */
type Verdict = "heard" | "ignored" | "stranger";

/** As much of a message as its policy looks at. */
type Asking = Pick<Inbound, "chatId" | "isGroup" | "isMentioned"> & {
  readonly sender: Pick<Inbound["sender"], "id">;
};

/**
 * May this message be heard?
 *
 * @param isApproved has the owner let its sender in? Asked only where that counts
 */
export function judge(policy: ChannelPolicy, message: Asking, isApproved: () => boolean): Verdict {
  return message.isGroup ? judgeGroup(policy, message) : judgeDirect(policy, message.sender.id, isApproved);
}

function judgeDirect({ direct, allowFrom }: ChannelPolicy, id: string, isApproved: () => boolean): Verdict {
  if (direct === "disabled") return "ignored";
  if (direct === "open" || has(allowFrom, id)) return "heard";
  if (direct === "allowlist") return "ignored";
  return isApproved() ? "heard" : "stranger";
}

function judgeGroup(policy: ChannelPolicy, { chatId, sender, isMentioned }: Asking): Verdict {
  const { group, groups, groupAllowFrom } = policy;
  // Ids are other people's words: `constructor` is no group that anybody has named.
  const own = Object.hasOwn(groups, chatId) ? groups[chatId] : undefined;
  const others = Object.hasOwn(groups, "*") ? groups["*"] : undefined;
  if (group === "disabled" || (group === "allowlist" && !own && !others)) return "ignored";
  if ((own?.enabled ?? others?.enabled) === false) return "ignored";
  if (groupAllowFrom && !has(groupAllowFrom, sender.id)) return "ignored";
  const needsMention = own?.requireMention ?? others?.requireMention ?? true;
  return needsMention && isMentioned !== true ? "ignored" : "heard";
}

function has(ids: readonly string[], id: string): boolean {
  return ids.includes(id) || ids.includes("*");
}
