import { expect, test } from "bun:test";
import { checksumOf, isIntact } from "../../../../src/features/storage/checksum.ts";
import { createCountingCrypto } from "../../../support/ports.ts";

const crypto = createCountingCrypto();

test("a checksum is the first quarter of a SHA-256, and the same for the same fields", () => {
  // printf '["a",1,null]' | sha256sum
  expect(checksumOf(crypto, "a", 1, null)).toBe("0ae764bffd3a17b6");
  expect(checksumOf(crypto, "a", 1, null)).toBe(checksumOf(crypto, "a", 1, null));
});

test("fields that are not the same have not the same checksum", () => {
  const rows = [
    ["a", "b"],
    ["ab", ""],
    ["", "ab"],
    ["a,b"],
    ['a","b'],
    ["b", "a"],
    ["1"],
    [1],
    [null],
    ["null"],
    [""],
    [],
    ["a", "b", null],
  ] as const;
  const sums = rows.map((fields) => checksumOf(crypto, ...fields));
  expect(new Set(sums).size).toBe(rows.length);
});

test("a row is intact as long as nothing of it has changed, and when it never had a checksum", () => {
  const sum = checksumOf(crypto, "a", 1);
  expect(isIntact(crypto, sum, "a", 1)).toBe(true);
  expect(isIntact(crypto, sum, "a", 2)).toBe(false);
  expect(isIntact(crypto, "", "a", 2)).toBe(true);
});
