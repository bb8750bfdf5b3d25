import { readJsonc } from "./document.ts";
import type { Draft } from "./draft.ts";
import { EditError, editText, type TextChange } from "./edit.ts";
import { assemble } from "./include.ts";
import { keyOf, quote } from "./leaves.ts";
import type { Path } from "./leaves.ts";
import { isListTree, type SourceFile, type Spot, type Tree, treeAt, valueOf } from "./tree.ts";

/** The texts of a configuration, changed where the thing to change is written. */
export interface TextDraft extends Draft {
  /** One change of the value, made in whichever file says it. @throws EditError when no file can */
  change(change: TextChange): void;
  value(): unknown;
  /** The texts as they are now, by path. */
  readonly texts: ReadonlyMap<string, string>;
}

/** @param files the main file first */
export function textDraft(files: readonly [SourceFile, ...SourceFile[]]): TextDraft {
  const [main] = files;
  const texts = new Map(files.map(({ path, document }) => [path, document.text]));
  let tree = read();

  function read(): Tree {
    const file = (path: string): SourceFile | undefined => {
      const text = texts.get(path);
      if (text === undefined) return undefined;
      const reading = readJsonc(text);
      if (!reading.ok) throw new EditError(`Cannot change "${path}": ${reading.errors[0]?.reason ?? ""}`);
      return { path, text, document: reading.document };
    };
    return assemble(file(main.path) ?? main, file).tree;
  }

  function edit({ file, path }: Spot, make: (path: Path) => TextChange): void {
    texts.set(file.path, editText(texts.get(file.path) ?? "", make(path)));
    tree = read();
  }

  /** The innermost part around a path that is written down, and the way from there. */
  function nearestSpot(path: Path): { readonly spot: Spot; readonly rest: Path; readonly tree: Tree } {
    for (let length = path.length; length >= 0; length -= 1) {
      const found = treeAt(tree, path.slice(0, length));
      if (found?.spot) return { spot: found.spot, rest: path.slice(length), tree: found };
    }
    throw new EditError(`Cannot change ${quote(keyOf(path))}: it is in no file`);
  }

  function set(path: Path, value: unknown): void {
    const { spot, rest, tree: owner } = nearestSpot(path);
    const [index, ...below] = rest;
    // The place in the list of its own file: the whole one may be put together from several.
    const end = isListTree(owner) ? ownLength(spot) : undefined;
    const way = index !== undefined && end !== undefined ? [end, ...below] : rest;
    edit(spot, (at) => ({ op: "set", path: [...at, ...way], value }));
  }

  function insert(path: Path, value: unknown): void {
    const found = treeAt(tree, path)?.spot;
    if (!found) return set(path, value);
    edit(found, (at) => ({ op: "insert", path: at, value }));
  }

  function remove(path: Path): void {
    // What a stronger file hid comes out when that is gone.
    for (let found = treeAt(tree, path); found; found = treeAt(tree, path)) {
      const spot = found.spot;
      if (!spot || spot.path.length === 0) {
        const where = spot ? `all of "${spot.file.path}"` : "in no file";
        throw new EditError(`Cannot remove ${quote(keyOf(path))}: it is ${where}`);
      }
      edit(spot, (at) => ({ op: "remove", path: at }));
      if (typeof path.at(-1) === "number") return;
    }
  }

  function move(from: Path, to: Path): void {
    const found = treeAt(tree, from);
    if (!found) return;
    const target = nearestSpot(to);
    if (found.spot && found.spot.file.path === target.spot.file.path && !isListTree(target.tree)) {
      const goal = [...target.spot.path, ...target.rest];
      return edit(found.spot, (at) => ({ op: "move", from: at, to: goal }));
    }
    const value = valueOf(found);
    set(to, value);
    remove(from);
  }

  return {
    texts,
    value: () => valueOf(tree),
    get(path) {
      const found = treeAt(tree, path);
      return found && valueOf(found);
    },
    set,
    remove,
    move,
    change(change) {
      if (change.op === "move") move(change.from, change.to);
      else if (change.op === "remove") remove(change.path);
      else if (change.op === "insert") insert(change.path, change.value);
      else set(change.path, change.value);
    },
  };
}

function ownLength({ file, path }: Spot): number | undefined {
  let value: unknown = file.document.value;
  for (const step of path) value = Reflect.get(Object(value), step);
  return Array.isArray(value) ? value.length : undefined;
}
