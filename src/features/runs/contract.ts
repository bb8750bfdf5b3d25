import { z } from "zod";
import { effect, event, IdempotencyKey, method, once, type Output } from "../../contract/define.ts";
import { ERROR_CODES } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import { contract } from "../../feature.ts";
import { AgentId, Label, ModelRef, SessionKey, unused } from "../sessions/contract.ts";

const RunId = once(() => z.string().min(1).max(64));

/** One part of a message, in the order it was said. */
export const Content = once(() =>
  z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("text"), text: z.string() }),
    z.strictObject({ type: z.literal("thinking"), text: z.string() }),
    z.strictObject({
      type: z.literal("image"),
      id: z.string().describe("for chat.image"),
      mimeType: z.string(),
      bytes: z.int(),
    }),
    z.strictObject({
      type: z.literal("tool_call"),
      id: z.string(),
      name: z.string(),
      args: z.string().describe("JSON text"),
      result: z.string().optional().describe("absent: cut off before it answered"),
      isError: z.boolean().optional(),
    }),
  ]),
);
export type Content = Output<typeof Content>;

export const Usage = once(() =>
  z.strictObject({ inputTokens: z.int(), outputTokens: z.int(), cachedTokens: z.int().optional() }),
);
export type Usage = Output<typeof Usage>;

/** Why a message is not what it should be: how its run was cut, or that its row is damaged on the disk. */
export const CutStatus = once(() => z.enum(["aborted", "error", "interrupted", "damaged"]));
export type CutStatus = Output<typeof CutStatus>;

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

/** Who asked for a run. */
export const Origin = once(() => z.enum(["chat", "agent", "http", "hook", "plugin"]));
export type Origin = Output<typeof Origin>;

/** A picture that goes with a message, as the original's clients send it. */
const Attachment = once(() =>
  z.strictObject({
    type: z.string().max(64).optional(),
    mimeType: z.enum(["image/png", "image/jpeg", "image/gif", "image/webp"]),
    fileName: z.string().max(255).optional(),
    content: z
      .string()
      .min(1)
      .max(LIMITS.imagesCharsMax)
      .describe("base64, with or without the head of a data URL"),
  }),
);
export type Attachment = Output<typeof Attachment>;

const MessageText = once(() => z.string().max(LIMITS.messageCharsMax));
const TimeoutMs = once(() => z.int().min(1).max(LIMITS.runTimeoutMsMax).optional());
const Attachments = once(() => z.array(Attachment()).max(LIMITS.imagesMax).optional());

