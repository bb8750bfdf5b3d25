import { isEqual } from "../../config/equal.ts";
import { isObject, keyOf } from "../../config/leaves.ts";
import type { Path } from "../../config/leaves.ts";
import { valueAt } from "../../config/layers.ts";
import { REDACTED } from "../../config/show/secrets.ts";

/** One value that is not what it was; undefined where there is none. */
export interface Difference {
  readonly path: Path;
  readonly before: unknown;
  readonly after: unknown;
}

/** The finest keys at which two values differ; lists as a whole unless only parts of their elements do. */
export function differences(before: unknown, after: unknown, path: Path = []): Difference[] {
  if (isEqual(before, after)) return [];
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    return before.flatMap((item, index) => differences(item, after[index], [...path, index]));
  }
  const [old, now] = [membersOf(before, after), membersOf(after, before)];
  if (!old || !now) return [{ path, before, after }];
  const names = new Set([...Object.keys(old), ...Object.keys(now)]);
  if (names.size === 0) return [{ path, before, after }];
  return [...names].flatMap((name) => differences(own(old, name), own(now, name), [...path, name]));
}

/** Beside an object, nothing is an empty one: each of its members is told. */
function membersOf(value: unknown, other: unknown): Record<string, unknown> | undefined {
  if (value === undefined && isObject(other)) return {};
  return isObject(value) ? value : undefined;
}

function own(object: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** The same differences with the values that may be shown. */
export function hidden(found: readonly Difference[], before: unknown, after: unknown): Difference[] {
  return found.map(({ path }) => ({ path, before: shownAt(before, path), after: shownAt(after, path) }));
}

/** What is at a path of a value whose secrets are hidden; what is inside of one is hidden too. */
function shownAt(shown: unknown, path: Path): unknown {
  let at = shown;
  for (const step of path) {
    if (at === REDACTED) return REDACTED;
    at = valueAt(at, [step]);
  }
  return at;
}

/** A difference for programs. */
export function toJson({ path, before, after }: Difference): object {
  return { key: keyOf(path), before, after };
}
