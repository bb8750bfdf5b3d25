import { isEqual } from "../equal.ts";
import type { Settings } from "../judge.ts";
import { type Provenance, valueAt } from "../layers.ts";
import { idOf, isObject } from "../leaves.ts";

interface EchoInput {
  readonly settings: Settings;
  readonly provenance: Provenance;
  /** The configuration as it was shown: defaults filled in, secrets hidden. */
  readonly shown: unknown;
  /** What the files say. */
  readonly written: unknown;
}

/**
 * A form that was filled with everything in force comes back with all of it. What is in it only because it
 * was shown becomes again what the files say, or nothing where they say nothing: defaults, variables,
 * references and what a stronger layer hides stay what they are. What was not shown is not meant to go.
 */
export function withoutEcho(value: unknown, { settings, provenance, shown, written }: EchoInput): unknown {
  const defaults = settings.leaves.filter(
    ({ key, path }) =>
      provenance.get(key)?.[0].layer === "default" &&
      valueAt(shown, path) !== undefined &&
      valueAt(written, path) === undefined,
  );
  // Whoever writes by hand does not write down every default there is.
  const isForm = defaults.length > 0 && defaults.every(({ path }) => valueAt(value, path) !== undefined);
  return isForm ? (asWritten(value, shown, written) ?? {}) : value;
}

function asWritten(value: unknown, shown: unknown, written: unknown): unknown {
  if (isEqual(value, shown)) return written;
  if (Array.isArray(value) && Array.isArray(shown)) return listAsWritten(value, shown, written);
  if (!isObject(value) || !isObject(shown)) return value;
  const old = isObject(written) ? written : {};
  const result = new Map(Object.entries(old).filter(([name]) => !Object.hasOwn(shown, name)));
  for (const [name, member] of Object.entries(value)) {
    const isShown = Object.hasOwn(shown, name);
    const kept = isShown
      ? asWritten(member, shown[name], Object.hasOwn(old, name) ? old[name] : undefined)
      : member;
    if (kept !== undefined) result.set(name, kept);
  }
  return result.size === 0 && written === undefined ? undefined : Object.fromEntries(result);
}

/** Element by element where it is clear which was which: by their ids, else by their places. */
function listAsWritten(value: readonly unknown[], shown: readonly unknown[], written: unknown): unknown {
  if (!Array.isArray(written) || written.length !== shown.length) return value;
  const places = value.map((item, index) => {
    const id = idOf(item);
    if (id !== undefined) return shown.findIndex((one) => idOf(one) === id);
    return value.length === shown.length ? index : shown.findIndex((one) => isEqual(one, item));
  });
  return value.map((item, index) => {
    const place = places[index] ?? -1;
    return place === -1 ? item : (asWritten(item, shown[place], written[place]) ?? item);
  });
}
