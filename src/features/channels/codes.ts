import type { Crypto } from "../../ports.ts";

/** Read aloud or written by hand, none of these is taken for another: no I, O, 0, 1. */
const ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/** @source the original: 8 */
const CHARS = 8;

const CODE = new RegExp(`^[${ALPHABET}]{${CHARS}}$`);

/** 40 random bits as somebody can pass them on. */
export function newCode(crypto: Pick<Crypto, "secret" | "sha256">): string {
  const bytes = crypto.sha256(crypto.secret()).subarray(0, CHARS);
  // 256 is a multiple of 32: each character is as likely as any other.
  return Array.from(bytes, (byte) => ALPHABET.charAt(byte % ALPHABET.length)).join("");
}

/** A code as it is kept, whatever case it was typed in; undefined for what is none. */
export function toCode(typed: string): string | undefined {
  const code = typed.trim().toUpperCase();
  return CODE.test(code) ? code : undefined;
}
