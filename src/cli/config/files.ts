import { type Copies, createCopies } from "../../config/write/copies.ts";
import type { Environment } from "../../config/env.ts";
import type { ConfigIssue } from "../../config/issues.ts";
import { isObject } from "../../config/leaves.ts";
import {
  type ConfigStore,
  type ConfigStoreOptions,
  createConfigStore,
  type Snapshot,
  type Texts,
} from "../../config/store.ts";
import { valueOf } from "../../config/tree/tree.ts";
import { configSections } from "../../features/contracts.ts";
import { parseEnv } from "../../platform/env-file.ts";
import type { CommandInput } from "../command.ts";

/** Where the configuration is, if somebody knows better than options and environment. */
export interface Place {
  readonly configPath?: string | undefined;
  readonly stateDir?: string | undefined;
}

/** The configuration's files on this machine, and the copies of them. */
export interface ConfigFiles {
  readonly store: ConfigStore;
  readonly copies: Copies;
  /** The variables that are not set here, as of the last reading. */
  unset(): readonly ConfigIssue[];
  /** The same of one reading. */
  unsetOf(snapshot: Snapshot): readonly ConfigIssue[];
}

/**
 * The service that runs the gateway has variables that this terminal has not: one that is not set stands
 * for itself, as `${NAME}`.
 */
export function openConfigFiles(
  { platform, args }: Pick<CommandInput, "platform" | "args">,
  place: Place = {},
): ConfigFiles {
  const { files, crypto, process } = platform;
  const options: ConfigStoreOptions = {
    files,
    crypto,
    parseEnv,
    env: process.env,
    home: process.home,
    configPath: args.text("config"),
    stateDir: args.text("state-dir"),
    sections: configSections,
    ...place,
  };
  const store = createConfigStore(options);
  let unset: readonly ConfigIssue[] = [];
  const unsetIn = new WeakMap<Snapshot, readonly ConfigIssue[]>();

  async function read(texts?: Texts): Promise<Snapshot> {
    const snapshot = await store.readConfigFileSnapshot(texts);
    const found = snapshot.valid ? [] : snapshot.errors.filter(isUnset);
    // What is not written yet may never be.
    if (!texts) unset = found;
    const standing = await standIn(snapshot, found, texts);
    unsetIn.set(standing, found);
    return standing;
  }

  async function standIn(
    snapshot: Snapshot,
    found: readonly ConfigIssue[],
    texts: Texts | undefined,
  ): Promise<Snapshot> {
    if (snapshot.valid || found.length === 0) return snapshot;
    const env = { ...standIns(found), ...options.env };
    const again = await createConfigStore({ ...options, env }).readConfigFileSnapshot(texts);
    if (again.valid) return again;
    // What is wrong with a value that only stands in for another one says nothing.
    const keys = new Set(found.map(({ key }) => key));
    const others = again.errors.filter(({ key }) => !keys.has(key));
    return { ...again, errors: others.length > 0 ? others : found };
  }

  const copies = createCopies({ ...platform, stateDir: store.paths.stateDir });
  return {
    store: withReading(store, read),
    copies,
    unset: () => unset,
    unsetOf: (snapshot) => unsetIn.get(snapshot) ?? [],
  };
}

function withReading(
  store: ConfigStore,
  readConfigFileSnapshot: ConfigStore["readConfigFileSnapshot"],
): ConfigStore {
  return {
    paths: store.paths,
    overrides: store.overrides,
    readConfigFileSnapshot,
    settings: () => store.settings(),
    load: () => store.load(),
    environment: () => store.environment(),
    current: () => store.current(),
    use: (config) => store.use(config),
  };
}

const UNSET = /: the variable (\S+) is not set, or empty$/;

/** A reference to a variable that is not set here. */
export function isUnset({ message }: Pick<ConfigIssue, "message">): boolean {
  return UNSET.test(message);
}

/** The variables that such issues are about. */
export function unsetNames(issues: readonly Pick<ConfigIssue, "message">[]): readonly string[] {
  return [...new Set(issues.map(({ message }) => UNSET.exec(message)?.[1] ?? ""))];
}

/** Names of ours are left out: as variables they would set something. */
function standIns(issues: readonly ConfigIssue[]): Environment {
  const others = unsetNames(issues).filter((name) => !/^(?:CLAWDBOT|MOLTBOT)_/.test(name));
  return Object.fromEntries(others.map((name) => [name, `\${${name}}`]));
}

/** What the files say, references as they are written; nothing where there are none. */
export function writtenOf({ source }: Snapshot): Record<string, unknown> {
  const value = source?.tree && valueOf(source.tree);
  return isObject(value) ? value : {};
}
