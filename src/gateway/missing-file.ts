import type { Platform } from "../ports.ts";
import type { Loaded } from "./configuration.ts";

/** Says so where there was a file once: whoever has lost it would see the defaults and wonder. */
export async function warnMissing({ files }: Pick<Platform, "files">, loaded: Loaded): Promise<void> {
  const { snapshot, store, log } = loaded;
  if (snapshot.exists) return;
  const known = await files.list(`${store.paths.stateDir}/config-last-good`);
  if (known.length === 0) return;
  log.warn("no configuration file, defaults apply; gateway config rollback --list shows what there was", {
    path: snapshot.path,
  });
}
