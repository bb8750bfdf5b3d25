import { isObject, keyOf, quote } from "../leaves.ts";
import type { Path } from "../leaves.ts";

/**
 * A configuration that is being changed: what migrations are written against, so that they work on a
 * plain value, on a tree of files and on text with comments. The empty path is the whole.
 */
export interface Draft {
  /** The plain value there, undefined if absent. It is for reading only, and old after the next change. */
  get(path: Path): unknown;
  /** Missing parents are made. An index equal to the length of its list appends. */
  set(path: Path, value: unknown): void;
  /** What is absent stays so. Parents left empty by it stay, elements behind a removed one move up. */
  remove(path: Path): void;
  /** `from` has to exist and `to` must not; comments inside travel. Missing parents of `to` are made. */
  move(from: Path, to: Path): void;
}

/** A draft of a plain value. It works on a deep copy, whose members are its own whatever they are called. */
export function valueDraft(
  value: Record<string, unknown>,
): Draft & { readonly value: Record<string, unknown> } {
  const root = copyObject(value);
  const draft: Draft = {
    get: (path) => path.reduce(memberOf, root),
    set(path, next) {
      const name = path.at(-1);
      if (name === undefined) throw new Error("Cannot set the whole configuration: a key is needed");
      put(parentOf(root, path), name, copy(next));
    },
    remove(path) {
      const parent = path.slice(0, -1).reduce(memberOf, root);
      const name = path.at(-1);
      if (name === undefined || memberOf(parent, name) === undefined) return;
      if (Array.isArray(parent)) parent.splice(Number(name), 1);
      else if (isObject(parent)) delete parent[name];
    },
    move(from, to) {
      const moved = draft.get(from);
      if (moved === undefined) throw cannotMove(from, "it is not there");
      if (draft.get(to) !== undefined) throw cannotMove(from, `${quote(keyOf(to))} is there already`);
      draft.set(to, moved);
      draft.remove(from);
    },
  };
  return { ...draft, value: root };
}

function cannotMove(from: Path, state: string): Error {
  return new Error(`Cannot move ${quote(keyOf(from))}: ${state}`);
}

function memberOf(parent: unknown, name: string | number): unknown {
  if (Array.isArray(parent)) return typeof name === "number" ? parent[name] : undefined;
  return isObject(parent) && Object.hasOwn(parent, name) ? parent[name] : undefined;
}

function parentOf(root: Record<string, unknown>, path: Path): unknown {
  let at: unknown = root;
  for (const [depth, name] of path.slice(0, -1).entries()) {
    if (memberOf(at, name) === undefined) put(at, name, typeof path[depth + 1] === "number" ? [] : {});
    at = memberOf(at, name);
  }
  return at;
}

function put(parent: unknown, name: string | number, value: unknown): void {
  const isPlace = Array.isArray(parent)
    ? typeof name === "number" && name >= 0 && name <= parent.length
    : isObject(parent);
  if (!isPlace) throw new Error(`Cannot set ${quote(String(name))}: something else is in the way`);
  // A plain assignment to `__proto__` would not make a member.
  Object.defineProperty(parent, name, { value, writable: true, enumerable: true, configurable: true });
}

function copy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copy);
  return isObject(value) ? copyObject(value) : value;
}

function copyObject(value: Record<string, unknown>): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) put(made, name, copy(member));
  return made;
}
