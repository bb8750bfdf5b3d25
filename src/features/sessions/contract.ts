import { z } from "zod";
import { effect, event, method, once } from "../../contract/define.ts";
import { LIMITS } from "../../contract/limits.ts";
import { contract } from "../../feature.ts";
import { KINDS } from "./keys.ts";
import {
  AgentId,
  changes,
  Label,
  ModelRef,
  Route,
  Session,
  SessionKey,
  unused,
  WholeSession,
} from "./shapes.ts";

export { AgentId, Label, ModelRef, SessionKey, unused } from "./shapes.ts";
export type { Session } from "./shapes.ts";

const Cursor = once(() => z.string().min(1).max(64));
const Lines = once(() => z.array(z.string().max(LIMITS.transcriptLineCharsMax)));

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
          cursor: Cursor().optional().describe("`next` of the page before"),
          search: z
            .string()
            .max(200)
            .optional()
            .describe("part of the key, label, title or preview; the case of a to z is ignored"),
          agentId: AgentId().optional(),
          label: Label().optional(),
          activeMinutes: z.int().min(1).max(10_000_000).optional().describe("used within the last minutes"),
          kind: z.enum(KINDS).optional(),
          spawnedBy: SessionKey().optional().describe("none is: no session here is made by another"),
          includeGlobal: unused.flag(),
          includeUnknown: unused.flag(),
          includeDerivedTitles: unused.flag(),
          includeLastMessage: unused.flag(),
        }),
      result: () =>
        z.strictObject({
          sessions: z.array(Session()),
          total: z.int().describe("of all pages"),
          next: z.string().optional().describe("present when there are more"),
        }),
      errors: ["invalid_params"],
    }),
    "sessions.get": method({
      scope: "read",
      summary: "One session with its settings",
      params: () => z.strictObject({ key: SessionKey() }),
      result: () => WholeSession(),
      errors: ["not_found"],
    }),
    "sessions.resolve": method({
      scope: "read",
      summary: "The key of a session, by one of: a key, an id, a label, or where a message comes from",
      params: () =>
        z.strictObject({
          key: SessionKey().optional(),
          sessionId: z.string().min(1).max(64).optional(),
          label: Label().optional(),
          route: Route().optional(),
        }),
      result: () =>
        z.strictObject({ key: z.string(), session: Session().optional().describe("absent: not made yet") }),
      errors: ["invalid_params", "not_found"],
    }),
    "sessions.create": effect({
      scope: "write",
      summary: "Makes a session, or answers with the one that has this key",
      params: () =>
        z.strictObject({
          key: SessionKey(),
          label: Label().optional(),
          agentId: AgentId().optional(),
          model: ModelRef().optional(),
        }),
      result: () => z.strictObject({ key: z.string(), created: z.boolean(), session: Session() }),
      errors: ["conflict", "not_found", "busy", "unavailable"],
    }),
    "sessions.patch": effect({
      scope: "admin",
      summary: "Gives a session settings of its own; null takes one back",
      params: () => z.strictObject({ key: SessionKey(), ...changes() }),
      result: () => WholeSession(),
      errors: ["conflict", "not_found", "busy", "unavailable"],
    }),
    "sessions.reset": effect({
      scope: "write",
      summary: "Stops the session's runs and begins it anew; what was said can still be found",
      params: () => z.strictObject({ key: SessionKey() }),
      result: () => WholeSession(),
      errors: ["not_found", "busy", "unavailable"],
    }),
    "sessions.delete": effect({
      scope: "write",
      summary: "Stops the session's runs and removes it with its history; an agent's main session stays",
      params: () =>
        z.strictObject({
          key: SessionKey(),
          deleteTranscript: z.literal(true).optional().describe("of the original: here it always is"),
        }),
      result: () => z.strictObject({ deleted: z.boolean() }),
      errors: ["conflict", "busy", "unavailable"],
    }),
    "sessions.compact": effect({
      scope: "write",
      summary: "Puts a summary in the place of older messages for the model; history keeps them all",
      params: () =>
        z.strictObject({
          key: SessionKey(),
          maxLines: z.int().min(1).optional().describe("of the original, not used here"),
        }),
      result: () =>
        z.strictObject({
          compacted: z.int().describe("messages in the summary"),
          kept: z.int().describe("messages the model still reads in full"),
        }),
      errors: ["not_found", "conflict", "busy", "unavailable"],
    }),
    "sessions.preview": method({
      scope: "read",
      summary: "The last messages of several sessions, cut short",
      params: () =>
        z.strictObject({
          keys: z.array(SessionKey()).min(1).max(64),
          limit: z.int().min(1).max(50).default(12),
          maxChars: z.int().min(1).max(2_000).default(240),
        }),
      result: () =>
        z.strictObject({
          previews: z.array(
            z.strictObject({
              key: z.string(),
              status: z.enum(["ok", "empty", "missing"]),
              items: z.array(
                z.strictObject({ id: z.string(), role: z.string(), ts: z.int(), text: z.string() }),
              ),
            }),
          ),
        }),
    }),
    "sessions.search": method({
      scope: "read",
      summary: "Messages with these words, the newest first",
      params: () =>
        z.strictObject({
          query: z.string().min(1).max(LIMITS.searchCharsMax).describe("words; the last may be a beginning"),
          key: SessionKey().optional(),
          limit: z.int().min(1).max(100).default(20),
          cursor: Cursor().optional().describe("`next` of the page before"),
        }),
      result: () =>
        z.strictObject({
          hits: z.array(
            z.strictObject({
              key: z.string(),
              messageId: z.string(),
              role: z.string(),
              ts: z.int(),
              snippet: z.string(),
              marks: z
                .array(z.array(z.int()).length(2))
                .describe("where the words are in the snippet: from and to, in UTF-16 units"),
            }),
          ),
          next: z.string().optional().describe("present when there may be more"),
          isPartial: z
            .literal(true)
            .optional()
            .describe("the disk takes nothing: what was said since the last search is not looked at"),
        }),
      errors: ["invalid_params", "busy", "unavailable"],
    }),
    "sessions.export": method({
      scope: "read",
      summary: "A session as lines of JSON: a header, then one line for each message, in pages",
      params: () =>
        z.strictObject({
          key: SessionKey(),
          after: Cursor().optional().describe("`next` of the page before"),
          all: z.boolean().default(false).describe("with what was said before the last reset"),
          limit: z.int().min(1).max(LIMITS.transcriptLinesMax).default(LIMITS.transcriptLinesMax),
        }),
      result: () =>
        z.strictObject({
          lines: z.array(z.string()),
          next: z.string().optional().describe("present when there are more"),
        }),
      errors: ["invalid_params", "not_found"],
    }),
    "sessions.import": effect({
      scope: "write",
      summary:
        "Makes a session of exported lines, or of a transcript of the original, in one call or several",
      params: () =>
        z.strictObject({
          key: SessionKey(),
          lines: Lines().max(LIMITS.transcriptLinesMax),
          isLast: z.boolean().default(true).describe("false: more lines follow in another call"),
        }),
      result: () =>
        z.strictObject({
          key: z.string(),
          imported: z.int().describe("messages of this call"),
          skipped: z.int().describe("lines of this call that are no messages"),
          leftOut: z
            .int()
            .describe(
              "with the last call: imported messages that were off the last entry's branch, and went",
            ),
          isTorn: z
            .boolean()
            .describe("the last line of a transcript of the original was cut off, and left out"),
          session: Session(),
        }),
      errors: ["conflict", "invalid_params", "not_found", "busy", "unavailable"],
    }),
  },
  events: {
    "sessions.changed": event({
      scope: "read",
      delivery: "latest",
      summary: "A session was made, changed, begun anew or deleted",
      data: () =>
        z.strictObject({
          key: z.string(),
          action: z.enum(["created", "updated", "reset", "deleted"]),
          session: Session().optional(),
        }),
    }),
  },
});
