import { parseTree } from "jsonc-parser";
import type { Node, ParseError } from "jsonc-parser";
import { insertItem, isInBlock } from "./edit-insert.ts";
import { Raw, fits, print, styleAt } from "./edit-print.ts";
import type { Layout } from "./edit-print.ts";
import { removeItem } from "./edit-remove.ts";
import {
  containerOf,
  depthOf,
  lineEndAt,
  lineIndent,
  parentOf,
  piecesFrom,
  splice,
  valueOf,
} from "./edit-source.ts";
import { EditError, cannot, checkDepth, checkPath, checkValue } from "./edit-values.ts";
import { isEqual } from "../equal.ts";
import { isObject, keyOf, quote } from "../leaves.ts";
import type { Path } from "../leaves.ts";

export { EditError };

/** One change of a configuration file's text. */
export type TextChange =
  /** Replaces a value or adds the key; parents that are missing are made; the index behind a list appends. */
  | { readonly op: "set"; readonly path: Path; readonly value: unknown }
  /** Into a list before that index, at most its length. */
  | { readonly op: "insert"; readonly path: Path; readonly value: unknown }
  /** A key or an element; what is not there changes nothing. */
  | { readonly op: "remove"; readonly path: Path }
  /** The value travels as it is written, with the comments in it. Nothing may be at `to`. */
  | { readonly op: "move"; readonly from: Path; readonly to: Path };

/**
 * Changes valid JSONC with an object at its root, and no byte that is not the subject: comments, the order
 * of keys, indentation, line ends and trailing commas stay as their author has them.
 *
 * @throws EditError where the path leads through something else, or the value cannot be written
 */
export function editText(text: string, change: TextChange): string {
  // The parser does not know the byte order mark.
  const mark = text.startsWith("\uFEFF") ? "\uFEFF" : "";
  const body = text.slice(mark.length);
  if (change.op === "set") return mark + set(body, change.path, change.value);
  if (change.op === "insert") return mark + insert(body, change.path, change.value);
  if (change.op === "remove") return mark + remove(body, change.path);
  return mark + move(body, change.from, change.to);
}

// --- the four operations ---

function set(text: string, path: Path, value: unknown): string {
  const what = cannot("set", path);
  checkPath(path, what);
  checkValue(value, path.length, what);
  const found = locate(rootOf(text, what), path);
  if (found.depth < path.length) return add({ text, path, found, what }, value);
  if (path.length === 0 && !isObject(value)) throw new EditError(`${what}: it must be an object`);
  return isEqual(valueOf(found.node), value) ? text : replace(text, found.node, value);
}

function insert(text: string, path: Path, value: unknown): string {
  const what = cannot("insert", path);
  checkPath(path, what);
  checkValue(value, path.length, what);
  const index = path.at(-1);
  const list = path.slice(0, -1);
  if (typeof index !== "number") throw new EditError(`${what}: the path does not end with an index`);
  const found = locate(rootOf(text, what), list);
  const isHere = found.depth === list.length && found.node.type === "array";
  if (isHere && index < (found.node.children ?? []).length)
    return insertItem(text, found.node, { index, value });
  return add({ text, path, found, what }, value);
}

function remove(text: string, path: Path): string {
  const what = cannot("remove", path);
  checkPath(path, what);
  if (path.length === 0) throw new EditError(`${what}: only what is in it`);
  const { node, depth } = locate(rootOf(text, what), path);
  return depth < path.length ? text : removeNode(text, node);
}

function move(text: string, from: Path, to: Path): string {
  const what = `${cannot("move", from)} to ${quote(keyOf(to))}`;
  checkPath(from, what);
  checkPath(to, what);
  const root = rootOf(text, what);
  const source = locate(root, from);
  if (source.depth < from.length) throw new EditError(`${what}: ${quote(keyOf(from))} is not there`);
  const found = locate(root, to);
  if (found.depth === to.length) throw new EditError(`${what}: ${quote(keyOf(to))} is there already`);
  if (from.every((name, index) => to[index] === name)) throw new EditError(`${what}: one is in the other`);
  checkDepth(to.length + depthOf(source.node), what);
  const { node } = source;
  const name = to.at(-1);
  const key = node.parent?.type === "property" ? node.parent.children?.[0] : undefined;
  // Under another name in the same object, it stays where it is.
  if (key && typeof name === "string" && found.depth === to.length - 1 && found.node === parentOf(node)) {
    return splice(text, [{ start: key.offset, end: key.offset + key.length, text: JSON.stringify(name) }]);
  }
  // First, because adding moves no index that `from` has.
  const added = add({ text, path: to, found, what }, rawOf(text, node));
  const again = locate(rootOf(added, what), from);
  return removeNode(added, again.node);
}

