import { z } from "zod";
import { effect, event, method, once, type Output } from "../../contract/define.ts";
import { LIMITS } from "../../contract/limits.ts";
import { contract } from "../../feature.ts";

/** One thing wrong with, or worth knowing about, the configuration. No message holds a secret. */
export const ConfigProblem = once(() =>
  z.strictObject({
    file: z.string().optional(),
    line: z.int().optional().describe("from 1"),
    column: z.int().optional().describe("from 1"),
    key: z.string().describe("the setting; empty where it is about the whole"),
    message: z.string(),
  }),
);
export type ConfigProblem = Output<typeof ConfigProblem>;

const Key = once(() => z.string().min(1).max(LIMITS.configKeyCharsMax).describe("such as gateway.port"));
const Raw = once(() => z.string().max(LIMITS.configBytesMax));
const BaseHash = once(() =>
  z.string().max(64).describe("hash of what the writer has read; another one now is a conflict"),
);
const Drop = once(() =>
  z.array(Key()).max(LIMITS.configDropMax).describe("keys that may go, with all that is in them"),
);
const Verbatim = once(() =>
  z.boolean().describe("write raw as it is, even where it has no comments and the file has"),
);
const Confirm = once(() =>
  z
    .int()
    .min(LIMITS.configConfirmMsMin)
    .max(LIMITS.configConfirmMsMax)
    .describe("undone unless a client that connects afterwards calls config.confirm within this time, ms"),
);

const layers = ["default", "file", "env", "flag", "override"] as const;

export const ConfigPlace = once(() =>
  z.strictObject({ file: z.string(), line: z.int().describe("from 1"), column: z.int().describe("from 1") }),
);

export const ConfigOutcome = once(() =>
  z.strictObject({
    ok: z.literal(true),
    path: z.string(),
    hash: z.string().describe("of the files as they are now: the next baseHash"),
    changed: z.array(z.string()).describe("settings that have another value now"),
    restartOwed: z.array(z.string()).describe("settings that wait for a restart"),
    backup: z.string().optional().describe("what was there before, for config.rollback"),
    notes: z.array(z.string()).describe("what was converted on the way, in words"),
  }),
);
export type ConfigOutcome = Output<typeof ConfigOutcome>;

const WRITE_ERRORS = ["conflict", "invalid_params", "busy", "unavailable"] as const;

/** What clients of the system we replace send along; what it asks for happens anyway, or never does. */
const older = () => ({
  sessionKey: z.string().max(LIMITS.sessionKeyCharsMax).optional().describe("ignored"),
  note: z.string().max(LIMITS.configBytesMax).optional().describe("ignored"),
  restartDelayMs: z.int().min(0).optional().describe("ignored: a restart waits until no run is active"),
});

