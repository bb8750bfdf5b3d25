import type { Isolation } from "../../features/plugins/contract.ts";
import type { Capabilities } from "../api.ts";
import type { Plan } from "./attempt.ts";
import { entryOf, type PluginsConfig, type Surroundings } from "../find/auto-enable.ts";
import type { Found, Usable } from "../find/found.ts";
import { absolute, grantedOf } from "../find/grants.ts";
import { checkSettings } from "../find/settings.ts";

export interface TermsPorts extends Surroundings {
  readonly config: () => PluginsConfig;
  /** The user's home directory, for paths that begin with `~/`. */
  readonly home: string;
}

/** Under which conditions a plugin runs, as the configuration is now. */
export interface Terms {
  readonly isolation: Isolation;
  readonly settings: unknown;
  /** What it asks for: its manifest declares it, or its settings name it. Paths are absolute. */
  readonly wants: Capabilities;
  readonly grants: Capabilities;
  /** Granted and not declared, in words. */
  readonly ignored: readonly string[];
  /** Settings that do not fit the schema of the manifest. */
  readonly misfits: readonly string[];
  /** Its entry switches it on; when it is off all the same, there is a reason to tell. */
  readonly isContradicted: boolean;
}

export function termsOf(ports: TermsPorts, found: Found): Terms {
  const entry = entryOf(ports.config(), found.id);
  const isContradicted = entry?.enabled === true;
  const isOurs = found.origin === "bundled";
  if (found.problem !== undefined) {
    const isolation = entry?.isolation ?? "process";
    const nothing = { settings: undefined, wants: {}, grants: {}, ignored: [], misfits: [] };
    return { isolation, ...nothing, isContradicted };
  }
  const { manifest, section, filesOf } = found;
  // A channel of its own name has its settings where those of our own channels are. Nobody else's.
  const channel = manifest.channels.includes(found.id) ? `channels.${found.id}` : undefined;
  const place = section ?? (entry?.config === undefined ? channel : undefined);
  const settings = place === undefined ? entry?.config : ports.settingsAt(place);
  const files = [...(manifest.capabilities.files ?? []), ...(filesOf?.(settings) ?? [])];
  const wants = absolute({ ...manifest.capabilities, ...(files.length > 0 && { files }) }, ports.home);
  const given = entry?.grants ?? (isOurs ? wants : {});
  return {
    isolation: entry?.isolation ?? (isOurs ? "none" : (manifest.isolation ?? "process")),
    settings,
    wants,
    ...grantedOf(wants, given, ports.home),
    misfits: checkSettings(manifest.configSchema, settings),
    isContradicted,
  };
}

export function planOf(ports: TermsPorts, usable: Usable, by: string): Plan {
  const { isolation, settings, grants, misfits } = termsOf(ports, usable);
  const env = (grants.env ?? []).flatMap((name) => {
    const value = ports.env(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    usable,
    isolation,
    by,
    misfits,
    start: {
      id: usable.id,
      directory: usable.directory ?? "",
      entry: usable.entry,
      config: settings,
      grants,
      env: Object.fromEntries(env),
    },
  };
}