/** A value as it is written, with the comments between its key and itself. */
function rawOf(text: string, node: Node): Raw {
  const indent = lineIndent(text, node.offset);
  const key = node.parent?.type === "property" ? node.parent.children?.[0] : undefined;
  const from = key ? key.offset + key.length : node.offset;
  const colon = node.parent?.colonOffset ?? from;
  const comments = [...piecesFrom(text, from), ...(key ? piecesFrom(text, colon + 1) : [])]
    .filter(({ kind }) => kind === "comment")
    .map(({ start, end }) => text.slice(start, end))
    .map((comment) => comment + (comment.startsWith("//") ? lineEndAt(text, from) + indent : " "));
  return new Raw(comments.join("") + text.slice(node.offset, node.offset + node.length), indent);
}

// --- what they are made of ---

interface Found {
  /** The last value on the way that is there. */
  readonly node: Node;
  /** How many names of the path lead to it. */
  readonly depth: number;
}

function rootOf(text: string, what: string): Node {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true, disallowComments: false });
  if (!root || errors.length > 0) throw new EditError(`${what}: the file cannot be read`);
  if (root.type !== "object") throw new EditError(`${what}: the file is no object`);
  return root;
}

function locate(root: Node, path: Path): Found {
  let node = root;
  for (const [depth, name] of path.entries()) {
    const next = childOf(node, name);
    if (!next) return { node, depth };
    node = next;
  }
  return { node, depth: path.length };
}

function childOf(node: Node, name: string | number): Node | undefined {
  const children = node.children ?? [];
  if (typeof name === "number") return node.type === "array" ? children[name] : undefined;
  if (node.type !== "object") return undefined;
  return children.find((property) => property.children?.[0]?.value === name)?.children?.[1];
}

interface Missing {
  readonly text: string;
  readonly path: Path;
  readonly found: Found;
  readonly what: string;
}

/** Adds what is missing on the way to the path, with the value at its end. */
function add({ text, path, found, what }: Missing, value: unknown): string {
  const { node, depth } = found;
  const name = path[depth];
  const wrapped = path.slice(depth + 1).reduceRight<unknown>((inner, at) => {
    if (typeof at === "string") return { [at]: inner };
    if (at !== 0) throw new EditError(`${what}: a list that is not there has no index ${at}`);
    return [inner];
  }, value);
  const length = node.children?.length ?? 0;
  const here = depth === 0 ? "the file" : quote(keyOf(path.slice(0, depth)));
  if (typeof name === "string") {
    if (node.type !== "object") throw new EditError(`${what}: ${here} is no object`);
    return insertItem(text, node, { index: length, key: name, value: wrapped });
  }
  if (node.type !== "array") throw new EditError(`${what}: ${here} is no list`);
  if (name !== length) throw new EditError(`${what}: ${here} has ${length} elements`);
  return insertItem(text, node, { index: length, value: wrapped });
}

function replace(text: string, node: Node, value: unknown): string {
  const end = node.offset + node.length;
  const put = (content: string): string => splice(text, [{ start: node.offset, end, text: content }]);
  const isBlock = isInBlock(text, node);
  const isList = node.type === "array";
  const isSameKind = (isList && Array.isArray(value)) || (node.type === "object" && isObject(value));
  const around = isList || node.type === "object" ? node : parentOf(node);
  const style = styleAt(text, containerOf(text, around ?? node));
  const layout: Layout = { ...style, indent: lineIndent(text, node.offset), shape: isBlock ? "fit" : "line" };
  if (!isSameKind || (node.children ?? []).length === 0) return put(print(value, layout));
  if (/[\r\n]/.test(text.slice(node.offset, end))) return put(print(value, { ...layout, shape: "block" }));
  const line = print(value, { ...layout, shape: "line" });
  return put(isBlock && !fits(line, layout.indent) ? print(value, layout) : line);
}

function removeNode(text: string, node: Node): string {
  const parent = parentOf(node);
  if (!parent) return text;
  return removeItem(text, parent, node);
}
