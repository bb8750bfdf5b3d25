import type { z } from "zod";
import { type Document, readDocument, type Reading, type TextIssue } from "./document.ts";
import { envNames } from "./env.ts";
import type { Environment, Flag } from "./env.ts";
import type { ConfigIssue } from "./issues.ts";
import { composeLayers, type Layered, type Provenance } from "./layers.ts";
import { type Leaf, leavesOf } from "./leaves.ts";
import { secretValues } from "./secrets.ts";
import { type Config, rootSchema, type Sections } from "./schema.ts";

/** What is known of the world when a configuration is judged. */
export interface JudgeInput {
  readonly sections: Sections;
  /** The file's name as shown, and its text; undefined when there is none. */
  readonly file: string;
  readonly text: string | undefined;
  readonly env: Environment;
  readonly flags: readonly Flag[];
}

export type Judgement = { readonly warnings: readonly ConfigIssue[] } & (
  | {
      readonly valid: true;
      readonly config: Config;
      readonly provenance: Provenance;
      /** The file as written; undefined when there is none. */
      readonly document: Document | undefined;
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
export function judge({ sections, file, text, env, flags }: JudgeInput): Judgement {
  const settings = settingsOf(sections);
  const reading: Reading | undefined = text === undefined ? undefined : readDocument(text);
  if (reading && !reading.ok) {
    return { valid: false, errors: reading.errors.map((error) => unreadable(file, error)), warnings: [] };
  }
  const document = reading?.document;
  const layered: Layered = composeLayers({ ...settings, file, document, env, flags });
  if (!layered.valid) return layered;
  return { ...layered, document, secrets: secretValues(settings.schema, layered.config) };
}

function unreadable(file: string, { line, column, key, reason }: TextIssue): ConfigIssue {
  return { layer: "file", file, line, column, key, message: `Cannot read configuration: ${reason}` };
}
