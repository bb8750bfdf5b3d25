import { type ConfigStoreOptions, createConfigStore, type Snapshot } from "../config/store.ts";
import { configSections } from "../features/contracts.ts";
import { parseEnv } from "../platform/env-file.ts";
import type { Platform } from "../ports.ts";
import type { Arguments } from "./args.ts";
import type { Credential } from "./credentials.ts";

/** Where this machine's gateway has its configuration from, whether it runs or not. */
export function storeOptions({ files, crypto, process }: Platform, args: Arguments): ConfigStoreOptions {
  return {
    files,
    crypto,
    parseEnv,
    env: process.env,
    home: process.home,
    configPath: args.text("config"),
    stateDir: args.text("state-dir"),
    sections: configSections,
  };
}

/** The configuration of this machine's gateway as it is on disk. Loads the whole schema. */
export function readConfiguration(platform: Platform, args: Arguments): Promise<Snapshot> {
  const store = createConfigStore(storeOptions(platform, args));
  return store.readConfigFileSnapshot();
}

/** The credential the configuration sets; none when there is none, or when it cannot be read. */
export async function fromConfig(platform: Platform, args: Arguments): Promise<Credential | undefined> {
  const snapshot = await readConfiguration(platform, args);
  if (!snapshot.valid) return undefined;
  const { mode, token, password } = snapshot.config.gateway.auth;
  const advice = "The gateway that answers was started with something else: restart it, or give --token";
  const source = (key: string): string => `${key} of ${snapshot.path}`;
  if (token !== undefined && mode !== "password")
    return { token, source: source("gateway.auth.token"), advice };
  if (password !== undefined && mode !== "token")
    return { password, source: source("gateway.auth.password"), advice };
  return undefined;
}
