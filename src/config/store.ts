import { LIMITS } from "../contract/limits.ts";
import type { Crypto, Files } from "../ports.ts";
import type { Finding } from "./check.ts";
import type { Environment, Flag } from "./env.ts";
import type { ConfigIssue } from "./issues.ts";
import type { Judgement, Settings } from "./judge.ts";
import { resolvePaths } from "./paths.ts";
import type { Paths, PathsInput } from "./paths.ts";
import { plainConfig } from "./plain.ts";
import { reasonOf } from "./reason.ts";
import type { Config, Sections } from "./schema.ts";
import type { Source } from "./tree/source.ts";

interface Read {
  readonly path: string;
  readonly exists: boolean;
  /** Of the text of the file and of all it includes; see `hashOf`. */
  readonly hash: string;
  /** Undefined where there is no file. */
  readonly source: Source | undefined;
  /** Every file that has a say, whether it is there or not. */
  readonly watched: readonly string[];
}

/** What was read at one moment, and what it amounts to. */
export type Snapshot = Read & Judgement;
export type ValidSnapshot = Extract<Snapshot, { readonly valid: true }>;

/** A snapshot as far as running needs it: where nothing is set, nothing is told about it. */
export type LoadedSnapshot =
  | Extract<Snapshot, { readonly valid: false }>
  | (Omit<ValidSnapshot, "provenance"> & { readonly provenance?: ValidSnapshot["provenance"] });

export interface ConfigStoreOptions extends PathsInput {
  readonly files: Pick<Files, "readText" | "realPath">;
  readonly crypto: Pick<Crypto, "sha256">;
  /** Reads the text of a `.env` file. */
  readonly parseEnv: (text: string) => Environment;
  readonly flags?: readonly Flag[];
  /** What else has to hold for whoever uses the configuration. */
  readonly check?: (config: Config) => readonly Finding[];
  /** What features add to the core's sections. */
  readonly sections?: () => Sections;
  /** What the schema, these sections included, makes of an empty file; spares a start to build it. */
  readonly defaults?: Config;
}

/** Texts that count in place of what is on disk, by path: about to be written, or kept from before. */
export type Texts = ReadonlyMap<string, string>;

/** The one reader of the configuration file, and the holder of the configuration in force. */
export interface ConfigStore {
  readonly paths: Paths;
  /** Set while the gateway runs, by leaf key; read with the next snapshot. */
  readonly overrides: Map<string, unknown>;
  /** The schema and every setting there is. Throws for sections that clash. */
  settings(): Promise<Settings>;
  /** Reads and judges the file as it is now; changes nothing. */
  readConfigFileSnapshot(texts?: Texts): Promise<Snapshot>;
  /** The same for a start: costs nothing where there is no file, and puts in force what is valid. */
  load(): Promise<LoadedSnapshot>;
  /** The variables as of the last reading: the process's own, then those of `.env` in the state directory. */
  environment(): Environment;
  /** The configuration in force, frozen. Throws before the first valid `load`. */
  current(): Config;
  /** Puts a configuration in force; it has to be frozen. */
  use(config: Config): void;
}

export function createConfigStore(options: ConfigStoreOptions): ConfigStore {
  return new Store(options);
}

class Store implements ConfigStore {
  readonly paths: Paths;
  readonly overrides = new Map<string, unknown>();
  readonly #options: ConfigStoreOptions;
  readonly #envFile: string;
  #environment: Environment;
  /** Why `.env` cannot be read; the variables are those of before then. */
  #environmentProblem: ConfigIssue | undefined;
  #inForce: Config | undefined;
  #settings: Promise<Settings> | undefined;

  constructor(options: ConfigStoreOptions) {
    this.#options = options;
    this.paths = resolvePaths(options);
    this.#envFile = `${this.paths.stateDir}/.env`;
    this.#environment = options.env;
  }

  settings(): Promise<Settings> {
    // Loaded when there is something to judge: schema and parser are most of what a start would take.
    return (this.#settings ??= import("./judge.ts").then(({ settingsOf }) =>
      settingsOf(this.#options.sections?.() ?? {}),
    ));
  }

  environment(): Environment {
    return this.#environment;
  }

  async readConfigFileSnapshot(texts?: Texts): Promise<Snapshot> {
    await this.#readEnvironment();
    return this.#snapshotOf(this.#given(texts) ?? (await findFile(this.#options, this.paths)), texts);
  }

