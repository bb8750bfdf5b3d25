import type { z } from "zod";
import { LIMITS } from "../contract/limits.ts";
import type { Finding } from "./check.ts";
import { envNames } from "./env.ts";
import type { Environment, Flag } from "./env.ts";
import { bounded, type ConfigIssue } from "./issues.ts";
import { composeLayers, type Layered, type Provenance } from "./layers.ts";
import { keyOf, type Leaf, leavesOf } from "./leaves.ts";
import { secretValues } from "./show/secrets.ts";
import { type Config, rootSchema, type Sections } from "./schema.ts";
import type { Source } from "./tree/source.ts";

/** What is known of the world when a configuration is judged. */
export interface JudgeInput {
  readonly settings: Settings;
  /** The main file's name as shown. */
  readonly file: string;
  /** The files as they were read; undefined when there are none. */
  readonly source: Source | undefined;
  readonly env: Environment;
  readonly flags: readonly Flag[];
  readonly overrides?: ReadonlyMap<string, unknown>;
  /** What else would be wrong with a configuration that is right setting by setting. */
  readonly check?: ((config: Config) => readonly Finding[]) | undefined;
}

export type Judgement = { readonly warnings: readonly ConfigIssue[] } & (
  | {
      readonly valid: true;
      readonly config: Config;
      readonly provenance: Provenance;
      /** Every secret text in it, for the log to hide. */
      readonly secrets: readonly string[];
    }
  | { readonly valid: false; readonly errors: readonly ConfigIssue[] }
);

/** The schema of the whole, with every setting there is. */
export interface Settings {
  readonly schema: z.ZodObject;
  readonly leaves: readonly Leaf[];
  readonly names: ReturnType<typeof envNames>;
}

/** Throws when two sections or two environment names are the same. */
export function settingsOf(sections: Sections): Settings {
  const schema = rootSchema(sections);
  const leaves = leavesOf(schema);
  return { schema, leaves, names: envNames(leaves) };
}

/** Lays the layers over each other and validates the whole. Never throws for what a person has written. */
export function judge({ settings, source, check, ...input }: JudgeInput): Judgement {
  if (source && source.errors.length > 0)
    return { valid: false, errors: bounded(source.errors), warnings: [] };
  const files = { tree: source?.tree, secretFiles: source?.secretFiles ?? new Map() };
  const layered: Layered = composeLayers({ ...settings, ...input, ...files });
  if (!layered.valid) return layered;
  const { config, provenance, warnings } = layered;
  const errors = check?.(config).map((finding) => toIssue(finding, provenance, input.file)) ?? [];
  const secrets = secretValues(settings.schema, config);
  if (secrets.length > LIMITS.configSecretsMax) errors.push(tooManySecrets(input.file));
  return errors.length > 0 ? { valid: false, errors: bounded(errors), warnings } : { ...layered, secrets };
}

/** The log could not hide them all. */
function tooManySecrets(file: string): ConfigIssue {
  const message = `Cannot use configuration: it has more than ${LIMITS.configSecretsMax} secrets`;
  return { layer: "file", file, key: "", message };
}

/** Said where the setting is from; a default is nobody's place but the whole file's. */
function toIssue({ path, message }: Finding, provenance: Provenance, main: string): ConfigIssue {
  const key = keyOf(path);
  const [setting] = provenance.get(key) ?? [];
  if (!setting || setting.layer === "default") return { layer: "file", file: main, key, message };
  const { layer, file, line, column, name } = setting;
  return {
    layer,
    key,
    message,
    ...(file !== undefined && { file }),
    ...(line !== undefined && { line }),
    ...(column !== undefined && { column }),
    ...(name !== undefined && { name }),
  };
}
