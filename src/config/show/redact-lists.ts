import { idOf, isObject } from "../leaves.ts";
import { optionBefore, REDACTED } from "./secrets.ts";

/**
 * For each element of a list the place it had before, as far as that matters: the one with the same `id`, or
 * behind the same option; without these one that is equal but for what is hidden; else the same place of a
 * list that is as long. Where several could be meant none is: a secret must not end up with somebody else.
 */
export function matchLists(
  next: readonly unknown[],
  before: readonly unknown[],
): readonly (number | undefined)[] {
  const byId = new Map<string, number>();
  for (const [index, item] of before.entries()) {
    const id = idOf(item);
    if (id !== undefined && !byId.has(id)) byId.set(id, index);
  }
  const options = optionPlaces(before);
  const optionPeers = optionPlaces(next);
  const isAsLong = next.length === before.length;
  const looks = createLooks(before);
  const alike = Map.groupBy(next.keys(), (index) => textOf(next[index], next[index]));
  return next.map((item, index) => {
    const hidden = hiddenIn(item);
    if (hidden.length === 0) return index;
    const id = idOf(item);
    if (id !== undefined) return byId.get(id);
    const option = item === REDACTED ? optionBefore(next, index) : undefined;
    if (option !== undefined) {
      const places = options.get(option) ?? [];
      const peers = optionPeers.get(option) ?? [];
      return places.length === peers.length ? places[peers.indexOf(index)] : undefined;
    }
    const text = textOf(item, item);
    if (isAsLong && textOf(before[index], item) === text) return index;
    const places = looks(item, hidden).get(text) ?? [];
    const peers = alike.get(text) ?? [];
    if (places.length === peers.length) return places[peers.indexOf(index)];
    return isAsLong && places.length === 0 ? index : undefined;
  });
}

/** Where in a list the values of its options are, by their names. */
function optionPlaces(list: readonly unknown[]): ReadonlyMap<string, readonly number[]> {
  const indices = [...list.keys()].filter((index) => optionBefore(list, index) !== undefined);
  return Map.groupBy(indices, (index) => optionBefore(list, index) ?? "");
}

/** Where something is hidden in a value, each place as text. */
function hiddenIn(value: unknown, path = ""): readonly string[] {
  if (value === REDACTED) return [path];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, item]) => hiddenIn(item, `${path}\n${name}`));
}

/** Where the elements of a list are, by what they look like with the parts hidden that another one hides. */
function createLooks(list: readonly unknown[]) {
  const byHidden = new Map<string, ReadonlyMap<string, readonly number[]>>();
  return (mask: unknown, hidden: readonly string[]): ReadonlyMap<string, readonly number[]> => {
    const key = hidden.toSorted().join("\n\n");
    const found = byHidden.get(key) ?? Map.groupBy(list.keys(), (index) => textOf(list[index], mask));
    byHidden.set(key, found);
    return found;
  };
}

/** A value as text, in which the order of keys and what `mask` hides do not count. */
function textOf(value: unknown, mask: unknown): string {
  return JSON.stringify(outline(value, mask)) ?? "";
}

function outline(value: unknown, mask: unknown): unknown {
  if (mask === REDACTED && value !== undefined) return REDACTED;
  if (Array.isArray(value)) {
    const masks: readonly unknown[] = Array.isArray(mask) ? mask : [];
    return value.map((item, index) => outline(item, masks[index]));
  }
  if (!isObject(value)) return value;
  const masks = isObject(mask) ? mask : {};
  return Object.keys(value)
    .toSorted()
    .map((name) => [name, outline(value[name], Object.hasOwn(masks, name) ? masks[name] : undefined)]);
}
