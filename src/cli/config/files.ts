import { type Copies, createCopies } from "../../config/copies.ts";
import type { Environment } from "../../config/env.ts";
import type { ConfigIssue } from "../../config/issues.ts";
import { isObject } from "../../config/leaves.ts";
import { type ConfigStore, createConfigStore, type Snapshot } from "../../config/store.ts";
import { valueOf } from "../../config/tree.ts";
import type { CommandInput } from "../command.ts";
import { storeOptions } from "../config.ts";

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
}

/**
 * The service that runs the gateway has variables that this terminal has not: one that is not set stands
 * for itself, as `${NAME}`.
 */
export function openConfigFiles({ platform, args }: CommandInput, place: Place = {}): ConfigFiles {
  const options = { ...storeOptions(platform, args), ...place };
  const store = createConfigStore(options);
  let unset: readonly ConfigIssue[] = [];

  async function read(...given: Parameters<ConfigStore["readConfigFileSnapshot"]>): Promise<Snapshot> {
    const snapshot = await store.readConfigFileSnapshot(...given);
    unset = snapshot.valid ? [] : snapshot.errors.filter(isUnset);
    if (snapshot.valid || unset.length === 0) return snapshot;
    const env = { ...standIns(unset), ...options.env };
    const again = await createConfigStore({ ...options, env }).readConfigFileSnapshot(...given);
    if (again.valid) return again;
    // What is wrong with a value that only stands in for another one says nothing.
    const keys = new Set(unset.map(({ key }) => key));
    const others = again.errors.filter(({ key }) => !keys.has(key));
    return { ...again, errors: others.length > 0 ? others : unset };
  }

  const copies = createCopies({ ...platform, stateDir: store.paths.stateDir });
  return { store: withReading(store, read), copies, unset: () => unset };
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
