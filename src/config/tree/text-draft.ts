import { readJsonc } from "../text/document.ts";
import type { Draft } from "./draft.ts";
import { EditError, editText, type TextChange } from "../text/edit.ts";
import { isEqual } from "../equal.ts";
import { assemble } from "./include.ts";
import { keyOf, quote } from "../leaves.ts";
import type { Path } from "../leaves.ts";
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
    const { file, path: at } = this.#placeFor(path);
    this.#edit(file, { op: "set", path: at, value });
  }

  remove(path: Path): void {
    // What a stronger file hid comes out when that is gone.
    for (let found = treeAt(this.#tree, path); found; found = treeAt(this.#tree, path)) {
      const { spot } = found;
      if (!spot || spot.path.length === 0) {
        const where = spot ? `all of "${spot.file.path}"` : "in no file";
        throw new EditError(`Cannot remove ${quote(keyOf(path))}: it is ${where}`);
      }
      this.#edit(spot.file, { op: "remove", path: spot.path });
      if (typeof path.at(-1) === "number") return;
    }
  }

  move(from: Path, to: Path): void {
    const found = treeAt(this.#tree, from);
    if (!found) return;
    const value = valueOf(found);
    if (found.spot && this.#moveText(found.spot, { from, to, value })) return;
    this.set(to, value);
    this.remove(from);
  }

  /** With the comments inside. @returns false, with nothing done, where one file is not enough */
  #moveText({ file, path }: Spot, { from, to, value }: Move): boolean {
    const goal = this.#goalIn(file, path, { from, to });
    if (!goal) return false;
    const { texts } = this;
    const before = texts.get(file.path) ?? "";
    try {
      this.#edit(file, { op: "move", from: path, to: goal });
    } catch (error) {
      if (error instanceof EditError) return false;
      throw error;
    }
    // A part of it may be in another file, where it would stay.
    if (treeAt(this.#tree, from) === undefined && isEqual(this.get(to), value)) return true;
    texts.set(file.path, before);
    this.#tree = this.#read();
    return false;
  }

  /** Where in a file something that is in it has to go. */
  #goalIn(file: SourceFile, path: Path, { from, to }: Pick<Move, "from" | "to">): Path | undefined {
    const target = this.#placeFor(to);
    if (target.file.path === file.path) return target.path;
    // What the file is included as has to be around both.
    const around = from.slice(0, from.length - path.length);
    const isBelow = around.every((step, index) => step === to[index]) && isEqual(from, [...around, ...path]);
    return isBelow ? to.slice(around.length) : undefined;
  }

  #insert(path: Path, value: unknown): void {
    const found = treeAt(this.#tree, path)?.spot;
    if (!found) return this.set(path, value);
    this.#edit(found.file, { op: "insert", path: found.path, value });
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

  #edit({ path, document }: SourceFile, change: TextChange): void {
    const text = this.texts.get(path) ?? "";
    this.texts.set(path, Array.isArray(document.value) ? editList(text, change) : editText(text, change));
    this.#tree = this.#read();
  }

  /** Where something is written or has to be: the innermost part around it, and the way from there. */
  #placeFor(path: Path): Spot {
    for (let length = path.length; length >= 0; length -= 1) {
      const found = treeAt(this.#tree, path.slice(0, length));
      if (!found?.spot) continue;
      const [index, ...below] = path.slice(length);
      // The place in the list of its own file: the whole one may be put together from several.
      const end = isListTree(found) ? ownLength(found.spot) : undefined;
      const way = typeof index === "number" && end !== undefined ? [end, ...below] : path.slice(length);
      return { file: found.spot.file, path: [...found.spot.path, ...way] };
    }
    throw new EditError(`Cannot change ${quote(keyOf(path))}: it is in no file`);
  }
}

interface Move {
  readonly from: Path;
  readonly to: Path;
  /** What is at `from`. */
  readonly value: unknown;
}

/** An included file may be a list, which the editor wants an object around. */
function editList(text: string, change: TextChange): string {
  const mark = text.startsWith("\uFEFF") ? "\uFEFF" : "";
  const [open, close] = [`{ "list": `, "\n}"];
  const edited = editText(open + text.slice(mark.length) + close, below("list", change));
  return mark + edited.slice(open.length, -close.length);
}

function below(name: string, change: TextChange): TextChange {
  if (change.op !== "move") return { ...change, path: [name, ...change.path] };
  return { ...change, from: [name, ...change.from], to: [name, ...change.to] };
}

function ownLength({ file, path }: Spot): number | undefined {
  let value: unknown = file.document.value;
  for (const step of path) value = Reflect.get(Object(value), step);
  return Array.isArray(value) ? value.length : undefined;
}
