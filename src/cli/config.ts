import type { Snapshot } from "../config/store.ts";
import type { Platform } from "../ports.ts";
import type { Arguments } from "./args.ts";
import { type ConfigFiles, openConfigFiles, unsetNames } from "./config/files.ts";
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

/** A credential that the configuration has and this terminal lacks, as a sentence. */
export type Unusable = { readonly problem: string };

/** The credential the configuration sets; none when there is none, or when it cannot be read. */
export async function fromConfig(parts: Parts): Promise<Credential | Unusable | undefined> {
  const files = openConfigFiles(parts);
  const advice = "The gateway that answers was started with something else: restart it, or give --token";
  for await (const snapshot of readings(files)) {
    const kinds = kindsOf(snapshot);
    // What stands for a variable that is not set here is the name of the secret, not the secret.
    const unset = files.unsetOf(snapshot);
    for (const kind of kinds) {
      const key = `gateway.auth.${kind}`;
      const [name] = unsetNames(unset.filter((issue) => issue.key === key));
      if (name !== undefined) return { problem: `${key} is \${${name}}, which is not set here` };
    }
    if (!snapshot.valid) continue;
    const { auth } = snapshot.config.gateway;
    const [kind] = kinds;
    if (kind === undefined) return undefined;
    return { [kind]: auth[kind], source: `gateway.auth.${kind} of ${snapshot.path}`, advice };
  }
  return undefined;
}

/** The files as they are, then what the gateway runs on while those cannot be used. */
async function* readings({ store, copies }: ConfigFiles): AsyncGenerator<Snapshot> {
  const now = await store.readConfigFileSnapshot();
  yield now;
  for (const { texts } of await copies.remembered(now.path)) yield store.readConfigFileSnapshot(texts);
}

/** What a gateway with this configuration asks for; all it may be where that cannot be told. */
function kindsOf(snapshot: Snapshot): readonly ("token" | "password")[] {
  if (!snapshot.valid) return ["token", "password"];
  const { mode, token, password } = snapshot.config.gateway.auth;
  if (token !== undefined && mode !== "password") return ["token"];
  return password !== undefined && mode !== "token" ? ["password"] : [];
}
