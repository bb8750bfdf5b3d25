import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseKey } from "../../../src/config/key.ts";
import { keyOf } from "../../../src/config/leaves.ts";

describe("a key", () => {
  test.each([
    ["gateway", ["gateway"]],
    ["gateway.auth.token", ["gateway", "auth", "token"]],
    ["agents.list.0.model", ["agents", "list", 0, "model"]],
    ["agents.list[0].model", ["agents", "list", 0, "model"]],
    ["a[0][1]", ["a", 0, 1]],
    ['models.providers."my.ai".api', ["models", "providers", "my.ai", "api"]],
    ['models.providers."say \\"hi\\"".api', ["models", "providers", 'say "hi"', "api"]],
    ['env.""', ["env", ""]],
    ['env."0"', ["env", "0"]],
    ["env.007", ["env", "007"]],
    ["models.providers.café/x:1.api", ["models", "providers", "café/x:1", "api"]],
  ])("%s", (text, path) => {
    expect(parseKey(text)).toEqual(path);
  });

  test.each([
    "",
    ".",
    ".gateway",
    "gateway.",
    "gateway..port",
    "gateway port",
    "0.gateway",
    "[0]",
    "list.[0]",
    "list[x]",
    "list[0",
    "list[0]model",
    '"open',
    '"a"b',
    'a"b"',
    '"bad \\x escape"',
    '"line\nend"',
    "__proto__.isAdmin",
    'gateway."constructor"',
    "gateway.prototype",
  ])("none: %p", (text) => {
    expect(parseKey(text)).toBeUndefined();
  });

  test("what keyOf writes is read back", () => {
    const refused = new Set(["__proto__", "constructor", "prototype"]);
    // keyOf cuts longer names: it writes for people. Digits alone are read as a place in a list.
    const name = fc
      .oneof(
        fc.string({ maxLength: 100 }),
        fc.string({ unit: "binary", maxLength: 50 }),
        fc.constant("my.ai"),
      )
      .filter((text) => !refused.has(text) && !/^\d+$/.test(text));
    const step = fc.oneof(name, fc.nat({ max: 999_999_999 }));
    const path = fc.tuple(name, fc.array(step, { maxLength: 6 })).map(([first, rest]) => [first, ...rest]);
    fc.assert(
      fc.property(path, (steps) => {
        expect(parseKey(keyOf(steps))).toEqual(steps);
      }),
      { seed: 3, numRuns: 1_000 },
    );
  });
});
