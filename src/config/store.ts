import { LIMITS } from "../contract/limits.ts";
import type { Crypto, Files } from "../ports.ts";
import type { Flag } from "./env.ts";
import type { ConfigIssue } from "./issues.ts";
import type { Judgement, Settings } from "./judge.ts";
import { resolvePaths } from "./paths.ts";
import type { Paths, PathsInput } from "./paths.ts";
import { plainConfig } from "./plain.ts";
import type { Config, Sections } from "./schema.ts";

interface Read {
  readonly path: string;
  readonly exists: boolean;
  /** SHA-256 of the file's text, hexadecimal; of no text when there is no file. */
  readonly hash: string;
}

/** What was read at one moment, and what it amounts to. */
export type Snapshot = Read & Judgement;

/** A snapshot as far as running needs it: where each value comes from is told by a whole one. */
export type LoadedSnapshot = Read & { readonly warnings: readonly ConfigIssue[] } & (
    | { readonly valid: true; readonly config: Config; readonly secrets: readonly string[] }
    | { readonly valid: false; readonly errors: readonly ConfigIssue[] }
  );

export interface ConfigStoreOptions extends PathsInput {
  readonly files: Pick<Files, "readText">;
  readonly crypto: Pick<Crypto, "sha256">;
  readonly flags?: readonly Flag[];
  /** What features add to the core's sections. */
  readonly sections?: () => Sections;
  /** What the schema, these sections included, makes of an empty file; spares a start to build it. */
  readonly defaults?: Config;
}

/** The one reader of the configuration file, and the holder of the configuration in force. */
export interface ConfigStore {
  readonly paths: Paths;
  /** The schema and every setting there is. */
  settings(): Promise<Settings>;
  /** Reads and judges the file as it is now; changes nothing. Rejects only for sections that clash. */
  readConfigFileSnapshot(): Promise<Snapshot>;
  /** Reads the file and, if it is valid, puts it in force. What is invalid changes nothing. */
  load(): Promise<LoadedSnapshot>;
  /** The configuration in force, frozen. Throws before the first valid `load`. */
  current(): Config;
}

export function createConfigStore(options: ConfigStoreOptions): ConfigStore {
  const { env, flags = [], defaults } = options;
  const paths = resolvePaths(options);
  const sections = (): Sections => options.sections?.() ?? {};
  let inForce: Config | undefined;

  function readOf(file: FileRead): Read {
    const hash = toHex(options.crypto.sha256(file.text ?? ""));
    return { path: file.path, exists: file.exists, hash };
  }

  async function snapshotOf(file: FileRead): Promise<Snapshot> {
    if (file.error !== undefined) {
      const error = { layer: "file" as const, file: file.path, key: "", message: file.error };
      return { ...readOf(file), valid: false, errors: [error], warnings: [] };
    }
    // Loaded when there is something to judge: schema and parser are most of what a start would take.
    const { judge } = await import("./judge.ts");
    const input = { sections: sections(), file: file.path, text: file.text, env, flags };
    return { ...readOf(file), ...judge(input) };
  }

  function plainOf(file: FileRead): LoadedSnapshot | undefined {
    if (file.exists || file.error !== undefined || !defaults) return undefined;
    const config = plainConfig(defaults, { env, flags });
    if (!config) return undefined;
    const { token } = config.gateway.auth;
    return {
      ...readOf(file),
      valid: true,
      config,
      warnings: [],
      secrets: token === undefined ? [] : [token],
    };
  }

  return {
    paths,
    settings: async () => (await import("./judge.ts")).settingsOf(sections()),
    readConfigFileSnapshot: async () => snapshotOf(await readFile(options, paths)),
    async load() {
      const file = await readFile(options, paths);
      const snapshot = plainOf(file) ?? (await snapshotOf(file));
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
      // The file is named in front of every issue of it.
      const reason = (error instanceof Error ? error.message : String(error)).replace(
        /^Cannot \w+ file "[^"]*": /,
        "",
      );
      return {
        path,
        exists: true,
        text: undefined,
        error: `Cannot read configuration: ${reason}`,
      };
    }
  }
  const path = paths.configDefault;
  const error = paths.configNamed ? "Cannot read configuration: there is no such file" : undefined;
  return { path, exists: false, text: undefined, error };
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
