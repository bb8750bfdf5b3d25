import { z } from "zod";
import { effect, event, method, once, type Output } from "../../contract/define.ts";
import { LIMITS } from "../../contract/limits.ts";
import { contract } from "../../feature.ts";

/**
 * The name of a session, chosen by whoever makes it. No control characters, and no lone surrogate:
 * it would come back from the database as another string.
 */
export const SessionKey = once(() =>
  z
    .string()
    .min(1)
    .max(LIMITS.sessionKeyCharsMax)
    .refine(
      (key) => key.isWellFormed() && !/[\p{Cc}\p{Cf}]/u.test(key),
      "control characters or broken text in the key",
    ),
);

/** A model reference such as `ollama/qwen3`: everything after the first slash belongs to the provider. */
export const ModelRef = once(() =>
  z
    .string()
    .min(3)
    .max(200)
    .regex(/^[^\s/]+\/\S+$/, "not of the form provider/model"),
);

export const AgentId = once(() =>
  z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, "not of the form a-z, 0-9, - and _"),
);

export const Session = once(() =>
  z.strictObject({
    key: z.string(),
    id: z.string().describe("made by the gateway; a session deleted and made again has another one"),
    agentId: z.string(),
    label: z.string().optional(),
    model: z.string().optional().describe("absent: the configured default"),
    createdAtMs: z.int(),
    updatedAtMs: z.int(),
    messages: z.int(),
    active: z.boolean().describe("a run is going on or waiting"),
  }),
);
export type Session = Output<typeof Session>;

export const sessionsContract = contract({
  name: "sessions",
  config: () =>
    z.strictObject({
      keepMax: z.int().min(1).max(LIMITS.sessionsMax).default(LIMITS.sessionsMax).meta({
        reload: "live",
        description: "Sessions kept; one more is refused, none is dropped silently",
      }),
    }),
  methods: {
    "sessions.list": method({
      scope: "read",
      summary: "Sessions, the last used first",
      params: () =>
        z.strictObject({
          limit: z.int().min(1).max(1_000).default(100),
          search: z
            .string()
            .max(200)
            .optional()
            .describe("part of the key or label; the case of a to z is ignored"),
          agentId: AgentId().optional(),
        }),
      result: () => z.strictObject({ sessions: z.array(Session()), total: z.int() }),
    }),
    "sessions.create": effect({
      scope: "write",
      summary: "Makes a session, or answers with the one that has this key",
      params: () =>
        z.strictObject({
          key: SessionKey(),
          label: z.string().min(1).max(64).optional(),
          agentId: AgentId().optional(),
          model: ModelRef().optional(),
        }),
      result: () => z.strictObject({ key: z.string(), created: z.boolean(), session: Session() }),
      errors: ["conflict", "not_found", "busy"],
    }),
    "sessions.delete": effect({
      scope: "write",
      summary: "Stops the session's runs and removes it with its history",
      params: () => z.strictObject({ key: SessionKey() }),
      result: () => z.strictObject({ deleted: z.boolean() }),
    }),
  },
  events: {
    "sessions.changed": event({
      scope: "read",
      delivery: "latest",
      summary: "A session was made, changed or deleted",
      data: () =>
        z.strictObject({
          key: z.string(),
          action: z.enum(["created", "updated", "deleted"]),
          session: Session().optional(),
        }),
    }),
  },
});
