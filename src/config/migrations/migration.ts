import { type Draft, valueDraft } from "../tree/draft.ts";
import { isEqual } from "../equal.ts";
import { isObject, keyOf, quote } from "../leaves.ts";
import type { Path } from "../leaves.ts";

/** One old way to say something, and how it is said now. Running it twice changes nothing more. */
export interface Migration {
  readonly id: string;
  readonly describe: string;
  /** Whether `apply` would change anything. */
  detect(draft: Draft): boolean;
  /** @returns each change in words, without any secret; what had to stay is told beside real changes */
  apply(draft: Draft): readonly string[];
}

/** Where a migration writes down what it does. */
export interface Changes {
  /** `moved "gateway.token" to "gateway.auth.token"` */
  did(change: string): void;
  /** An old key that stays because its new place says something else. */
  kept(path: Path, reason: string): void;
}

interface Definition {
  readonly id: string;
  readonly describe: string;
  /** Nothing is to be done where none of these is there; only spares work. */
  readonly old: readonly Path[];
  readonly run: (draft: Draft, changes: Changes) => void;
}

export function defineMigration({ id, describe, old, run }: Definition): Migration {
  const isThere = (draft: Draft): boolean => old.some((path) => draft.get(path) !== undefined);
  const apply = (draft: Draft): readonly string[] => {
    if (!isThere(draft)) return [];
    const done: string[] = [];
    const kept: string[] = [];
    run(draft, {
      did: (change) => done.push(change),
      kept: (path, reason) => kept.push(`kept ${name(path)}: ${reason}`),
    });
    return done.length > 0 ? [...done, ...kept] : [];
  };
  return {
    id,
    describe,
    detect(draft) {
      const whole = draft.get([]);
      return isThere(draft) && isObject(whole) && apply(valueDraft(whole)).length > 0;
    },
    apply,
  };
}

/** A path as it appears in changes. */
export function name(path: Path): string {
  return quote(keyOf(path));
}

export function objectAt(draft: Draft, path: Path): Record<string, unknown> | undefined {
  const value = draft.get(path);
  return isObject(value) ? value : undefined;
}

export function textAt(draft: Draft, path: Path): string | undefined {
  const value = draft.get(path);
  const text = typeof value === "string" ? value.trim() : "";
  return text === "" ? undefined : text;
}

/** The paths of all elements of a list; none where there is no list. */
export function elementsAt(draft: Draft, path: Path): readonly Path[] {
  const list = draft.get(path);
  return Array.isArray(list) ? list.map((_, index) => [...path, index]) : [];
}

/** Whether something can be put there: nothing is, and nothing that is no object stands above it. */
export function isFree(draft: Draft, path: Path): boolean {
  if (draft.get(path) !== undefined) return false;
  return path.every((step, depth) => {
    const above = draft.get(path.slice(0, depth));
    if (above === undefined) return true;
    return typeof step === "number" ? Array.isArray(above) : isObject(above) && !isIncluded(above);
  });
}

/** Its content is in another file: only the whole can be moved. */
function isIncluded(value: Record<string, unknown>): boolean {
  return Object.hasOwn(value, "$include");
}

/** Removes an object that has become empty. */
export function removeEmpty(draft: Draft, path: Path): void {
  const value = objectAt(draft, path);
  if (value && Object.keys(value).length === 0) draft.remove(path);
}

interface Move {
  readonly from: Path;
  readonly to: Path;
  /**
   * What becomes of an old value where the new place says something else: it stays (the default), or it goes,
   * which is told, because the system we replace never read it and the schema has no place for it.
   */
  readonly otherwise?: "stays" | "goes";
}

/** Moves a value as a whole; where the new place is set already, that wins. */
export function moveWhole(draft: Draft, changes: Changes, { from, to, otherwise = "stays" }: Move): void {
  const old = draft.get(from);
  if (old === undefined) return;
  if (isFree(draft, to)) {
    draft.move(from, to);
    changes.did(`moved ${name(from)} to ${name(to)}`);
    return;
  }
  const target = draft.get(to);
  if (isEqual(old, target)) {
    draft.remove(from);
    changes.did(`removed ${name(from)}: ${name(to)} says the same`);
  } else if (otherwise === "goes" && target !== undefined) {
    draft.remove(from);
    changes.did(`removed ${name(from)}: ${name(to)} is set, and is the one that counts`);
  } else {
    changes.kept(
      from,
      target === undefined ? `there is no place for ${name(to)}` : `${name(to)} is set to something else`,
    );
  }
}

/** Moves what the new place lacks, member by member where both are objects. */
export function moveMissing(draft: Draft, changes: Changes, move: Move): void {
  const { from, to } = move;
  const old = draft.get(from);
  const target = draft.get(to);
  const canMerge = isObject(old) && isObject(target) && !isIncluded(old) && !isIncluded(target);
  if (!canMerge || isEqual(old, target)) return moveWhole(draft, changes, move);
  const members = Object.keys(old);
  if (members.length === 0) changes.did(`removed ${name(from)}: it is empty`);
  for (const member of members) {
    moveMissing(draft, changes, { ...move, from: [...from, member], to: [...to, member] });
  }
  removeEmpty(draft, from);
}
