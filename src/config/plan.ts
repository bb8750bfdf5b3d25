import { isEqual } from "./equal.ts";
import { valueAt } from "./layers.ts";
import { bare, catchallOf, classic, isObject, keyOf } from "./leaves.ts";
import type { Leaf, Path, ReloadClass } from "./leaves.ts";
import type { Settings } from "./judge.ts";
import type { Config } from "./schema.ts";
import { deepFreeze } from "./values.ts";
import { z } from "zod";

export type ReloadMode = Config["gateway"]["reload"]["mode"];

/** One setting that is not what it was. */
export interface Change {
  readonly key: string;
  readonly path: Path;
  readonly reload: ReloadClass;
}

/** What a new configuration asks for, and what of it happens now. */
export interface ReloadPlan {
  /** Every setting that differs, in the schema's order. */
  readonly changed: readonly string[];
  /** In force at once. */
  readonly applied: readonly Change[];
  /** Features that start anew for it. */
  readonly features: readonly string[];
  /** Waits for a restart. */
  readonly owed: readonly Change[];
  /** The restart comes by itself when no run is active. */
  readonly restarts: boolean;
}

/**
 * What differs between two configurations, by setting. Values are compared, not texts: neither comments nor
 * the order of keys are a change.
 */
export function changesBetween({ schema, leaves }: Settings, before: Config, after: Config): Change[] {
  const changes = leaves.filter(({ path }) => !isEqual(valueAt(before, path), valueAt(after, path)));
  return [...changes.map(toChange), ...unnamedChanges(schema, before, after)];
}

function toChange({ key, path, reload }: Leaf): Change {
  return { key, path, reload };
}

/** Keys a section takes besides those it names are no leaves; they are read at use. */
function unnamedChanges(schema: z.ZodObject, before: Config, after: Config): Change[] {
  return Object.entries<unknown>(schema.shape).flatMap(([section, member]) => {
    const { schema: object } = bare(classic(member));
    if (!(object instanceof z.ZodObject) || !catchallOf(object)) return [];
    const [old, now] = [before[section], after[section]];
    const names = new Set([old, now].flatMap((value) => (isObject(value) ? Object.keys(value) : [])));
    return [...names]
      .filter((name) => !Object.hasOwn(object.shape, name))
      .map((name) => [section, name])
      .filter((path) => !isEqual(valueAt(before, path), valueAt(after, path)))
      .map((path) => ({ key: keyOf(path), path, reload: "live" as const }));
  });
}

/** Read at use by whoever decides about all others, so that no mode keeps them from changing. */
const ALWAYS_LIVE = /^gateway\.reload\./;

/** @param mode of the new configuration: who changes it means it for this very change */
export function planReload(changes: readonly Change[], mode: ReloadMode): ReloadPlan {
  const isHot = mode === "hot" || mode === "hybrid";
  const isNow = ({ key, reload }: Change): boolean =>
    ALWAYS_LIVE.test(key) || (isHot && reload !== "process");
  const applied = changes.filter(isNow);
  const owed = changes.filter((change) => !isNow(change));
  return {
    changed: changes.map(({ key }) => key),
    applied,
    features: [
      ...new Set(applied.filter(({ reload }) => reload === "feature").map(({ path }) => String(path[0]))),
    ],
    owed,
    restarts: owed.length > 0 && (mode === "hybrid" || mode === "restart"),
  };
}

/** The new configuration with the old values where those have to stay until a restart. */
export function withoutOwed(after: Config, before: Config, owed: readonly Change[]): Config {
  if (owed.length === 0) return after;
  const config = structuredClone(after);
  for (const { path } of owed) put(config, path, valueAt(before, path));
  return deepFreeze(config);
}

function put(root: Record<string, unknown>, path: Path, value: unknown): void {
  let at = root;
  for (const step of path.slice(0, -1)) {
    const next = at[step];
    if (isObject(next)) at = next;
    else at = at[step] = {};
  }
  const last = path.at(-1) ?? "";
  if (value === undefined) delete at[last];
  else at[last] = structuredClone(value);
}
