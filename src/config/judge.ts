import type { z } from "zod";
import { envNames } from "./env.ts";
import type { Environment, Flag } from "./env.ts";
import type { ConfigIssue } from "./issues.ts";
import { composeLayers, type Layered, type Provenance } from "./layers.ts";
import { type Leaf, leavesOf } from "./leaves.ts";
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
export function judge({ settings, source, ...input }: JudgeInput): Judgement {
  if (source && source.errors.length > 0) return { valid: false, errors: source.errors, warnings: [] };
  const files = { tree: source?.tree, secretFiles: source?.secretFiles ?? new Map() };
  const layered: Layered = composeLayers({ ...settings, ...input, ...files });
  if (!layered.valid) return layered;
  return { ...layered, secrets: secretValues(settings.schema, layered.config) };
}