export const configContract = contract({
  name: "config",
  methods: {
    "config.get": method({
      scope: "admin",
      summary: "The configuration in force and the text of its file, secrets hidden",
      params: () => z.strictObject({ key: Key().optional().describe("only this part of it") }),
      result: () =>
        z.strictObject({
          path: z.string(),
          exists: z.boolean(),
          hash: z.string().describe("of the file and all it includes"),
          valid: z.boolean(),
          config: z.unknown().describe("in force, defaults included"),
          parsed: z.unknown().describe("as written in the files, references unresolved"),
          raw: z
            .string()
            .nullable()
            .describe("the main file's text; null without one, or if it cannot be read"),
          issues: z.array(ConfigProblem()),
          warnings: z.array(ConfigProblem()),
          restartOwed: z.array(z.string()),
        }),
      errors: ["not_found"],
    }),
    "config.explain": method({
      scope: "admin",
      summary: "Why a setting has the value it has",
      params: () => z.strictObject({ key: Key() }),
      result: () =>
        z.strictObject({
          key: z.string(),
          value: z.unknown().describe("*** for a secret; absent when it is not set"),
          layer: z.enum(layers),
          source: ConfigPlace().optional(),
          name: z.string().optional().describe("the variable or option"),
          partOf: z
            .string()
            .optional()
            .describe("the setting it is a part of; variables set that as a whole"),
          env: z.string().optional().describe("the variable that sets it; none for what only a file can say"),
          default: z.unknown(),
          hidden: z.array(
            z.strictObject({
              layer: z.enum(layers),
              value: z.unknown(),
              source: ConfigPlace().optional(),
              name: z.string().optional(),
            }),
          ),
          reload: z.enum(["live", "feature", "process"]),
          description: z.string(),
          restartOwed: z.boolean().describe("the value waits for a restart"),
        }),
      errors: ["not_found"],
    }),
    "config.schema": method({
      scope: "admin",
      summary: "JSON Schema of the configuration, with hints for forms",
      params: () => z.strictObject({}),
      result: () =>
        z.strictObject({
          schema: z.record(z.string(), z.unknown()),
          uiHints: z.record(z.string(), z.unknown()).describe("by key, * for any entry"),
          version: z.string(),
        }),
    }),
    "config.validate": method({
      scope: "admin",
      summary: "What a change would be refused for, or lead to; changes nothing",
      params: () =>
        z.strictObject({
          raw: Raw().optional().describe("a whole configuration; absent: the file as it is now"),
          patch: Raw().optional().describe("JSON text of a merge patch"),
          drop: Drop().optional(),
        }),
      result: () =>
        z.strictObject({
          valid: z.boolean(),
          errors: z.array(ConfigProblem()),
          warnings: z.array(ConfigProblem()),
          changed: z.array(z.string()),
          plan: z.strictObject({
            applied: z.array(z.string()).describe("settings in force at once"),
            features: z.array(z.string()).describe("parts that start anew for it"),
            restartOwed: z.array(z.string()).describe("settings that wait for a restart"),
            restarts: z.boolean().describe("the restart comes by itself when no run is active"),
          }),
        }),
      errors: ["invalid_params"],
    }),
    "config.set": effect({
      scope: "admin",
      summary: "Writes one key, or the whole file as `raw`",
      params: () =>
        z.strictObject({
          key: Key().optional(),
          value: z.unknown().optional(),
          raw: Raw().optional(),
          baseHash: BaseHash().optional(),
          drop: Drop().optional(),
          verbatim: Verbatim().optional(),
          ...older(),
        }),
      result: ConfigOutcome,
      errors: WRITE_ERRORS,
    }),
    "config.unset": effect({
      scope: "admin",
      summary: "Takes one key out of the file, so that its default applies",
      params: () => z.strictObject({ key: Key(), baseHash: BaseHash().optional() }),
      result: ConfigOutcome,
      errors: [...WRITE_ERRORS, "not_found"],
    }),
    "config.patch": effect({
      scope: "admin",
      summary: "Merges a JSON merge patch into the file (RFC 7396); lists of things with an id by id",
      params: () =>
        z.strictObject({
          raw: Raw().describe("JSON text of the patch; null takes a key out"),
          baseHash: BaseHash().optional().describe("required where a file exists"),
          confirmWithinMs: Confirm().optional(),
          ...older(),
        }),
      result: ConfigOutcome,
      errors: WRITE_ERRORS,
    }),
    "config.apply": effect({
      scope: "admin",
      summary: "Replaces the whole file, undone unless confirmed if so asked",
      params: () =>
        z.strictObject({
          raw: Raw(),
          baseHash: BaseHash().optional().describe("required where a file exists"),
          drop: Drop().optional(),
          verbatim: Verbatim().optional(),
          confirmWithinMs: Confirm().optional(),
          ...older(),
        }),
      result: ConfigOutcome,
      errors: WRITE_ERRORS,
    }),
    "config.confirm": effect({
      scope: "admin",
      summary: "Keeps what config.apply or config.patch wrote; from a connection made since it is in force",
      params: () => z.strictObject({}),
      result: () => z.strictObject({ confirmed: z.boolean().describe("false: nothing waits for it") }),
      errors: ["conflict"],
    }),
    "config.backups": method({
      scope: "admin",
      summary: "What config.rollback can put back, the newest first",
      params: () => z.strictObject({}),
      result: () =>
        z.strictObject({ backups: z.array(z.string().describe("when it was written over, UTC")) }),
    }),
    "config.rollback": effect({
      scope: "admin",
      summary: "Puts the files of a backup back, after a backup of what is there",
      params: () =>
        z.strictObject({
          backup: z.string().max(64).optional().describe("absent: the newest"),
          baseHash: BaseHash().optional(),
        }),
      result: ConfigOutcome,
      errors: [...WRITE_ERRORS, "not_found"],
    }),
    "config.override.set": effect({
      scope: "admin",
      summary: "Sets one setting until the process ends, over everything else",
      params: () => z.strictObject({ key: Key(), value: z.unknown() }),
      result: ConfigOutcome,
      errors: ["invalid_params", "not_found", "unavailable"],
    }),
    "config.override.unset": effect({
      scope: "admin",
      summary: "Takes such a setting back",
      params: () => z.strictObject({ key: Key() }),
      result: ConfigOutcome,
      errors: ["not_found", "unavailable"],
    }),
    "config.override.list": method({
      scope: "admin",
      summary: "What is set until the process ends, secrets hidden",
      params: () => z.strictObject({}),
      result: () =>
        z.strictObject({
          overrides: z.array(z.strictObject({ key: z.string(), value: z.unknown() })),
        }),
    }),
  },
  events: {
    "config.changed": event({
      scope: "read",
      delivery: "must",
      summary: "The files say something else, and it is in force but for what is owed",
      data: () =>
        z.strictObject({
          changed: z.array(z.string()).describe("settings; none when only comments or formatting differ"),
          hash: z.string(),
          restartOwed: z.array(z.string()),
        }),
    }),
    "config.rejected": event({
      scope: "read",
      delivery: "must",
      summary: "The files cannot be used as they are now; the configuration goes on as before",
      data: () => z.strictObject({ hash: z.string(), errors: z.array(ConfigProblem()) }),
    }),
  },
});
