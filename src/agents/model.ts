import type { AgentEvent, AgentMessage } from "../ports.ts";
import type { ToolSpec } from "./tools.ts";

/** What one call of a model is given. */
export interface ModelRequest {
  /** The newest last; system messages first. */
  readonly messages: readonly AgentMessage[];
  readonly tools: readonly ToolSpec[];
  /** What {@link ModelEvent} `state` gave in the calls before this one of the same turn, in order. */
  readonly states: readonly unknown[];
}

/** What one call of a model answers, in order; `end` comes last. */
export type ModelEvent =
  | Extract<AgentEvent, { type: "text" | "thinking" | "usage" | "end" }>
  /** The model wants a tool called; `args` is JSON text. */
  | { readonly type: "tool_call"; readonly id: string; readonly name: string; readonly args: string }
  /** What the provider wants back with the tools' answers, in its own form: signed thinking, for example. */
  | { readonly type: "state"; readonly state: unknown };

/** One model of one provider: one call at a time is answered, tools are somebody else's. Errors as an `AgentRuntime`. */
export interface ChatModel {
  /** `provider/model` */
  readonly ref: string;
  /** Tokens it reads at most. */
  readonly contextWindow: number;
  complete(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>;
}
