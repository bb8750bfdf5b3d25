import type { ToolCall } from "../../agents/tools.ts";
import type { Outbound } from "../../features/channels/channel.ts";
import type { HookName } from "../../hooks.ts";
import type { AgentEnvironment, AgentTurn, ApprovalRequest } from "../../ports.ts";
import type { PluginRequestHead } from "../api.ts";
import type { CallerFacts, PluginStart } from "../running.ts";

type Chat = Pick<Outbound, "accountId" | "to" | "threadId">;

/** What a gateway asks a process of plugins, by verb. The same types are on both sides. */
export interface Asked {
  start: { readonly start: PluginStart };
  stop: Record<string, never>;
  method: {
    readonly name: string;
    readonly params: unknown;
    /** Two processes have two clocks: how long ago it connected holds in both. */
    readonly caller: Omit<CallerFacts, "connectedMs"> & { readonly connectedAgoMs: number };
  };
  allow: { readonly index: number; readonly head: PluginRequestHead };
  http: { readonly index: number; readonly head: PluginRequestHead; readonly body: string };
  hook: { readonly name: HookName; readonly event: object };
  tool: Pick<ToolCall, "name" | "args"> & { readonly sessionKey: string };
  "agent.open": {
    readonly agent: string;
    readonly environment: AgentEnvironment & { readonly model: string };
  };
  "agent.prompt": {
    readonly opened: number;
    /** Names the turn for what is asked back. */
    readonly turnKey: number;
    readonly turn: Pick<AgentTurn, "runId" | "messages" | "isPlain">;
  };
  "channel.send": { readonly channel: string; readonly message: Outbound };
  "channel.typing": { readonly channel: string; readonly chat: Chat };
  "channel.logout": { readonly channel: string; readonly accountId: string };
}

/** What `agent.open` answers. */
export interface Opened {
  readonly opened: number;
  readonly contextWindow: number;
  readonly keepsHistory: boolean;
}

/** What an agent asks about its turn. */
export interface TurnAsked {
  readonly turnKey: number;
  readonly request: ApprovalRequest;
}

/** Keys in one answer of the store: that many of the longest values are still within one message. */
export const LISTED_MAX = 16;
