import type { Crypto } from "../../ports.ts";

type Field = string | number | null;

/** Half of a SHA-256 would be no safer against accidents, and each row carries it. */
const charsKept = 16;

/** What a row's fields come down to; JSON keeps their order, their types and where one ends. */
export function checksumOf(crypto: Pick<Crypto, "sha256">, ...fields: readonly Field[]): string {
  const digest = crypto.sha256(JSON.stringify(fields)).subarray(0, charsKept / 2);
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether a row is as it was written. Rows of the first version have no checksum: they are believed. */
export function isIntact(
  crypto: Pick<Crypto, "sha256">,
  checksum: string,
  ...fields: readonly Field[]
): boolean {
  return checksum === "" || checksum === checksumOf(crypto, ...fields);
}
