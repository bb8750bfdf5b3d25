import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createHider } from "../../../src/config/show/hider.ts";

describe("a hider", () => {
  test.each([
    ["one of two that begin alike", ["secret-1", "secret-12"], "a secret-12 b secret-1", "a *** b ***"],
    ["one inside of another", ["inner-one", "an inner-one here"], "an inner-one here, inner-one", "***, ***"],
    ["all that two cover which overlap", ["abcdefgh", "efghijkl"], "xabcdefghijkly", "x***y"],
    ["two in a row", ["abcdefgh"], "abcdefghabcdefgh", "******"],
    ["one that is shorter than the others' beginnings", ["abc", "abcdefgh"], "abcd abcdefgh", "***d ***"],
    ["nothing", [], "abc", "abc"],
    ["nothing for a secret that is empty", [""], "abc", "abc"],
  ])("hides %s", (_, secrets, text, hidden) => {
    expect(createHider(secrets, "***")(text)).toBe(hidden);
  });

  test("leaves no secret in any text", () => {
    const letters = (minLength: number, maxLength: number) =>
      fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength, maxLength });
    fc.assert(
      fc.property(fc.array(letters(1, 9), { maxLength: 8 }), letters(0, 60), (secrets, text) => {
        const hidden = createHider(secrets, "*")(text);
        for (const secret of secrets) expect(hidden).not.toContain(secret);
        if (!secrets.some((secret) => text.includes(secret))) expect(hidden).toBe(text);
      }),
      { seed: 5, numRuns: 500 },
    );
  });
});
