import { contradictionsIn } from "../config/contradictions.ts";
import type { Flag } from "../config/env.ts";
import { formatIssue } from "../config/issues.ts";
import { isOlderName } from "../config/paths.ts";
import { DEFAULTS } from "../config/defaults.ts";
import type { ConfigIssue } from "../config/issues.ts";
import { type ConfigStore, createConfigStore, type LoadedSnapshot } from "../config/store.ts";
import { configSections } from "../features/contracts.ts";
import { parseEnv } from "../platform/env-file.ts";
import { createLog } from "../platform/log.ts";
import type { Log, Platform } from "../ports.ts";
import type { Development } from "./development.ts";
import { EXIT, orEnd, StartError } from "./errors.ts";
import { readHolder } from "./holder.ts";
import { warnMissing } from "./missing-file.ts";
import { LOCK_FILE } from "./names.ts";

/** Command line options; each wins over the environment and the file. */
export interface GatewayFlags {
  readonly bind?: string;
  readonly token?: string;
  readonly config?: string;
  readonly stateDir?: string;
  readonly logFormat?: string;
  /** A plugin that is being written; on for this run. */
  readonly development?: Development;
}

type Usable = Extract<LoadedSnapshot, { readonly valid: true }>;

/** The configuration in force, and the log it asks for. */
export interface Loaded {
  readonly store: ConfigStore;
  /** What is in force. */
  readonly snapshot: Usable;
  /** What is wrong with the files, where an older copy of them is in force. */
  readonly errors: readonly ConfigIssue[];
  readonly log: Log;
  /** Texts the log hides. */
  readonly secrets: string[];
  /** What clients of this machine present, whatever the configuration says by now; one for the process. */
  readonly localToken: string;
  readonly development: Development | undefined;
}

/** The configuration's files, with what this call says over them. */
export function openStore(port: number | undefined, platform: Platform, flags: GatewayFlags): ConfigStore {
  const { files, crypto, process } = platform;
  const given: readonly Flag[] = [
    { key: "gateway.port", name: "--port", value: port },
    { key: "gateway.bind", name: "--bind", value: flags.bind },
    { key: "gateway.auth.token", name: "--token", value: flags.token },
    { key: "gateway.log.format", name: "--log-format", value: flags.logFormat },
  ];
  return createConfigStore({
    files,
    crypto,
    parseEnv,
    env: process.env,
    home: process.home,
    configPath: flags.config,
    stateDir: flags.stateDir,
    flags: given.filter((flag) => flag.value !== undefined),
    check: contradictionsIn,
    sections: configSections,
    defaults: DEFAULTS,
  });
}

/** Reads and validates the configuration. @throws StartError 78 with a line for each thing that is wrong */
export async function loadConfiguration(
  port: number | undefined,
  platform: Platform,
  flags: GatewayFlags,
): Promise<Loaded> {
  const store = openStore(port, platform, flags);
  const loadedNow = await store.load();
  const snapshot = loadedNow.valid ? loadedNow : await lastGood(platform, store, loadedNow);
  const errors = loadedNow.valid ? [] : loadedNow.errors;
  store.use(snapshot.config);
  const localToken = platform.crypto.secret();
  const secrets = [...snapshot.secrets, localToken];
  const log = createLog({
    sink: platform.process.stderr,
    format: () => store.current().gateway.log.format,
    level: () => store.current().gateway.log.level,
    clock: platform.clock,
    secrets: () => secrets,
  });
  for (const issue of errors) log.error("configuration not used", { reason: formatIssue(issue) });
  if (errors.length > 0) {
    log.error(
      "SAFE MODE: started on the last configuration that could be used; mend the file, it is followed",
    );
  }
  for (const warning of snapshot.warnings) log.warn(formatIssue(warning));
  return { store, snapshot, errors, log, secrets, localToken, development: flags.development };
}

/** The copy of the last files that could be used. @throws StartError 78 when there is none */
async function lastGood(
  platform: Platform,
  store: ConfigStore,
  { path, errors }: Extract<LoadedSnapshot, { readonly valid: false }>,
): Promise<Usable> {
  const { createCopies } = await import("../config/write/copies.ts");
  const copies = createCopies({ ...platform, stateDir: store.paths.stateDir });
  for (const { hash, texts } of await copies.remembered(path)) {
    const snapshot = await store.readConfigFileSnapshot(texts);
    if (snapshot.valid && snapshot.hash === hash) return snapshot;
  }
  throw new StartError(EXIT.config, errors.map(formatIssue));
}

/** Converts what the system we replace has left, once; the files are ours to write by now. */
export async function convertOld(platform: Platform, loaded: Loaded): Promise<Loaded> {
  const { snapshot, errors, store } = loaded;
  await warnMissing(platform, loaded);
  const isOld = snapshot.source && (snapshot.source.changes.length > 0 || isOlderName(snapshot.path));
  if (!isOld || errors.length > 0) return loaded;
  const { convertOldFiles } = await import("./convert-old-files.ts");
  if (!(await convertOldFiles(platform, loaded))) return loaded;
  const converted = await store.load();
  return converted.valid ? { ...loaded, snapshot: converted } : loaded;
}

/**
 * Makes the state directory ours.
 *
 * @returns how to give it back
 * @throws StartError 75 naming who has it, 1 when it cannot be made or locked
 */
export async function takeStateDir(platform: Platform, stateDir: string): Promise<() => void> {
  const release = await orEnd(EXIT.failed, async () => {
    await platform.files.ensurePrivateDir(stateDir);
    return platform.lock(`${stateDir}/${LOCK_FILE}`);
  });
  if (release) return release;
  const holder = await readHolder(platform.files, stateDir);
  const who = holder ? ` (process ${holder.pid}, ${holder.url})` : "";
  throw new StartError(EXIT.busy, [`Cannot use state directory "${stateDir}": another gateway${who} has it`]);
}