  async load(): Promise<LoadedSnapshot> {
    await this.#readEnvironment();
    const file = await findFile(this.#options, this.paths);
    const snapshot = this.#plainOf(file) ?? (await this.#snapshotOf(file));
    if (snapshot.valid) this.#inForce = snapshot.config;
    return snapshot;
  }

  current(): Config {
    if (!this.#inForce) throw new Error("Cannot read the configuration: none has been loaded");
    return this.#inForce;
  }

  use(config: Config): void {
    this.#inForce = config;
  }

  async #readEnvironment(): Promise<void> {
    const { files, env, parseEnv } = this.#options;
    try {
      const text = await files.readText(this.#envFile, LIMITS.configBytesMax);
      this.#environment = text === undefined ? env : { ...parseEnv(text), ...definedOf(env) };
      this.#environmentProblem = undefined;
    } catch (error) {
      const message = `Cannot read variables: ${reasonOf(error)}`;
      this.#environmentProblem = { layer: "env", file: this.#envFile, key: "", message };
    }
  }

  #given(texts: Texts | undefined): MainFile | undefined {
    for (const path of this.paths.configCandidates) {
      const text = texts?.get(path);
      if (text !== undefined) return { path, exists: true, text, error: undefined };
    }
    return undefined;
  }

  async #snapshotOf({ path, exists, text, error }: MainFile, texts?: Texts): Promise<Snapshot> {
    const { files, home, crypto, flags = [] } = this.#options;
    const base = { path, exists, watched: this.#watched(path, exists) };
    if (error !== undefined) {
      const issue = { layer: "file" as const, file: path, key: "", message: error };
      const nothing = { hash: hashOf([], crypto), source: undefined, warnings: [] };
      return { ...base, ...nothing, valid: false, errors: [issue] };
    }
    const [{ judge }, { readSource }] = await Promise.all([import("./judge.ts"), import("./tree/source.ts")]);
    const parts = { files, home, ...(texts && { texts }) };
    const source = text === undefined ? undefined : await readSource(path, text, parts);
    const judged = this.#withEnvironment(
      judge({
        settings: await this.settings(),
        source,
        file: path,
        env: this.#environment,
        flags,
        overrides: this.overrides,
        check: this.#options.check,
      }),
    );
    const hash = hashOf([...(source?.texts.values() ?? [])], crypto);
    return { ...base, hash, source, watched: [...base.watched, ...(source?.watched ?? [])], ...judged };
  }

  /** Where there is no file yet, it may come in any of its places. */
  #watched(path: string, exists: boolean): readonly string[] {
    return [...(exists ? [path] : this.paths.configCandidates), this.#envFile];
  }

  /** What half of the variables make of the files is not what anybody has written. */
  #withEnvironment(judged: Judgement): Judgement {
    const problem = this.#environmentProblem;
    if (!problem) return judged;
    const { warnings } = judged;
    return { valid: false, errors: [...(judged.valid ? [] : judged.errors), problem], warnings };
  }

  /** What needs no judging: nobody has set anything. */
  #plainOf({ path, exists, error }: MainFile): LoadedSnapshot | undefined {
    const { defaults, crypto, flags = [] } = this.#options;
    if (exists || error !== undefined || !defaults || this.overrides.size > 0) return undefined;
    if (this.#environmentProblem) return undefined;
    const config = plainConfig(defaults, { env: this.#environment, flags });
    if (!config) return undefined;
    const { token } = config.gateway.auth;
    return {
      path,
      exists,
      hash: hashOf([], crypto),
      source: undefined,
      watched: this.#watched(path, exists),
      valid: true,
      config,
      warnings: [],
      secrets: token === undefined ? [] : [token],
    };
  }
}

/** A variable that is not set must not hide one of the file. */
function definedOf(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ""));
}

interface MainFile {
  readonly path: string;
  readonly exists: boolean;
  readonly text: string | undefined;
  readonly error: string | undefined;
}

async function findFile(options: ConfigStoreOptions, paths: Paths): Promise<MainFile> {
  for (const path of paths.configCandidates) {
    const file = await readFile(options, path);
    if (file.exists) return file;
  }
  const error = paths.configNamed ? "Cannot read configuration: there is no such file" : undefined;
  return { path: paths.configDefault, exists: false, text: undefined, error };
}

async function readFile({ files }: ConfigStoreOptions, path: string): Promise<MainFile> {
  try {
    const text = await files.readText(path, LIMITS.configBytesMax);
    return { path, exists: text !== undefined, text, error: undefined };
  } catch (error) {
    return { path, exists: true, text: undefined, error: `Cannot read configuration: ${reasonOf(error)}` };
  }
}

/** Whether the file that was read earlier is not there any more; a weaker one in its place is another. */
export function isGone(
  { configCandidates }: Pick<Paths, "configCandidates">,
  earlier: Pick<Read, "path" | "exists">,
  now: Pick<Read, "path" | "exists">,
): boolean {
  if (!earlier.exists) return false;
  return !now.exists || configCandidates.indexOf(now.path) > configCandidates.indexOf(earlier.path);
}

/**
 * What a writer names to show which text it has seen: SHA-256, hexadecimal, of the file's text; where it
 * includes others, of the hashes of all of them, the main one first.
 */
export function hashOf(texts: readonly string[], crypto: Pick<Crypto, "sha256">): string {
  const [first = "", ...rest] = texts.map((text) => toHex(crypto.sha256(text)));
  if (texts.length === 0) return toHex(crypto.sha256(""));
  return rest.length === 0 ? first : toHex(crypto.sha256([first, ...rest].join("\n")));
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
