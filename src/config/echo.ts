import { isEqual } from "./equal.ts";
import type { Settings } from "./judge.ts";
import { type Provenance, valueAt } from "./layers.ts";
import { isObject } from "./leaves.ts";
import type { Path } from "./leaves.ts";

interface EchoInput {
  readonly settings: Settings;
  readonly provenance: Provenance;
  /** The configuration as it was shown: defaults filled in, secrets hidden. */
  readonly shown: unknown;
  /** What the files say. */
  readonly written: unknown;
}

/**
 * A form that was filled with everything in force comes back with all of it. What is in it only because
 * it was shown, and is in no file, is taken out again: defaults and variables stay what they are.
 */
export function withoutEcho(value: unknown, { settings, provenance, shown, written }: EchoInput): unknown {
  const unwritten = settings.leaves.filter(
    ({ path }) => valueAt(shown, path) !== undefined && valueAt(written, path) === undefined,
  );
  const defaults = unwritten.filter(({ key }) => provenance.get(key)?.[0].layer === "default");
  // Whoever writes by hand does not write down every default there is.
  const isForm = defaults.length > 0 && defaults.every(({ path }) => valueAt(value, path) !== undefined);
  if (!isForm) return value;
  const echoed = unwritten.filter(({ path }) => isEqual(valueAt(value, path), valueAt(shown, path)));
  return echoed.reduce<unknown>((rest, { path }) => without(rest, path), value);
}

/** A copy without what is at the path, nor objects that only held that. */
function without(value: unknown, [name = "", ...rest]: Path): unknown {
  if (!isObject(value) || !Object.hasOwn(value, name)) return value;
  const { [name]: part, ...others } = value;
  const left = rest.length === 0 ? undefined : without(part, rest);
  const isEmpty = left === undefined || (isObject(left) && Object.keys(left).length === 0);
  return isEmpty ? others : { ...value, [name]: left };
}
