import { describe, expect, test } from "bun:test";
import { editDistance, nearest } from "../../../src/config/nearest.ts";

describe("distance", () => {
  const cases: [string, string, number][] = [
    ["", "", 0],
    ["", "abc", 3],
    ["abc", "", 3],
    ["port", "port", 0],
    ["prot", "port", 1],
    ["por", "port", 1],
    ["ports", "port", 1],
    ["part", "port", 1],
    ["kitten", "sitting", 3],
    ["ab", "ba", 1],
    ["abcd", "badc", 2],
  ];
  test.each(cases)("%s to %s", (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });
});

describe("the nearest", () => {
  const known = ["port", "bind", "auth", "allowedHosts", "allowedOrigins"];
  const cases: [string, string | undefined][] = [
    ["prot", "port"],
    ["PORT", "port"],
    ["allowedhost", "allowedHosts"],
    ["allowedOrgins", "allowedOrigins"],
    ["bin", "bind"],
    ["xyzzy", undefined],
    ["p", undefined],
    ["x".repeat(100_000), undefined],
  ];
  test.each(cases)("%s", (word, wanted) => {
    expect(nearest(word, known)).toBe(wanted);
  });
});
