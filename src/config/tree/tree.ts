import type { Document, Position } from "../text/document.ts";
import { isObject } from "../leaves.ts";
import type { Path } from "../leaves.ts";

/** One file of the configuration as it was read. */
export interface SourceFile {
  readonly path: string;
  /** What is on disk. */
  readonly text: string;
  /** What that means; of a JSON5 file, of the same text in JSON with comments. */
  readonly document: Document;
}

/** Where something is written. */
export interface Spot {
  readonly file: SourceFile;
  readonly path: Path;
}

interface Part {
  /** Undefined for what no file says: a migration made it. */
  readonly spot: Spot | undefined;
  /** What else is written for the same key and has no say, the strongest first. */
  readonly hidden: readonly Tree[];
}

export interface ObjectTree extends Part {
  readonly members: Map<string, Tree>;
}

export interface ListTree extends Part {
  readonly items: Tree[];
}

export interface ScalarTree extends Part {
  readonly value: unknown;
}

/** The value of several files together, each part of it with the place it is from. */
export type Tree = ObjectTree | ListTree | ScalarTree;

export function isObjectTree(tree: Tree | undefined): tree is ObjectTree {
  return tree !== undefined && "members" in tree;
}

export function isListTree(tree: Tree | undefined): tree is ListTree {
  return tree !== undefined && "items" in tree;
}

export type MakeObject = (value: Record<string, unknown>, spot: Spot | undefined) => Tree;

/** @param makeObject for an object that is more than its members */
export function treeOf(value: unknown, spot: Spot | undefined, makeObject: MakeObject = plainObject): Tree {
  const part = { spot, hidden: [] };
  if (Array.isArray(value)) {
    return { ...part, items: value.map((item, index) => treeOf(item, below(spot, index), makeObject)) };
  }
  return isObject(value) ? makeObject(value, spot) : { ...part, value };
}

function plainObject(value: Record<string, unknown>, spot: Spot | undefined): ObjectTree {
  return objectOf(value, spot, plainObject);
}

/** An object's members, each at its place. */
export function objectOf(
  value: Record<string, unknown>,
  spot: Spot | undefined,
  makeObject: MakeObject,
): ObjectTree {
  const members = new Map<string, Tree>();
  for (const [name, item] of Object.entries(value)) {
    members.set(name, treeOf(item, below(spot, name), makeObject));
  }
  return { spot, hidden: [], members };
}

function below(spot: Spot | undefined, step: string | number): Spot | undefined {
  return spot && { file: spot.file, path: [...spot.path, step] };
}

/** Lays one value over another: objects key by key, lists one after the other, anything else replaced. */
export function mergeTrees(weaker: Tree, stronger: Tree): Tree {
  const part = { spot: stronger.spot, hidden: [...stronger.hidden, weaker, ...weaker.hidden] };
  if (isObjectTree(weaker) && isObjectTree(stronger)) {
    const members = new Map(weaker.members);
    for (const [name, tree] of stronger.members) {
      const under = members.get(name);
      members.set(name, under ? mergeTrees(under, tree) : tree);
    }
    return { ...part, members };
  }
  if (isListTree(weaker) && isListTree(stronger)) {
    return { ...part, items: [...weaker.items, ...stronger.items] };
  }
  return { ...stronger, ...part };
}

/** The plain value. */
export function valueOf(tree: Tree): unknown {
  if (isListTree(tree)) return tree.items.map(valueOf);
  if (!isObjectTree(tree)) return tree.value;
  const value: Record<string, unknown> = {};
  for (const [name, member] of tree.members) value[name] = valueOf(member);
  return value;
}

/** What is at a path, if anything is. */
export function treeAt(tree: Tree | undefined, path: Path): Tree | undefined {
  let at = tree;
  for (const step of path) at = childOf(at, step);
  return at;
}

function childOf(tree: Tree | undefined, step: string | number): Tree | undefined {
  if (isObjectTree(tree)) return tree.members.get(String(step));
  return isListTree(tree) ? tree.items[Number(step)] : undefined;
}

/** A place in a file, for people. */
export interface FilePlace extends Position {
  readonly file: string;
}

/** Where a key (or an element of a list) begins, or its value. */
export function placeOfSpot({ file, path }: Spot, of: "key" | "value" = "key"): FilePlace | undefined {
  const position = file.document.position(path, of);
  return position && { file: file.path, ...position };
}

/** The place of a path, or of the innermost part around it that is written down. */
export function placeIn(tree: Tree | undefined, path: Path, of: "key" | "value"): FilePlace | undefined {
  let found: FilePlace | undefined;
  for (let length = 0; length <= path.length; length += 1) {
    const spot = treeAt(tree, path.slice(0, length))?.spot;
    found = (spot && placeOfSpot(spot, length === path.length ? of : "key")) ?? found;
  }
  return found;
}
