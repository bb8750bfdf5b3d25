import { z } from "zod";
import { effect, event, method, once, type Output } from "../../contract/define.ts";
import { LIMITS } from "../../contract/limits.ts";
import { contract } from "../../feature.ts";
import { SessionKey } from "../sessions/contract.ts";

const ACCOUNT_STATES = ["connecting", "connected", "ended", "failed"] as const;

const Account = once(() =>
  z.looseObject({
    accountId: z.string(),
    name: z.string().optional(),
    enabled: z.boolean(),
    configured: z.boolean(),
    running: z.boolean(),
    connected: z.boolean(),
    state: z.enum(ACCOUNT_STATES),
    lastError: z.string().optional(),
    lastInboundAt: z.int().optional(),
    lastOutboundAt: z.int().optional(),
    waiting: z.int().describe("messages that have not left yet"),
  }),
);

const Name = once(() => z.string().min(1).max(LIMITS.channelIdCharsMax));
const AccountId = once(() => z.string().min(1).max(LIMITS.channelIdCharsMax).optional());

/** Somebody who wrote, or may write. */
const Sender = once(() =>
  z.strictObject({
    channel: z.string(),
    accountId: z.string(),
    senderId: z.string(),
    name: z.string().optional(),
    state: z.enum(["waiting", "approved"]),
    code: z.string().optional().describe("what the owner is told by the stranger"),
    createdAtMs: z.int(),
    expiresAtMs: z.int().optional(),
  }),
);
export type Sender = Output<typeof Sender>;

export const channelsContract = contract({
  name: "channels",
  methods: {
    "channels.status": method({
      scope: "read",
      summary: "Every channel and how its accounts are",
      params: () =>
        z.strictObject({
          probe: z.boolean().optional(),
          timeoutMs: z.int().min(0).max(LIMITS.waitMsMax).optional(),
        }),
      result: () =>
        z.strictObject({
          ts: z.int(),
          channelOrder: z.array(z.string()),
          channelLabels: z.record(z.string(), z.string()),
          channels: z.record(z.string(), z.looseObject({ configured: z.boolean(), running: z.boolean() })),
          channelAccounts: z.record(z.string(), z.array(Account())),
          channelDefaultAccountId: z.record(z.string(), z.string()),
        }),
    }),
    "channels.logout": effect({
      scope: "admin",
      summary: "Has a channel forget an account's credentials at the other side",
      params: () => z.strictObject({ channel: Name(), accountId: AccountId() }),
      result: () => z.strictObject({ channel: z.string(), accountId: z.string(), cleared: z.boolean() }),
      errors: ["not_found", "unavailable"],
    }),
    send: effect({
      scope: "write",
      summary: "Sends a message over a channel; on disk when it answers, and tried until it has left",
      params: () =>
        z.strictObject({
          to: z.string().min(1).max(LIMITS.channelIdCharsMax),
          message: z.string().min(1).max(LIMITS.messageCharsMax),
          channel: Name().optional().describe("absent: the only one there is"),
          accountId: AccountId(),
          threadId: z.string().max(LIMITS.channelIdCharsMax).optional(),
          sessionKey: SessionKey().optional().describe("gets a copy as a note"),
          idempotencyKey: z.string().min(1).max(LIMITS.idempotencyKeyCharsMax),
        }),
      result: () =>
        z.strictObject({
          runId: z.string().describe("of the delivery; the original's name for it"),
          channel: z.string(),
          messageId: z.string().optional().describe("absent: it has not left yet"),
          status: z.enum(["sent", "waiting"]),
        }),
      errors: ["invalid_params", "not_found", "conflict", "unavailable", "busy"],
    }),
    "channels.pairing.list": method({
      scope: "pairing",
      summary: "Who waits to be let in, and who was",
      params: () => z.strictObject({ channel: Name().optional() }),
      result: () => z.strictObject({ senders: z.array(Sender()) }),
    }),
    "channels.pairing.approve": effect({
      scope: "pairing",
      summary: "Lets somebody in by the code they were given",
      params: () => z.strictObject({ code: z.string().min(1).max(32), channel: Name().optional() }),
      result: Sender,
      errors: ["not_found", "unavailable", "busy"],
    }),
    "channels.pairing.remove": effect({
      scope: "pairing",
      summary: "Forgets somebody: a next message is a stranger's again",
      params: () =>
        z.strictObject({ channel: Name(), accountId: AccountId(), senderId: z.string().min(1).max(256) }),
      result: () => z.strictObject({ removed: z.boolean() }),
      errors: ["unavailable"],
    }),
  },
  events: {
    "channels.changed": event({
      scope: "read",
      delivery: "latest",
      summary: "An account of a channel is in another state, or gone",
      data: () =>
        z.strictObject({
          channel: z.string(),
          accountId: z.string(),
          state: z.enum([...ACCOUNT_STATES, "gone"]),
          detail: z.string().optional(),
        }),
    }),
    "channels.undelivered": event({
      scope: "read",
      delivery: "must",
      summary: "A message has not left and will not",
      data: () =>
        z.strictObject({
          channel: z.string(),
          accountId: z.string(),
          to: z.string(),
          runId: z.string().optional().describe("of the answer it was"),
          error: z.string(),
        }),
    }),
    "channels.pairing.requested": event({
      scope: "pairing",
      delivery: "must",
      summary: "A stranger has written and was given a code",
      data: Sender,
    }),
  },
});
