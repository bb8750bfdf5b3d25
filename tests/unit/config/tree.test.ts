import { describe, expect, test } from "bun:test";
import { documentOf } from "./support.ts";
import {
  mergeTrees,
  placeIn,
  type SourceFile,
  type Tree,
  treeAt,
  treeOf,
  valueOf,
} from "../../../src/config/tree/tree.ts";
import { treeDraft } from "../../../src/config/tree/tree-draft.ts";

function treeIn(path: string, text: string): Tree {
  const file: SourceFile = { path, text, document: documentOf(text) };
  return treeOf(file.document.value, { file, path: [] });
}

const WEAK = `{ "a": { "x": 1, "y": [1] }, "b": 2, "c": [1, 2] }`;
const STRONG = `{\n  "a": { "y": [2], "z": 3 },\n  "b": { "x": 1 },\n  "c": null }`;
const both = (): Tree => mergeTrees(treeIn("weak", WEAK), treeIn("strong", STRONG));

describe("two values, one over the other", () => {
  test("objects key by key, lists one after the other, anything else replaced", () => {
    expect(valueOf(both())).toEqual({ a: { x: 1, y: [1, 2], z: 3 }, b: { x: 1 }, c: null });
  });

  test("every part knows where it is from, and what it hides", () => {
    const tree = both();
    const fileAt = (...path: (string | number)[]): string | undefined => treeAt(tree, path)?.spot?.file.path;
    expect([fileAt("a", "x"), fileAt("a", "y", 0), fileAt("a", "y", 1), fileAt("a", "z")]).toEqual([
      "weak",
      "weak",
      "strong",
      "strong",
    ]);
    expect(placeIn(tree, ["a", "y", 1], "value")).toEqual({ file: "strong", line: 2, column: 16 });
    expect(placeIn(tree, ["b", "not", "there"], "value")).toEqual({ file: "strong", line: 3, column: 3 });
    expect(treeAt(tree, ["b"])?.hidden.map(valueOf)).toEqual([2]);
    expect(treeAt(tree, ["nope", "x"])).toBeUndefined();
  });

  test("of three, the strongest hidden one comes first", () => {
    const tree = [`{ "k": 1 }`, `{ "k": 2 }`, `{ "k": 3 }`]
      .map((text, index) => treeIn(String(index), text))
      .reduce(mergeTrees);
    expect(treeAt(tree, ["k"])?.hidden.map(valueOf)).toEqual([2, 1]);
  });

  test("neither of the two is changed", () => {
    const [weak, strong] = [treeIn("weak", WEAK), treeIn("strong", STRONG)];
    treeDraft(mergeTrees(weak, strong)).set(["a", "new"], 1);
    expect(valueOf(weak)).toEqual(JSON.parse(WEAK));
    expect(valueOf(strong)).toEqual(JSON.parse(STRONG));
  });
});

describe("a draft on a tree", () => {
  test("what is moved keeps its place", () => {
    const tree = both();
    const draft = treeDraft(tree);
    draft.move(["a", "z"], ["made", "list", "z"]);
    expect(placeIn(tree, ["made", "list", "z"], "key")).toEqual({ file: "strong", line: 2, column: 20 });
    expect(draft.get(["a"])).toEqual({ x: 1, y: [1, 2] });
    draft.set(["b"], 5);
    expect(placeIn(tree, ["b"], "key")).toEqual({ file: "strong", line: 3, column: 3 });
    draft.remove(["a", "y", 0]);
    expect(draft.get(["a", "y"])).toEqual([2]);
    draft.remove(["nope", "x"]);
    expect(() => draft.set(["b", "x"], 1)).toThrow(
      `Cannot change "b.x": something that is no object is in the way`,
    );
  });
});
