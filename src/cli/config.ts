import type { Snapshot } from "../config/store.ts";
import type { Platform } from "../ports.ts";
import type { Arguments } from "./args.ts";
import { openConfigFiles } from "./config/files.ts";
import type { Credential } from "./credentials.ts";

type Parts = { readonly platform: Platform; readonly args: Arguments };

/**
 * The configuration of this machine's gateway as it is on disk, but for variables that are not set here;
 * invalid where one of those would be the credential. Loads the whole schema.
 */
export async function readConfiguration(parts: Parts): Promise<Snapshot> {
  const { store, unset } = openConfigFiles(parts);
  const snapshot = await store.readConfigFileSnapshot();
  const errors = unset().filter(({ key }) => key.startsWith("gateway.auth."));
  return errors.length > 0 ? { ...snapshot, valid: false, errors } : snapshot;
}

/** What the gateway runs on while its files cannot be used. */
async function readLastGood(parts: Parts): Promise<Snapshot | undefined> {
  const { store, copies } = openConfigFiles(parts);
  const { path } = await store.readConfigFileSnapshot();
  for (const { texts } of await copies.remembered(path)) {
    const snapshot = await store.readConfigFileSnapshot(texts);
    if (snapshot.valid) return snapshot;
  }
  return undefined;
}

/** The credential the configuration sets; none when there is none, or when it cannot be read. */
export async function fromConfig(parts: Parts): Promise<Credential | undefined> {
  const now = await readConfiguration(parts);
  const snapshot = now.valid ? now : await readLastGood(parts);
  if (!snapshot?.valid) return undefined;
  const { mode, token, password } = snapshot.config.gateway.auth;
  const advice = "The gateway that answers was started with something else: restart it, or give --token";
  const source = (key: string): string => `${key} of ${snapshot.path}`;
  if (token !== undefined && mode !== "password")
    return { token, source: source("gateway.auth.token"), advice };
  if (password !== undefined && mode !== "token")
    return { password, source: source("gateway.auth.password"), advice };
  return undefined;
}
