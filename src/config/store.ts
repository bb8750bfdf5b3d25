import type { z } from "zod";
import { LIMITS } from "../contract/limits.ts";
import type { Crypto, Files } from "../ports.ts";
import { readDocument } from "./document.ts";
import type { Document, Reading, TextIssue } from "./document.ts";
import { envNames } from "./env.ts";
import type { Flag } from "./env.ts";
import type { ConfigIssue } from "./issues.ts";
import { composeLayers } from "./layers.ts";
import type { Provenance } from "./layers.ts";
import { leavesOf, quote } from "./leaves.ts";
import type { Leaf } from "./leaves.ts";
import { resolvePaths } from "./paths.ts";
import type { Paths, PathsInput } from "./paths.ts";
import { rootSchema } from "./schema.ts";
import type { Config, Sections } from "./schema.ts";

/** What was read at one moment, and what it amounts to. */
export type Snapshot = ValidSnapshot | InvalidSnapshot;

interface Read {
  readonly path: string;
  readonly exists: boolean;
  /** SHA-256 of the file's text, hexadecimal; of no text when there is no file. */
  readonly hash: string;
  readonly warnings: readonly ConfigIssue[];
}

export interface ValidSnapshot extends Read {
  readonly valid: true;
  readonly config: Config;
  readonly provenance: Provenance;
  /** The file as written; undefined when there is none. */
  readonly document: Document | undefined;
}

export interface InvalidSnapshot extends Read {
  readonly valid: false;
  /** By place in the file; at least one. */
  readonly errors: readonly ConfigIssue[];
}

export interface ConfigStoreOptions extends PathsInput {
  readonly files: Pick<Files, "readText">;
  readonly crypto: Pick<Crypto, "sha256">;
  readonly flags?: readonly Flag[];
  /** What features add to the core's sections. */
  readonly sections?: Sections;
}

/** The one reader of the configuration file, and the holder of the configuration in force. */
export interface ConfigStore {
  readonly paths: Paths;
  readonly schema: z.ZodObject;
  /** Every setting there is. */
  readonly leaves: readonly Leaf[];
  /** Reads and judges the file as it is now; changes nothing. Never rejects. */
  readConfigFileSnapshot(): Promise<Snapshot>;
  /** Reads the file and, if it is valid, puts it in force. What is invalid changes nothing. */
  load(): Promise<Snapshot>;
  /** The configuration in force, frozen. Throws before the first valid `load`. */
  current(): Config;
}

/** Throws when two sections or two environment names are the same. */
export function createConfigStore(options: ConfigStoreOptions): ConfigStore {
  const schema = rootSchema(options.sections);
  const leaves = leavesOf(schema);
  const names = envNames(leaves);
  const paths = resolvePaths(options);
  let inForce: Config | undefined;

  const readConfigFileSnapshot = async (): Promise<Snapshot> => {
    const file = await readFile(options, paths);
    const hash = toHex(options.crypto.sha256(file.text ?? ""));
    const read = { path: file.path, exists: file.exists, hash };
    const failed = (...errors: readonly ConfigIssue[]): Snapshot => ({
      ...read,
      valid: false,
      errors,
      warnings: [],
    });
    if (file.error !== undefined)
      return failed({ layer: "file", file: file.path, key: "", message: file.error });
    const reading: Reading | undefined = file.text === undefined ? undefined : readDocument(file.text);
    if (reading && !reading.ok) {
      return failed(...reading.errors.map((error) => unreadable(file.path, error)));
    }
    const document = reading?.document;
    const { env, flags = [] } = options;
    const layered = composeLayers({ schema, leaves, names, file: file.path, document, env, flags });
    return layered.valid ? { ...read, ...layered, document } : { ...read, ...layered };
  };

  return {
    paths,
    schema,
    leaves,
    readConfigFileSnapshot,
    async load() {
      const snapshot = await readConfigFileSnapshot();
      if (snapshot.valid) inForce = snapshot.config;
      return snapshot;
    },
    current() {
      if (!inForce) throw new Error("Cannot read the configuration: none has been loaded");
      return inForce;
    },
  };
}

interface FileRead {
  readonly path: string;
  readonly exists: boolean;
  readonly text: string | undefined;
  readonly error: string | undefined;
}

async function readFile({ files }: ConfigStoreOptions, paths: Paths): Promise<FileRead> {
  for (const path of paths.configCandidates) {
    try {
      const text = await files.readText(path, LIMITS.configBytesMax);
      if (text !== undefined) return { path, exists: true, text, error: undefined };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return {
        path,
        exists: true,
        text: undefined,
        error: `Cannot read configuration ${quote(path)}: ${reason}`,
      };
    }
  }
  const path = paths.configDefault;
  const error = paths.configNamed
    ? `Cannot read configuration ${quote(path)}: there is no such file`
    : undefined;
  return { path, exists: false, text: undefined, error };
}

function unreadable(file: string, { line, column, key, reason }: TextIssue): ConfigIssue {
  return { layer: "file", file, line, column, key, message: `Cannot read configuration: ${reason}` };
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
