import type { Crypto } from "../ports.ts";

/** What differs between the runtimes: the digest and the comparison. */
type Digests = Pick<Crypto, "sha256" | "equal">;

export function createCrypto(digests: Digests): Crypto {
  return { id: () => randomText(16), secret: () => randomText(32), ...digests };
}

function randomText(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return random.toBase64({ alphabet: "base64url", omitPadding: true });
}
