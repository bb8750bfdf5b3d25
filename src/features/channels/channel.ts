import type { RpcError } from "../../contract/errors.ts";

/** Who may write to an account. Ids as the channel has them; `*` means everybody. */
export interface ChannelPolicy {
  /**
   * People who write directly: `pairing` gives a stranger a code that the owner approves; `allowlist` hears
   * only those in `allowFrom`; `open` everybody; `disabled` nobody.
   */
  readonly direct: "pairing" | "allowlist" | "open" | "disabled";
  readonly allowFrom: readonly string[];
  /** `allowlist` hears only the groups in `groups`. */
  readonly group: "allowlist" | "open" | "disabled";
  /** In groups, who is heard; absent: everybody there. */
  readonly groupAllowFrom?: readonly string[];
  /** By group id, `*` for those that are not named. */
  readonly groups: Readonly<
    Record<string, { readonly requireMention?: boolean; readonly enabled?: boolean }>
  >;
}

export interface ChannelAccount {
  /** `default` where there is one. */
  readonly id: string;
  readonly name?: string;
  readonly policy: ChannelPolicy;
  /** Who answers; absent: the default agent. */
  readonly agentId?: string;
}

/** A message that came over a channel. */
export interface Inbound {
  /** Where an answer goes. */
  readonly chatId: string;
  readonly threadId?: string;
  /** The channel's own name for it: given twice, it counts once. */
  readonly messageId: string;
  readonly sender: { readonly id: string; readonly name?: string };
  readonly isGroup: boolean;
  /** The agent was named, or a message of its own answered. */
  readonly isMentioned?: boolean;
  readonly text: string;
  /** base64 */
  readonly images?: readonly { readonly mimeType: string; readonly data: string }[];
}

/** A message that leaves. */
export interface Outbound {
  readonly accountId: string;
  readonly to: string;
  readonly threadId?: string;
  /** Markdown. */
  readonly text: string;
  /** The `messageId` it answers. */
  readonly replyTo?: string;
}

/**
 * What became of an inbound message: an agent answers; its sender was given a code; it may not be heard; a
 * plugin dropped it.
 */
export type Received = "accepted" | "pairing" | "ignored" | "dropped";

/** A way for people to write to agents, whoever provides it. */
export interface Channel {
  readonly id: string;
  readonly label: string;
  readonly accounts: readonly ChannelAccount[];
  /** Resolves when the other side has it. @throws RpcError `unavailable`, `busy`: tried again */
  send(message: Outbound): Promise<{ readonly messageId?: string }>;
  /** Shows that an answer is on its way; never rejects. */
  typing(chat: Pick<Outbound, "accountId" | "to" | "threadId">): Promise<void>;
  /** @returns whether there was something to forget */
  logout(accountId: string): Promise<boolean>;
}

/** How one account is, as its channel last said. */
export interface AccountState {
  readonly state: "connecting" | "connected" | "ended" | "failed";
  readonly detail?: string;
}

/** An error after which sending the same once more may work. */
export function isPassing(error: RpcError): boolean {
  return error.code === "unavailable" || error.code === "busy" || error.code === "timeout";
}
