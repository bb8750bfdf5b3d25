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
  return new FilesDraft(files);
}

class FilesDraft implements TextDraft {
  readonly texts: Map<string, string>;
  readonly #main: SourceFile;
  #tree: Tree;

  constructor(files: readonly [SourceFile, ...SourceFile[]]) {
    [this.#main] = files;
    this.texts = new Map(files.map(({ path, document }) => [path, document.text]));
    this.#tree = this.#read();
  }

  value(): unknown {
    return valueOf(this.#tree);
  }

  get(path: Path): unknown {
    const found = treeAt(this.#tree, path);
    return found && valueOf(found);
  }

  change(change: TextChange): void {
    if (change.op === "move") this.move(change.from, change.to);
    else if (change.op === "remove") this.remove(change.path);
    else if (change.op === "insert") this.#insert(change.path, change.value);
    else this.set(change.path, change.value);
  }

  set(path: Path, value: unknown): void {
    const { spot, rest, tree: owner } = this.#nearestSpot(path);
    const [index, ...below] = rest;
    // The place in the list of its own file: the whole one may be put together from several.
    const end = isListTree(owner) ? ownLength(spot) : undefined;
    const way = index !== undefined && end !== undefined ? [end, ...below] : rest;
    this.#edit(spot, (at) => ({ op: "set", path: [...at, ...way], value }));
  }

  remove(path: Path): void {
    // What a stronger file hid comes out when that is gone.
    for (let found = treeAt(this.#tree, path); found; found = treeAt(this.#tree, path)) {
      const { spot } = found;
      if (!spot || spot.path.length === 0) {
        const where = spot ? `all of "${spot.file.path}"` : "in no file";
        throw new EditError(`Cannot remove ${quote(keyOf(path))}: it is ${where}`);
      }
      this.#edit(spot, (at) => ({ op: "remove", path: at }));
      if (typeof path.at(-1) === "number") return;
    }
  }

  move(from: Path, to: Path): void {
    const found = treeAt(this.#tree, from);
    if (!found) return;
    const target = this.#nearestSpot(to);
    if (found.spot && found.spot.file.path === target.spot.file.path && !isListTree(target.tree)) {
      const goal = [...target.spot.path, ...target.rest];
      return this.#edit(found.spot, (at) => ({ op: "move", from: at, to: goal }));
    }
    const value = valueOf(found);
    this.set(to, value);
    this.remove(from);
  }

  #insert(path: Path, value: unknown): void {
    const found = treeAt(this.#tree, path)?.spot;
    if (!found) return this.set(path, value);
    this.#edit(found, (at) => ({ op: "insert", path: at, value }));
  }

  #read(): Tree {
    const file = (path: string): SourceFile | undefined => {
      const text = this.texts.get(path);
      if (text === undefined) return undefined;
      const reading = readJsonc(text);
      if (!reading.ok) throw new EditError(`Cannot change "${path}": ${reading.errors[0]?.reason ?? ""}`);
      return { path, text, document: reading.document };
    };
    return assemble(file(this.#main.path) ?? this.#main, file).tree;
  }

  #edit({ file, path }: Spot, make: (path: Path) => TextChange): void {
    this.texts.set(file.path, editText(this.texts.get(file.path) ?? "", make(path)));
    this.#tree = this.#read();
  }

  /** The innermost part around a path that is written down, and the way from there. */
  #nearestSpot(path: Path): { readonly spot: Spot; readonly rest: Path; readonly tree: Tree } {
    for (let length = path.length; length >= 0; length -= 1) {
      const found = treeAt(this.#tree, path.slice(0, length));
      if (found?.spot) return { spot: found.spot, rest: path.slice(length), tree: found };
    }
    throw new EditError(`Cannot change ${quote(keyOf(path))}: it is in no file`);
  }
}

function ownLength({ file, path }: Spot): number | undefined {
  let value: unknown = file.document.value;
  for (const step of path) value = Reflect.get(Object(value), step);
  return Array.isArray(value) ? value.length : undefined;
}
