import type { TextChange } from "../text/edit.ts";
import { cannot, refuseKey } from "../text/edit-values.ts";
import { isEqual } from "../equal.ts";
import { idOf, isObject } from "../leaves.ts";
import type { Path } from "../leaves.ts";

type Identified = Record<string, unknown> & { readonly id: string };

/**
 * A merge patch (RFC 7396) laid over a value: null deletes a key. Beyond it, a list whose elements all have
 * an `id` is merged into another such list: known ones in place, new ones at the end, and in each null deletes.
 * Any other list, and an empty one, replaces. Neither argument is changed; the result shares parts with both.
 *
 * @throws EditError for a key that would reach a prototype
 */
export function mergePatch(before: unknown, patch: unknown): unknown {
  return merge(before, patch, []);
}

function merge(before: unknown, patch: unknown, path: Path): unknown {
  if (Array.isArray(patch))
    return isIdentified(patch) ? mergeLists(before, patch, path) : checked(patch, path);
  if (!isObject(patch)) return patch;
  const result = new Map(isObject(before) ? Object.entries(before) : []);
  for (const [key, member] of Object.entries(patch)) {
    const here = [...path, key];
    refuseKey(key, cannot("merge", here));
    if (member === null) result.delete(key);
    else if (member !== undefined) result.set(key, merge(result.get(key), member, here));
  }
  return Object.fromEntries(result);
}

function mergeLists(before: unknown, patch: readonly Identified[], path: Path): unknown {
  const known: readonly Identified[] = Array.isArray(before) && isIdentified(before) ? before : [];
  const result: unknown[] = [...known];
  const indexes = new Map(known.map(({ id }, index) => [id, index]));
  for (const element of patch) {
    const index = indexes.get(element.id) ?? result.length;
    indexes.set(element.id, index);
    result[index] = merge(result[index], element, [...path, index]);
  }
  return result;
}

/** A list that replaces is taken as it is, nulls included. */
function checked(value: unknown, path: Path): unknown {
  if (Array.isArray(value)) value.forEach((item, index) => checked(item, [...path, index]));
  else if (isObject(value)) {
    for (const [key, member] of Object.entries(value)) {
      refuseKey(key, cannot("merge", [...path, key]));
      checked(member, [...path, key]);
    }
  }
  return value;
}

function isIdentified(list: readonly unknown[]): list is readonly Identified[] {
  return list.length > 0 && list.every((element) => idOf(element) !== undefined);
}

// --- from one value to another ---

/**
 * The edits that make one value of another, to be applied in their order: objects key by key, lists by `id`
 * where all elements have one of their own, else between what is the same at both ends. The order of keys is
 * no difference.
 */
export function changesOf(before: unknown, after: unknown, path: Path = []): readonly TextChange[] {
  if (isEqual(before, after)) return [];
  if (isObject(before) && isObject(after)) return objectChanges(before, after, path);
  if (!Array.isArray(before) || !Array.isArray(after)) return [{ op: "set", path, value: after }];
  const isById = hasUniqueIds(before) && hasUniqueIds(after);
  return isById ? identifiedChanges(before, after, path) : listChanges(before, after, path);
}

/** What goes comes last, so that an object is never empty in between and keeps its layout. */
function objectChanges(
  before: Record<string, unknown>,
  after: Record<string, unknown>,
  path: Path,
): readonly TextChange[] {
  const has = (object: Record<string, unknown>, key: string): boolean =>
    Object.hasOwn(object, key) && object[key] !== undefined;
  const kept = Object.entries(after)
    .filter(([, value]) => value !== undefined)
    .flatMap(([key, value]): readonly TextChange[] =>
      has(before, key)
        ? changesOf(before[key], value, [...path, key])
        : [{ op: "set", path: [...path, key], value }],
    );
  const gone = Object.keys(before)
    .filter((key) => has(before, key) && !has(after, key))
    .map((key): TextChange => ({ op: "remove", path: [...path, key] }));
  return [...kept, ...gone];
}