/** What became of a message. */
export const SendStatus = once(() =>
  z
    .enum(["started", "queued", "joined", "steered", "stopped", "reset"])
    .describe(
      "started, queued: a run of its own; joined: one that waits; steered: the one that runs; stopped, reset: it was that word",
    ),
);
export type SendStatus = Output<typeof SendStatus>;

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
          message: MessageText().describe("not empty, unless there are attachments"),
          attachments: Attachments(),
          idempotencyKey: IdempotencyKey(),
          timeoutMs: TimeoutMs(),
          thinking: unused.text(),
          deliver: unused.flag(),
        }),
      result: () =>
        z.strictObject({
          runId: z
            .string()
            .describe("who answers; after a word alone, the run that was stopped, or one that says nothing"),
          sessionKey: z.string().describe("as events and lists have it"),
          status: SendStatus(),
        }),
      errors: ["invalid_params", "not_found", "busy", "conflict", "unavailable"],
    }),
    agent: effect({
      scope: "write",
      summary: "Starts a run of an agent with options of its own; agent.wait tells how it ends",
      params: () =>
        z.strictObject({
          message: MessageText().min(1),
          sessionKey: SessionKey().optional().describe("absent: the agent's main session"),
          sessionId: z.string().min(1).max(64).optional().describe("names a session without its key"),
          label: Label().optional().describe("for a session that has to be made"),
          agentId: AgentId().optional(),
          attachments: Attachments(),
          model: ModelRef().optional().describe("for this run only"),
          extraSystemPrompt: MessageText().optional().describe("for this run only, after the agent's own"),
          timeoutMs: TimeoutMs(),
          timeout: z.int().min(0).optional().describe("in seconds, as the original has it; 0: the longest"),
          idempotencyKey: IdempotencyKey(),
          to: unused.text(),
          thinking: unused.text(),
          deliver: unused.flag(),
          channel: unused.text(),
          replyTo: unused.text(),
          accountId: unused.text(),
          threadId: unused.text(),
          lane: unused.text(),
          spawnedBy: unused.text(),
        }),
      result: () =>
        z.strictObject({
          runId: z.string(),
          sessionKey: z.string(),
          status: z.literal("accepted"),
          acceptedAt: z.int(),
        }),
      errors: ["invalid_params", "not_found", "busy", "conflict", "unavailable"],
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
          stoppedBy: z.string().optional().describe("who stopped it, where somebody did"),
        }),
      errors: ["not_found"],
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
          earlier: z.boolean().default(false).describe("also what was said before the last reset"),
        }),
      result: () =>
        z.strictObject({
          sessionKey: z.string(),
          sessionId: z.string().optional().describe("another one after each reset; absent: no such session"),
          messages: z.array(Message()),
          before: z.string().optional().describe("present when there are older ones"),
          after: z.string().optional().describe("present when there are newer ones"),
        }),
      errors: ["invalid_params"],
    }),
    "chat.image": method({
      scope: "read",
      summary: "A picture of a message",
      params: () => z.strictObject({ sessionKey: SessionKey(), id: z.string().min(1).max(64) }),
      result: () => z.strictObject({ mimeType: z.string(), data: z.string().describe("base64") }),
      errors: ["not_found"],
    }),
    "chat.abort": effect({
      scope: "write",
      summary: "Stops one run, or all of a session, waiting ones too; the text so far is kept",
      params: () => z.strictObject({ sessionKey: SessionKey().optional(), runId: RunId().optional() }),
      result: () => z.strictObject({ aborted: z.boolean(), runIds: z.array(z.string()) }),
      errors: ["invalid_params", "conflict"],
    }),
    "chat.retry": effect({
      scope: "write",
      summary: "Answers the last message again whose run was cut, stopped or failed",
      params: () =>
        z.strictObject({
          sessionKey: SessionKey(),
          runId: RunId().optional().describe("the run to try again; absent: the last one of the session"),
        }),
      result: () =>
        z.strictObject({ runId: z.string(), sessionKey: z.string(), status: z.enum(["started", "queued"]) }),
      errors: ["not_found", "conflict", "busy", "unavailable"],
    }),
    "chat.inject": effect({
      scope: "admin",
      summary: "Adds a message of the agent without a run",
      params: () =>
        z.strictObject({
          sessionKey: SessionKey(),
          message: MessageText().min(1),
          label: z.string().min(1).max(100).optional().describe("put before the text, in brackets"),
        }),
      result: () => z.strictObject({ messageId: z.string() }),
      errors: ["not_found", "busy", "unavailable"],
    }),
    "runs.list": method({
      scope: "read",
      summary: "Runs that go on or wait, in the order they came",
      params: () => z.strictObject({ sessionKey: SessionKey().optional() }),
      result: () =>
        z.strictObject({
          runs: z.array(
            z.strictObject({
              runId: z.string(),
              sessionKey: z.string(),
              origin: Origin(),
              status: z.enum(["queued", "running"]),
              startedAt: z.int().optional(),
            }),
          ),
        }),
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
            reason: z.enum(["request", "timeout", "shutdown", "deleted", "reset", "interrupted"]),
            by: z.string().optional().describe("who stopped it"),
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
          stream: z.enum(["lifecycle", "assistant", "tool", "thinking", "compaction", "error"]),
          ts: z.int(),
          data: z.record(z.string(), z.unknown()),
        }),
    }),
  },
});
