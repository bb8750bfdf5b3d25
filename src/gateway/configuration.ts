import type { Flag } from "../config/env.ts";
import { formatIssue } from "../config/issues.ts";
import { DEFAULTS } from "../config/defaults.ts";
import { type ConfigStore, createConfigStore, type LoadedSnapshot } from "../config/store.ts";
import { configSections } from "../features/contracts.ts";
import { createLog, type LogFormat } from "../platform/log.ts";
import type { Database, Log, Platform } from "../ports.ts";
import { EXIT, orEnd, StartError } from "./errors.ts";
import { readHolder } from "./holder.ts";

/** Command line options; each wins over the environment and the file. */
export interface GatewayFlags {
  readonly bind?: string;
  readonly token?: string;
  readonly config?: string;
  readonly stateDir?: string;
  readonly logFormat?: string;
}

/** The configuration in force, and the log it asks for. */
export interface Loaded {
  readonly store: ConfigStore;
  readonly snapshot: Extract<LoadedSnapshot, { readonly valid: true }>;
  readonly log: Log;
  /** Texts the log hides. */
  readonly secrets: string[];
}

/** Reads and validates the configuration. @throws StartError 78 with a line for each thing that is wrong */
export async function loadConfiguration(
  port: number | undefined,
  platform: Platform,
  flags: GatewayFlags,
): Promise<Loaded> {
  const { files, crypto, process } = platform;
  const given: readonly Flag[] = [
    { key: "gateway.port", name: "--port", value: port },
    { key: "gateway.bind", name: "--bind", value: flags.bind },
    { key: "gateway.auth.token", name: "--token", value: flags.token },
    { key: "gateway.log.format", name: "--log-format", value: flags.logFormat },
  ];
  const store = createConfigStore({
    files,
    crypto,
    env: process.env,
    home: process.home,
    configPath: flags.config,
    stateDir: flags.stateDir,
    flags: given.filter((flag) => flag.value !== undefined),
    sections: configSections,
    defaults: DEFAULTS,
  });
  const snapshot = await store.load();
  if (!snapshot.valid) throw new StartError(EXIT.config, snapshot.errors.map(formatIssue));
  const secrets = [...snapshot.secrets];
  const { format, level } = snapshot.config.gateway.log;
  const logFormat: LogFormat = format;
  const log = createLog({
    sink: process.stderr,
    format: logFormat,
    level,
    clock: platform.clock,
    secrets: () => secrets,
  });
  for (const warning of snapshot.warnings) log.warn(formatIssue(warning));
  return { store, snapshot, log, secrets };
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
    return platform.lock(`${stateDir}/gateway.lock`);
  });
  if (release) return release;
  const holder = await readHolder(platform.files, stateDir);
  const who = holder ? ` (process ${holder.pid}, ${holder.url})` : "";
  throw new StartError(EXIT.busy, [`Cannot use state directory "${stateDir}": another gateway${who} has it`]);
}

/** @throws StartError 1 with the reason */
export function openDatabase(platform: Platform, path: string): Promise<Database> {
  return orEnd(EXIT.failed, () => platform.openDatabase(path));
}