function listChanges(
  before: readonly unknown[],
  after: readonly unknown[],
  path: Path,
): readonly TextChange[] {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && isEqual(before[head], after[head])) head += 1;
  let tail = 0;
  while (tail < shorter - head && isEqual(before.at(-1 - tail), after.at(-1 - tail))) tail += 1;
  const paired = shorter - tail;
  const changes: TextChange[] = [];
  for (let index = head; index < paired; index += 1) {
    changes.push(...changesOf(before[index], after[index], [...path, index]));
  }
  for (let index = paired; index < after.length - tail; index += 1) {
    changes.push({ op: "insert", path: [...path, index], value: after[index] });
  }
  for (let index = before.length - tail - 1; index >= paired; index -= 1) {
    changes.push({ op: "remove", path: [...path, index] });
  }
  return changes;
}

function hasUniqueIds(list: readonly unknown[]): list is readonly Identified[] {
  return isIdentified(list) && new Set(list.map(({ id }) => id)).size === list.length;
}

/** An element that changes its place is put in anew; as few of them as can be. */
function identifiedChanges(
  before: readonly Identified[],
  after: readonly Identified[],
  path: Path,
): readonly TextChange[] {
  const indexes = new Map(before.map(({ id }, index) => [id, index]));
  const staying = longestRise(after.map(({ id }) => indexes.get(id)));
  const inserts: TextChange[] = [];
  const inner: TextChange[] = [];
  /** Where each element of `before` is once all inserts are made, those that go still among them. */
  const moved = before.map((_, index) => index);
  let next = 0;
  let inserted = 0;
  for (const [at, element] of after.entries()) {
    const index = indexes.get(element.id);
    if (index !== undefined && staying.has(index)) {
      for (; next <= index; next += 1) moved[next] = next + inserted;
      inner.push(...changesOf(before[index], element, [...path, at]));
      continue;
    }
    inserts.push({ op: "insert", path: [...path, next + inserted], value: element });
    inserted += 1;
  }
  for (; next < before.length; next += 1) moved[next] = next + inserted;
  const gone = moved.filter((_, index) => !staying.has(index)).reverse();
  const removes = gone.map((index): TextChange => ({ op: "remove", path: [...path, index] }));
  return [...inserts, ...removes, ...inner];
}

/** A row of rising numbers, from its end. */
interface Row {
  readonly end: number;
  readonly before: Row | undefined;
}

/** The longest row of numbers, each higher than the one before it, that is left when others are taken out. */
function longestRise(numbers: readonly (number | undefined)[]): ReadonlySet<number> {
  /** For each length, the row with the lowest end so far. */
  const rows: Row[] = [];
  for (const end of numbers) {
    if (end === undefined) continue;
    const length = lengthBelow(rows, end);
    rows[length] = { end, before: rows[length - 1] };
  }
  const longest = new Set<number>();
  for (let row = rows.at(-1); row; row = row.before) longest.add(row.end);
  return longest;
}

/** How many rows end below a number; their ends rise. */
function lengthBelow(rows: readonly Row[], end: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.end ?? Infinity) < end) low = middle + 1;
    else high = middle;
  }
  return low;
}

// --- what a write would lose ---

/**
 * The outermost keys that one value has and the other has not, and the elements of lists whose `id` is not
 * there any more, at their index of before.
 */
export function droppedKeys(before: unknown, after: unknown): readonly Path[] {
  return dropped(before, after, []);
}

function dropped(before: unknown, after: unknown, path: Path): readonly Path[] {
  if (Array.isArray(before)) {
    const later: readonly unknown[] = Array.isArray(after) ? after : [];
    const byId = new Map(later.map((element) => [idOf(element), element]));
    return before.flatMap((element: unknown, index) => {
      const id = idOf(element);
      if (id === undefined) return [];
      const here = [...path, index];
      return byId.has(id) ? dropped(element, byId.get(id), here) : [here];
    });
  }
  if (!isObject(before)) return [];
  return Object.entries(before).flatMap(([key, value]) => {
    if (value === undefined) return [];
    const here = [...path, key];
    const isThere = isObject(after) && Object.hasOwn(after, key) && after[key] !== undefined;
    return isThere ? dropped(value, after[key], here) : [here];
  });
}
