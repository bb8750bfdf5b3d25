/**
 * The moments of a gateway that plugins hear of, and what they may change there. A point with an answer is
 * asked one plugin after the other, each seeing what the one before made of it; the others are told. Without
 * the grant `sessions` a plugin hears of sessions of its own and of the gateway, and of nothing that people
 * write over channels.
 */

/** One moment: what is told, and what may be answered. */
interface Point<Event, Answer = never> {
  readonly event: Readonly<Event>;
  readonly answer: Readonly<Answer>;
}

export interface HookPoints {
  /** A run is about to ask its agent. `instructions` are added to what that agent is told, for this run. */
  run_start: Point<
    { runId: string; sessionKey: string; agentId: string; origin: string },
    { instructions?: string }
  >;
  /** A run has ended, and that is on disk. */
  run_end: Point<{
    runId: string;
    sessionKey: string;
    origin: string;
    status: "ok" | "error" | "aborted" | "interrupted";
    /** What the agent said. */
    text: string;
    error?: string;
  }>;
  /** A message has come over a channel, from somebody who may write. `drop` says why nobody answers it. */
  message_received: Point<
    {
      channel: string;
      accountId: string;
      chatId: string;
      senderId: string;
      senderName?: string;
      isGroup: boolean;
      text: string;
    },
    { text?: string; drop?: string }
  >;
  /** A message is about to leave over a channel. `drop` says why it does not. */
  message_sending: Point<
    { channel: string; accountId: string; to: string; text: string; runId?: string },
    { text?: string; drop?: string }
  >;
  /**
   * A model wants a tool called, and lists and people allow it. `deny` is what the model is told instead. A
   * plugin that fails here denies: it may have been the one to say no. Of a call that a person had to allow,
   * other `args` deny it too: that person has seen these.
   */
  before_tool_call: Point<
    { sessionKey: string; tool: string; args: Readonly<Record<string, unknown>> },
    { args?: Readonly<Record<string, unknown>>; deny?: string }
  >;
  /** A tool has answered; `text` replaces what the model is told. */
  after_tool_call: Point<
    {
      sessionKey: string;
      tool: string;
      args: Readonly<Record<string, unknown>>;
      text: string;
      isError: boolean;
    },
    { text?: string }
  >;
  /** A session was made, or begins anew. */
  session_start: Point<{ sessionKey: string; reason: "created" | "reset" }>;
  /** What a session was is over. */
  session_end: Point<{ sessionKey: string; reason: "reset" | "deleted" }>;
  /** Every plugin that could start has started. */
  gateway_start: Point<{ version: string }>;
  /** The gateway, or its plugins with a restart, are about to stop; there are a few seconds. */
  gateway_stop: Point<{ reason: string }>;
}

export type HookName = keyof HookPoints;
export type HookEvent<K extends HookName> = HookPoints[K]["event"];
export type HookAnswer<K extends HookName> = HookPoints[K]["answer"];

/** The points whose answer counts. */
export type AskedHook = { [K in HookName]: [HookPoints[K]["answer"]] extends [never] ? never : K }[HookName];
export type ToldHook = Exclude<HookName, AskedHook>;

/** Every point, and whether its answer counts. */
export const HOOKS = {
  run_start: "asked",
  run_end: "told",
  message_received: "asked",
  message_sending: "asked",
  before_tool_call: "asked",
  after_tool_call: "asked",
  session_start: "told",
  session_end: "told",
  gateway_start: "told",
  gateway_stop: "told",
} as const satisfies { [K in HookName]: K extends AskedHook ? "asked" : "told" };

/** What the gateway says at each moment. Costs nothing where no plugin listens. */
export interface Hooks {
  /** Does anybody listen? */
  has(name: HookName): boolean;
  /**
   * All answers put together, the later one winning; the first `drop` or `deny` is the last answer. Never
   * rejects: a plugin that fails, takes longer than `LIMITS.hookMs` or answers what is no answer is passed
   * over, but for `before_tool_call`, where it denies.
   */
  ask<K extends AskedHook>(name: K, event: HookEvent<K>): Promise<HookAnswer<K>>;
  /** Returns at once, and never throws. */
  tell<K extends ToldHook>(name: K, event: HookEvent<K>): void;
}

/** For a gateway without plugins. */
export const NO_HOOKS: Hooks = {
  has: () => false,
  ask: () => Promise.resolve({}),
  tell: () => {},
};
