import type { Draft } from "./draft.ts";
import type { Path } from "../leaves.ts";
import { isListTree, isObjectTree, type Tree, treeAt, treeOf, valueOf } from "./tree.ts";

/** A draft on a tree, changed in place: what is moved keeps the place it is written at. */
export function treeDraft(root: Tree): Draft {
  function parentOf(path: Path): Tree {
    let at = root;
    for (const step of path.slice(0, -1)) {
      const next = treeAt(at, [step]);
      if (next) at = next;
      else if (isObjectTree(at)) {
        const made = treeOf({}, undefined);
        at.members.set(String(step), made);
        at = made;
      } else throw noPlace(path);
    }
    return at;
  }

  function put(path: Path, tree: Tree): void {
    const parent = parentOf(path);
    const last = path.at(-1) ?? "";
    if (isObjectTree(parent)) parent.members.set(String(last), tree);
    else if (isListTree(parent)) parent.items[Number(last)] = tree;
    else throw noPlace(path);
  }

  function remove(path: Path): void {
    const parent = treeAt(root, path.slice(0, -1));
    const last = path.at(-1) ?? "";
    if (isObjectTree(parent)) parent.members.delete(String(last));
    else if (isListTree(parent)) parent.items.splice(Number(last), 1);
  }

  return {
    get(path) {
      const found = treeAt(root, path);
      return found && valueOf(found);
    },
    set(path, value) {
      const found = treeAt(root, path);
      put(path, treeOf(value, undefined));
      const made = treeAt(root, path);
      // In the place of something written: that is where a person looks for it.
      if (found?.spot && made) put(path, { ...made, spot: found.spot });
    },
    remove,
    move(from, to) {
      const found = treeAt(root, from);
      if (!found) return;
      put(to, found);
      remove(from);
    },
  };
}

function noPlace(path: Path): Error {
  return new Error(`Cannot change "${path.join(".")}": something that is no object is in the way`);
}
