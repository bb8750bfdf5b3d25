import { directoryOf, normalize } from "./file-names.ts";
import type { ConfigIssue } from "../issues.ts";
import { isObject, keyOf, quote } from "../leaves.ts";
import {
  isObjectTree,
  mergeTrees,
  objectOf,
  placeOfSpot,
  treeOf,
  type SourceFile,
  type Spot,
  type Tree,
} from "./tree.ts";

const DEPTH_MAX = 10;
/** Includes of one configuration, one that is included twice counting twice: each is put together anew. */
const FILES_MAX = 64;

/** A file that was looked for: read, or why not. Undefined: not looked for yet. */
export type Lookup = (path: string) => SourceFile | { readonly error: string } | undefined;

export interface Assembly {
  readonly tree: Tree;
  readonly errors: readonly ConfigIssue[];
  /** Files that are named and that `lookup` does not know yet. */
  readonly missing: readonly string[];
  /** Every included file that is named, read or not. */
  readonly named: readonly string[];
}

/**
 * Puts a file and those it includes together.
 *
 * `"$include": "a.json"` (or a list of names) inside an object stands for what those files say; the keys
 * beside it win over them, a later file over an earlier one. Names are relative to the including file and
 * stay inside the directory of the main one.
 */
export function assemble(main: SourceFile, lookup: Lookup): Assembly {
  const root = directoryOf(main.path);
  const errors: ConfigIssue[] = [];
  const missing = new Set<string>();
  const named = new Set<string>();
  let count = 0;

  function treeOfFile(file: SourceFile, chain: readonly string[]): Tree {
    const makeObject = (value: Record<string, unknown>, spot: Spot | undefined): Tree =>
      Object.hasOwn(value, "$include") && spot
        ? included(value, spot, [...chain, file.path])
        : objectOf(value, spot, makeObject);
    return treeOf(file.document.value, { file, path: [] }, makeObject);
  }

  function included(value: Record<string, unknown>, spot: Spot, chain: readonly string[]): Tree {
    const { $include: names, ...siblings } = value;
    const here = { file: spot.file, path: [...spot.path, "$include"] };
    const list = typeof names === "string" ? [names] : names;
    const makeSibling = (inner: Record<string, unknown>, at: Spot | undefined): Tree =>
      Object.hasOwn(inner, "$include") && at ? included(inner, at, chain) : objectOf(inner, at, makeSibling);
    const own = objectOf(siblings, spot, makeSibling);
    if (!Array.isArray(list) || list.length === 0 || !list.every((name) => typeof name === "string")) {
      errors.push(issue(here, "wanted the name of a file or a list of them"));
      return own;
    }
    let merged: Tree | undefined;
    for (const name of list) {
      const tree = treeOfName(name, here, chain);
      if (tree) merged = merged ? mergeTrees(merged, tree) : tree;
    }
    if (!merged) return own;
    if (isObjectTree(merged)) return mergeTrees(merged, own);
    if (own.members.size === 0) return merged;
    errors.push(issue(here, "the included file is no object, and there are keys beside it"));
    return own;
  }

  function treeOfName(name: string, here: Spot, chain: readonly string[]): Tree | undefined {
    const refuse = (state: string): undefined => void errors.push(issue(here, `${quote(name)} ${state}`));
    const path = resolveInside(root, directoryOf(here.file.path), name);
    if (path === undefined) return refuse("is outside the directory of the configuration");
    if (chain.includes(path)) return refuse("includes itself, directly or through others");
    if (chain.length > DEPTH_MAX) return refuse(`is more than ${DEPTH_MAX} files deep`);
    count += 1;
    // Told once: what names too many names thousands perhaps.
    if (count > FILES_MAX + 1) return undefined;
    if (count > FILES_MAX) return refuse(`is one file more than the ${FILES_MAX} that may be included`);
    named.add(path);
    const found = lookup(path);
    if (found === undefined) missing.add(path);
    else if ("error" in found) return refuse(`cannot be read: ${found.error}`);
    return found && !("error" in found) ? treeOfFile(found, chain) : undefined;
  }

  const tree = treeOfFile(main, []);
  return { tree, errors, missing: [...missing], named: [...named] };
}

function issue(spot: Spot, state: string): ConfigIssue {
  const key = keyOf(spot.path);
  return { layer: "file", ...placeOfSpot(spot, "value"), key, message: `Cannot use ${quote(key)}: ${state}` };
}

/** The file a name means, if that is inside `root`; links are the reader's to follow. */
export function resolveInside(root: string, directory: string, name: string): string | undefined {
  const path = normalize(name.startsWith("/") ? name : `${directory}/${name}`);
  const inside = normalize(root);
  if (inside === "") return path.startsWith("/") || path.startsWith("..") ? undefined : path;
  return path.startsWith(inside === "/" ? "/" : `${inside}/`) ? path : undefined;
}

/** Every `{"$file": NAME}` in a value, for the reader to fetch. */
export function secretFileNames(value: unknown): readonly string[] {
  const names = new Set<string>();
  const visit = (part: unknown): void => {
    const name = isObject(part) ? fileNameOf(part) : undefined;
    if (name !== undefined) names.add(name);
    else if (typeof part === "object" && part !== null) Object.values(part).forEach(visit);
  };
  visit(value);
  return [...names];
}

/** The name in `{"$file": NAME}`. */
export function fileNameOf(value: Record<string, unknown>): string | undefined {
  const { $file: name, ...rest } = value;
  return typeof name === "string" && Object.keys(rest).length === 0 ? name : undefined;
}
