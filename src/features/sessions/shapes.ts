import { z } from "zod";
import { once, type Output } from "../../contract/define.ts";
import { LIMITS } from "../../contract/limits.ts";
import { QUEUE_MODES } from "./environment.ts";
import { KINDS } from "./keys.ts";

/** No control characters, and no lone surrogate: it would come back from the database as another string. */
function isPlain(text: string): boolean {
  return text.isWellFormed() && !/[\p{Cc}\p{Cf}]/u.test(text);
}

/** The name of a session, chosen by whoever makes it. */
export const SessionKey = once(() =>
  z.string().min(1).max(LIMITS.sessionKeyCharsMax).refine(isPlain, "has control characters or broken text"),
);

/** A model reference such as `ollama/qwen3`: everything after the first slash belongs to the provider. */
export const ModelRef = once(() =>
  z
    .string()
    .min(3)
    .max(200)
    .regex(/^[^\s/]+\/\S+$/, "is not of the form provider/model")
    .refine(isPlain, "has control characters or broken text"),
);

const UNUSED = "of the original, not used here";

/** What clients of the original send and means nothing here: they are not refused for it. */
export const unused = {
  text: once(() => z.string().max(LIMITS.sessionKeyCharsMax).optional().describe(UNUSED)),
  flag: once(() => z.boolean().optional().describe(UNUSED)),
};
export const AgentId = once(() =>
  z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, "is not of the form a-z, 0-9, - and _"),
);

export const Label = once(() =>
  z.string().min(1).max(LIMITS.labelCharsMax).refine(isPlain, "has control characters or broken text"),
);

export const Session = once(() =>
  z.strictObject({
    key: z.string(),
    sessionId: z.string().describe("another one after each reset, and when made again after being deleted"),
    kind: z.enum(KINDS).describe("what its key says it is for"),
    agentId: z.string(),
    label: z.string().optional(),
    title: z.string().optional().describe("how its conversation began"),
    preview: z.string().optional().describe("how its last message begins"),
    model: z.string().optional().describe("absent: the configured default"),
    createdAtMs: z.int(),
    updatedAtMs: z.int().describe("its last message"),
    messages: z.int().describe("since the last reset"),
    contextTokens: z.int().describe("of what its model read last"),
    inputTokens: z.int(),
    outputTokens: z.int(),
    active: z.boolean().describe("a run is going on or waiting"),
  }),
);
export type Session = Output<typeof Session>;

const ToolNames = once(() =>
  z.array(z.string().min(1).max(200)).max(LIMITS.toolNamesMax).readonly().describe("names, * for any text"),
);

const Tools = once(() =>
  z.strictObject({
    allow: ToolNames().optional(),
    deny: ToolNames().optional(),
    approve: ToolNames().optional(),
  }),
);

const RunLimits = once(() =>
  z.strictObject({
    timeoutMs: z.int().min(1).max(LIMITS.runTimeoutMsMax).optional(),
    tokensMax: z.int().min(1).max(1_000_000_000).optional(),
    toolCallsMax: z.int().min(1).max(100_000).optional(),
    outputBytesMax: z.int().min(1).max(LIMITS.runBytesMax).optional(),
  }),
);

/** What somebody gave one session; of its variables only the names. */
export const Settings = once(() =>
  z.strictObject({
    instructions: z.string().optional(),
    workspace: z.string().optional(),
    env: z.array(z.string()).optional().describe("names; values are never shown"),
    tools: Tools().optional(),
    limits: RunLimits().optional(),
    queueMode: z.enum(QUEUE_MODES).optional(),
  }),
);
export type Settings = Output<typeof Settings>;

/** What `sessions.patch` takes; null clears. */
export const changes = once(() => ({
  label: Label().nullish(),
  model: ModelRef().nullish(),
  agentId: AgentId().optional(),
  instructions: z.string().max(LIMITS.instructionsCharsMax).nullish(),
  workspace: z
    .string()
    .max(4_096)
    .refine((path) => path.startsWith("/") && !path.includes("\0"), "not an absolute path")
    .nullish(),
  env: z
    .record(
      z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,199}$/, "not the name of a variable"),
      z
        .string()
        .max(LIMITS.variableCharsMax)
        .refine((value) => !value.includes("\0"), "a NUL in the value"),
    )
    .refine((env) => Object.keys(env).length <= LIMITS.variablesMax, `more than ${LIMITS.variablesMax}`)
    .nullish()
    .describe("variables for its programs, replaced whole; their values are never shown again"),
  tools: Tools().nullish(),
  limits: RunLimits().nullish(),
  queueMode: z.enum(QUEUE_MODES).nullish(),
}));

/** A session with what is its own. */
export const WholeSession = once(() => z.strictObject({ session: Session(), settings: Settings() }));

export const Route = once(() =>
  z.strictObject({
    agentId: AgentId().optional(),
    channel: z.string().min(1).max(64),
    accountId: z.string().min(1).max(LIMITS.sessionKeyCharsMax).optional(),
    peer: z.strictObject({
      kind: z.enum(["direct", "group", "channel"]),
      id: z.string().min(1).max(LIMITS.sessionKeyCharsMax),
    }),
    threadId: z.string().min(1).max(LIMITS.sessionKeyCharsMax).optional(),
  }),
);
