import { describe, expect, test } from "bun:test";
import { createLookup, resolveReferences } from "../../../src/config/references.ts";

const lookup = createLookup({ A: "one", B_2: "two", EMPTY: "" }, undefined);

describe("references", () => {
  const cases: [string, unknown, unknown][] = [
    ["a whole text", "${A}", "one"],
    ["several in one", "x${A}-${B_2}.", "xone-two."],
    ["an escape", "$${A}", "${A}"],
    ["an escape before a reference", "$${A}${A}", "${A}one"],
    ["dollars alone", "$A $5 $", "$A $5 $"],
    ["nested values", { a: ["${A}", { b: "${B_2}" }], n: 1 }, { a: ["one", { b: "two" }], n: 1 }],
    ["keys stay", { "${A}": 1 }, { "${A}": 1 }],
    ["a value that looks like a reference is not read again", "${A}", "one"],
  ];
  test.each(cases)("%s", (_, value, resolved) => {
    expect(resolveReferences(value, { variable: lookup })).toEqual({
      value: resolved,
      errors: [],
      warnings: [],
    });
  });

  test("a missing and an empty variable are errors that name it, where they stand", () => {
    const { errors } = resolveReferences({ a: ["${NOPE}", "${EMPTY}"] }, { variable: lookup });
    expect(errors).toEqual([
      { path: ["a", 0], message: "the variable NOPE is not set, or empty" },
      { path: ["a", 1], message: "the variable EMPTY is not set, or empty" },
    ]);
  });

  test("what only looks like a reference stays, with a warning", () => {
    for (const text of ["${lower}", "${A:-x}", "${", "${}", "${1A}"]) {
      const { value, errors, warnings } = resolveReferences(text, { variable: lookup });
      expect(value).toBe(text);
      expect(errors).toEqual([]);
      expect(warnings).toHaveLength(1);
    }
  });

  test("members of Object.prototype are no variables", () => {
    const { errors } = resolveReferences("${CONSTRUCTOR}${__PROTO__}", { variable: createLookup({}, {}) });
    expect(errors).toHaveLength(2);
    expect(createLookup({}, {})("constructor")).toBeUndefined();
  });
});

describe("where references look", () => {
  const section = { vars: { A: "vars", B: "${A}", D: "${B}", TEXT: 5 }, A: "direct", C: "direct" };
  const cases: [string, Record<string, string>, string, string | undefined][] = [
    ["the environment before all", { A: "env" }, "A", "env"],
    ["vars before direct", {}, "A", "vars"],
    ["direct", {}, "C", "direct"],
    ["an empty variable is none", { C: "" }, "C", "direct"],
    ["a reference to the environment", { A: "env" }, "B", "env"],
    ["no reference to a neighbour", {}, "D", undefined],
    ["text only", {}, "TEXT", undefined],
    ["nothing", {}, "E", undefined],
  ];
  test.each(cases)("%s", (_, env, name, value) => {
    expect(createLookup(env, section)(name)).toBe(value);
  });
});
