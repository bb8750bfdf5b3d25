import { isObject } from "../../rpc/json.ts";
import type { Isolation, PluginOrigin } from "../../features/plugins/contract.ts";
import type { Given } from "./grants.ts";
import type { Rule } from "./manifest.ts";

/** One plugin in the section `plugins` of the configuration. */
export interface PluginEntry {
  readonly enabled?: boolean | undefined;
  readonly config?: unknown;
  readonly grants?: Given | undefined;
  readonly isolation?: Isolation | undefined;
}

/** The section `plugins` of the configuration. */
export interface PluginsConfig {
  readonly enabled: boolean;
  readonly allow?: readonly string[] | undefined;
  readonly deny: readonly string[];
  readonly entries: Readonly<Record<string, PluginEntry>>;
}

export interface Surroundings {
  /** What the configuration has at a path: `channels.telegram`. */
  readonly settingsAt: (path: string) => unknown;
  readonly env: (name: string) => string | undefined;
}

export interface Candidate {
  readonly id: string;
  readonly origin: PluginOrigin;
  readonly rules: readonly Rule[];
}

/** Whether a plugin runs, and why, in words. */
export type Verdict =
  { readonly isOn: true; readonly by: string } | { readonly isOn: false; readonly because: string };

/**
 * Decides which plugins run. What the owner says of one (`entries.ID.enabled`) wins; otherwise a rule switches
 * it on: of a plugin that is part of the gateway always, of any other one only where the owner has named it,
 * in `allow` or `entries`. Nobody's own manifest is enough to be run. Nothing is written.
 */
export function applyPluginAutoEnable(
  config: PluginsConfig,
  candidates: readonly Candidate[],
  surroundings: Surroundings,
): ReadonlyMap<string, Verdict> {
  return new Map(candidates.map((one) => [one.id, verdictOn(config, one, surroundings)]));
}

function verdictOn(
  config: PluginsConfig,
  { id, origin, rules }: Candidate,
  { settingsAt, env }: Surroundings,
): Verdict {
  const off = (because: string): Verdict => ({ isOn: false, because });
  const entry = entryOf(config, id);
  if (!config.enabled) return off("plugins.enabled is false");
  if (config.deny.includes(id)) return off("plugins.deny names it");
  if (config.allow && !config.allow.includes(id)) return off("plugins.allow does not name it");
  if (entry?.enabled === false) return off("it is not enabled");
  const on = (by: string): Verdict => ({ isOn: true, by });
  if (entry?.enabled === true) return on(`plugins.entries.${id}.enabled`);
  const refused = rules.find((rule) => "config" in rule && isSwitchedOff(settingsAt(rule.config)));
  if (refused && "config" in refused) return off(`${refused.config} is switched off`);
  const met = rules.map((rule) => metBy(rule, settingsAt, env)).find((by) => by !== undefined);
  if (met === undefined) return off("it is not enabled");
  const isNamed = origin === "bundled" || entry !== undefined || config.allow !== undefined;
  return isNamed ? on(met) : off("it is not enabled, and neither plugins.allow nor plugins.entries names it");
}

function metBy(rule: Rule, settingsAt: Surroundings["settingsAt"], env: Surroundings["env"]) {
  if ("env" in rule) return env(rule.env) ? `the environment has ${rule.env}` : undefined;
  const value = settingsAt(rule.config);
  const isThere = value !== undefined && value !== null && !isSwitchedOff(value);
  return isThere ? `${rule.config} is configured` : undefined;
}

/** Its owner has said so: no other rule counts then. */
function isSwitchedOff(value: unknown): boolean {
  return value === false || (isObject(value) && value["enabled"] === false);
}

/** What the owner says of one plugin; an id may be the name of something every object has. */
export function entryOf(config: PluginsConfig, id: string): PluginEntry | undefined {
  return Object.hasOwn(config.entries, id) ? config.entries[id] : undefined;
}

/**
 * Whether anybody could be switched on: otherwise no folder has to be looked at.
 *
 * @param bundled the rules of plugins that are part of the gateway
 */
export function mayRunPlugins(
  config: PluginsConfig,
  bundled: readonly Rule[],
  { settingsAt, env }: Surroundings,
): boolean {
  if (!config.enabled) return false;
  const isNamed = (config.allow?.length ?? 0) > 0;
  return (
    isNamed ||
    Object.values(config.entries).some(({ enabled }) => enabled !== false) ||
    bundled.some((rule) => metBy(rule, settingsAt, env) !== undefined)
  );
}
