import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { readDocument, readJsonc } from "../../../src/config/text/document.ts";
import { EditError } from "../../../src/config/text/edit.ts";
import { isEqual } from "../../../src/config/equal.ts";
import { textDraft } from "../../../src/config/tree/text-draft.ts";
import type { SourceFile } from "../../../src/config/tree/tree.ts";

function fileOf(path: string, text: string): SourceFile {
  const reading = readJsonc(text);
  if (!reading.ok) throw new Error(JSON.stringify(reading.errors));
  return { path, text, document: reading.document };
}

const draftOf = (main: string, included: Readonly<Record<string, string>> = {}) =>
  textDraft([
    fileOf("/c/main.json", main),
    ...Object.entries(included).map(([name, text]) => fileOf(`/c/${name}`, text)),
  ]);

describe("moving", () => {
  test("into a list takes the comments inside along, also to the end of one that is there", () => {
    const draft = draftOf(`{ "old": { "x": 1 /* one */ }, "list": [{ "y": 2 }] }`);
    draft.move(["old"], ["list", 1]);
    expect(draft.texts.get("/c/main.json")).toBe(`{ "list": [{ "y": 2 }, { "x": 1 /* one */ }] }`);
  });

  test("into a list that two files make goes to the end of the nearer one", () => {
    const draft = draftOf(`{ "a": { "$include": "a.json", "list": [2] }, "old": [3 /* three */] }`, {
      "a.json": `{ "list": [1] }`,
    });
    draft.move(["old"], ["a", "list", 2]);
    expect(draft.texts.get("/c/main.json")).toBe(
      `{ "a": { "$include": "a.json", "list": [2, [3 /* three */]] } }`,
    );
  });

  test("takes an include along as it is written", () => {
    const draft = draftOf(`{ "old": { "$include": "a.json" /* it */ } }`, { "a.json": `{ "x": 1 }` });
    draft.move(["old"], ["new"]);
    expect(draft.texts.get("/c/main.json")).toBe(`{ "new": { "$include": "a.json" /* it */ } }`);
    expect(draft.texts.get("/c/a.json")).toBe(`{ "x": 1 }`);
  });

  test("stays within the included file that it is in", () => {
    const draft = draftOf(`{ "$include": "a.json" }`, { "a.json": `{ "old": 1 /* one */, "b": {} }` });
    draft.move(["old"], ["b", "new"]);
    expect(draft.texts.get("/c/main.json")).toBe(`{ "$include": "a.json" }`);
    expect(draft.texts.get("/c/a.json")).toContain(`"new": 1`);
    expect(draft.value()).toEqual({ b: { new: 1 } });
  });

  test("leaves nothing in any file of what several make together", () => {
    for (const [mine, theirs, both] of [
      [`[2]`, `[1]`, [1, 2]],
      [`{ "x": { "b": 2 } }`, `{ "x": { "a": 1 }, "y": 3 }`, { x: { a: 1, b: 2 }, y: 3 }],
      [`5`, `{ "a": 1 }`, 5],
    ] as const) {
      const draft = draftOf(`{ "$include": "a.json", "old": ${mine} }`, { "a.json": `{ "old": ${theirs} }` });
      draft.move(["old"], ["new"]);
      expect(draft.value()).toEqual({ new: both });
    }
  });

  test("from one included file into another", () => {
    const draft = draftOf(`{ "a": { "$include": "a.json" }, "b": { "$include": "b.json" } }`, {
      "a.json": `{ "x": { "y": 1 } }`,
      "b.json": `{ "z": {} }`,
    });
    draft.move(["a", "x"], ["b", "z", "x"]);
    expect(draft.value()).toEqual({ a: {}, b: { z: { x: { y: 1 } } } });
    expect(draft.texts.get("/c/b.json")).toContain(`"y": 1`);
  });
});

describe("what no file can say is refused", () => {
  test("all of a file, and the whole", () => {
    const draft = draftOf(`{ "list": { "$include": "a.json" } }`, { "a.json": `[1]` });
    expect(() => draft.remove(["list"])).toThrow(`Cannot remove "list": it is all of "/c/a.json"`);
    expect(() => draft.remove([])).toThrow(`Cannot remove "": it is all of "/c/main.json"`);
    expect(draft.value()).toEqual({ list: [1] });
  });

  test("a key below a value that is no object", () => {
    const draft = draftOf(`{ "a": 5 }`);
    expect(() => draft.set(["a", "b"], 1)).toThrow(EditError);
    expect(draft.texts.get("/c/main.json")).toBe(`{ "a": 5 }`);
  });
});

describe("any change of files that include each other", () => {
  const names = ["a", "b", "c"];
  const value = fc.oneof(
    fc.integer({ min: 0, max: 9 }),
    fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...names), fc.integer({ min: 0, max: 9 }), { maxKeys: 3 }),
  );
  const object = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 3 });
  const path = fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 2 });

  test("says what was asked for or is refused, and every text stays readable", () => {
    const outcomes = { done: 0, refused: 0 };
    fc.assert(
      fc.property(object, object, path, value, fc.boolean(), (own, included, at, next, isSet) => {
        const texts = { "x.json": JSON.stringify(included) };
        const draft = draftOf(JSON.stringify({ $include: "x.json", ...own }), texts);
        try {
          if (isSet) draft.set(at, next);
          else draft.remove(at);
        } catch (error) {
          if (!(error instanceof EditError)) throw error;
          outcomes.refused += 1;
          return;
        }
        for (const text of draft.texts.values()) expect(readDocument(text).ok).toBe(true);
        if (!isSet) expect(draft.get(at)).toBeUndefined();
        // Objects and lists of the weaker file show through; the caller compares and refuses.
        else if (typeof next === "number" || isEqual(own, {})) outcomes.done += 1;
        if (isSet && typeof next === "number") expect(draft.get(at)).toBe(next);
      }),
      { seed: 7, numRuns: 1_000 },
    );
    expect(outcomes.done).toBeGreaterThan(100);
    expect(outcomes.refused).toBeGreaterThan(10);
  });
});
