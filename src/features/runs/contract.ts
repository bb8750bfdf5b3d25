import { z } from "zod";
import { effect, event, IdempotencyKey, method, once, type Output } from "../../contract/define.ts";
import { ERROR_CODES } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import { contract } from "../../feature.ts";
import { SessionKey } from "../sessions/contract.ts";

const RunId = once(() => z.string().min(1).max(64));

/** One part of a message. */
export const Content = once(() =>
  z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("text"), text: z.string() }),
    z.strictObject({ type: z.literal("thinking"), text: z.string() }),
    z.strictObject({ type: z.literal("tool_call"), id: z.string(), name: z.string(), args: z.string() }),
  ]),
);
export type Content = Output<typeof Content>;

export const Usage = once(() => z.strictObject({ inputTokens: z.int(), outputTokens: z.int() }));

/** How the run of an assistant's message ended, where it did not end well. */
export const CutStatus = once(() => z.enum(["aborted", "error", "interrupted"]));

export const Message = once(() =>
  z.strictObject({
    id: z.string(),
    role: z.enum(["user", "assistant"]),
    content: z.array(Content()),
    ts: z.int().describe("ms since 1970"),
    runId: z.string().optional(),
    status: CutStatus().optional().describe("absent: whole"),
  }),
);
export type Message = Output<typeof Message>;

/** Why a run failed, and when to try again where its model's server said so. */
export const RunFailure = once(() =>
  z.strictObject({ code: z.enum(ERROR_CODES), message: z.string(), retryAfterMs: z.int().optional() }),
);
export type RunFailure = Output<typeof RunFailure>;

/** `ok`, `error`, `aborted`, `interrupted` are ends; the others are not. */
export const RunStatus = once(() => z.enum(["queued", "running", "ok", "error", "aborted", "interrupted"]));
export type RunStatus = Output<typeof RunStatus>;

const chatCommon = once(() => ({ runId: z.string(), sessionKey: z.string() }));

export const runsContract = contract({
  name: "runs",
  methods: {
    "chat.send": effect({
      scope: "write",
      summary: "Gives a message to the session's agent; answers when the message is on disk",
      params: () =>
        z.strictObject({
          sessionKey: SessionKey(),
          message: z.string().min(1).max(LIMITS.messageCharsMax),
          idempotencyKey: IdempotencyKey(),
          timeoutMs: z.int().min(1).max(LIMITS.runTimeoutMsMax).optional(),
        }),
      result: () => z.strictObject({ runId: z.string(), status: z.enum(["started", "queued"]) }),
      errors: ["busy", "conflict", "unavailable"],
    }),
    "chat.history": method({
      scope: "read",
      summary: "Messages of a session in order of time: the last ones, or a page before or after a message",
      params: () =>
        z.strictObject({
          sessionKey: SessionKey(),
          limit: z.int().min(1).max(LIMITS.historyMessagesMax).default(LIMITS.historyMessages),
          before: z.string().max(64).optional(),
          after: z.string().max(64).optional(),
        }),
      result: () =>
        z.strictObject({
          sessionKey: z.string(),
          messages: z.array(Message()),
          before: z.string().optional().describe("present when there are older ones"),
          after: z.string().optional().describe("present when there are newer ones"),
        }),
      errors: ["invalid_params"],
    }),
    "chat.abort": effect({
      scope: "write",
      summary: "Stops one run or all of a session, waiting ones too; the text so far is kept",
      params: () => z.strictObject({ sessionKey: SessionKey(), runId: RunId().optional() }),
      result: () => z.strictObject({ aborted: z.boolean(), runIds: z.array(z.string()) }),
    }),
    "agent.wait": method({
      scope: "read",
      summary: "Answers when the run has ended, or its state when the time is up",
      params: () =>
        z.strictObject({
          runId: RunId(),
          timeoutMs: z.int().min(0).max(LIMITS.waitMsMax).default(LIMITS.waitMs),
        }),
      result: () =>
        z.strictObject({
          runId: z.string(),
          status: z
            .enum(["ok", "error", "aborted", "interrupted", "timeout"])
            .describe("timeout: the run goes on, the waiting does not"),
          startedAt: z.int().optional().describe("ms since 1970; absent while it waits"),
          endedAt: z.int().optional(),
          error: RunFailure().optional(),
        }),
      errors: ["not_found"],
    }),
  },
  events: {
    chat: event({
      scope: "read",
      delivery: "must",
      summary: "A run as a chat shows it: pieces of text, then the whole message. Pieces skip slow clients",
      data: () =>
        z.discriminatedUnion("state", [
          z.strictObject({
            ...chatCommon(),
            state: z.literal("delta"),
            offset: z.int().describe("characters of the text before this piece (UTF-16 units)"),
            delta: z.string(),
          }),
          z.strictObject({
            ...chatCommon(),
            state: z.literal("final"),
            message: Message(),
            usage: Usage().optional(),
          }),
          z.strictObject({
            ...chatCommon(),
            state: z.literal("aborted"),
            message: Message().optional().describe("absent when nothing had been said"),
            reason: z.enum(["request", "timeout", "shutdown", "deleted"]),
          }),
          z.strictObject({
            ...chatCommon(),
            state: z.literal("error"),
            message: Message().optional(),
            error: RunFailure(),
          }),
        ]),
    }),
    agent: event({
      scope: "read",
      delivery: "must",
      summary: "A run as its agent lives it",
      data: () =>
        z.strictObject({
          ...chatCommon(),
          stream: z.enum(["lifecycle", "assistant", "tool", "thinking", "error"]),
          ts: z.int(),
          data: z.record(z.string(), z.unknown()),
        }),
    }),
  },
});
