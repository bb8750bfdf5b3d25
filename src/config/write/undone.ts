import { isEqual } from "../equal.ts";
import { isObject } from "../leaves.ts";

/** What a change made of what. */
interface Change {
  readonly before: unknown;
  readonly after: unknown;
}

/**
 * A value without a change, but with all that came to it since: each key that the change touched is as it was
 * before, and the others are as they are now. Lists whose elements all have an `id` are undone element by
 * element, any other as a whole. The result shares parts with the arguments.
 */
export function withoutChange(now: unknown, { before, after }: Change): unknown {
  if (isEqual(before, after)) return now;
  if (isEqual(now, after)) return before;
  if (isObject(now) && isObject(after) && (isObject(before) || before === undefined)) {
    const members = membersWithout(new Map(Object.entries(now)), { before: before ?? {}, after });
    return before === undefined && members.size === 0 ? undefined : Object.fromEntries(members);
  }
  const [list, was, became] = [byId(now), byId(before), byId(after)];
  if (!list || !was || !became) return before;
  const parts = { before: Object.fromEntries(was), after: Object.fromEntries(became) };
  return [...membersWithout(list, parts).values()];
}

interface Members {
  readonly before: Readonly<Record<string, unknown>>;
  readonly after: Readonly<Record<string, unknown>>;
}

function membersWithout(
  now: ReadonlyMap<string, unknown>,
  { before, after }: Members,
): ReadonlyMap<string, unknown> {
  const result = new Map(now);
  for (const key of new Set([...Object.keys(after), ...Object.keys(before)])) {
    const value = withoutChange(now.get(key), { before: own(before, key), after: own(after, key) });
    if (value === undefined) result.delete(key);
    else result.set(key, value);
  }
  return result;
}

function own(object: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** @returns undefined for what is no list of elements with an `id` of their own each */
function byId(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (!Array.isArray(value)) return undefined;
  const found = new Map<string, unknown>();
  for (const element of value) {
    if (!isObject(element) || typeof element["id"] !== "string") return undefined;
    found.set(element["id"], element);
  }
  return found.size === value.length ? found : undefined;
}
