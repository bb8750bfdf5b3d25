import { type PluginRequestHead, RpcError } from "../api.ts";

type Headers = PluginRequestHead["headers"];
type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();

export async function sha256(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text))).toHex();
}

/** Takes as long whatever of `given` is right; and at once: guesses that come together are counted one by one. */
export function isSame(given: string, wanted: string): boolean {
  let different = given.length ^ wanted.length;
  for (let at = 0; at < given.length; at++)
    different |= given.charCodeAt(at) ^ wanted.charCodeAt(at % wanted.length);
  return different === 0;
}

/** The token of a request. @source the original's headers: PEER B8 */
export function tokenOf(headers: Headers): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(headers["authorization"] ?? "")?.[1];
  return bearer ?? headers["x-moltbot-token"] ?? headers["x-clawdbot-token"];
}

const SIGNED_WINDOW_SECONDS = 300;
/** Four of them: while a secret is replaced there are two. */
const SIGNATURE_CHARS_MAX = 200;

/** Whether a signature came at all: a body without one is not read. */
export const hasSignature = (headers: Headers): boolean =>
  "x-hub-signature-256" in headers || "webhook-signature" in headers;

/**
 * What a request with a valid signature is known by, when it comes again; undefined: it has none. The
 * signature itself for GitHub's way, which has no time; its id for that of Standard Webhooks, which has.
 */
export async function signedAs(
  secret: string,
  { headers, body }: { readonly headers: Headers; readonly body: Uint8Array },
  nowMs: number,
): Promise<string | undefined> {
  const hex = /^sha256=([0-9a-f]{64})$/.exec(headers["x-hub-signature-256"] ?? "")?.[1];
  const text = encoder.encode(secret);
  if (hex !== undefined)
    return (await verify(text, Uint8Array.fromHex(hex), new Uint8Array(body))) ? hex : undefined;
  const { "webhook-id": id = "", "webhook-timestamp": time = "", "webhook-signature": given = "" } = headers;
  if (!(Math.abs(nowMs / 1_000 - Number(time || NaN)) <= SIGNED_WINDOW_SECONDS)) return undefined;
  const encoded = /^whsec_((?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/.exec(
    secret,
  )?.[1];
  const key = encoded === undefined ? text : Uint8Array.fromBase64(encoded);
  const signed = new Uint8Array(await new Blob([`${id}.${time}.`, new Uint8Array(body)]).arrayBuffer());
  for (const [, signature = ""] of given.slice(0, SIGNATURE_CHARS_MAX).matchAll(/v1,([A-Za-z0-9+/]{43}=)/g))
    if (await verify(key, Uint8Array.fromBase64(signature), signed)) return id;
  return undefined;
}

async function verify(secret: Bytes, signature: Bytes, signed: Bytes): Promise<boolean> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", secret, algorithm, false, ["verify"]);
  return crypto.subtle.verify("HMAC", key, signature, signed);
}

const WRONG_MAX = 20;
const WRONG_MS = 60_000;
const ADDRESSES_MAX = 1_000;

/** Wrong credentials of each address. */
export class Guesses {
  readonly #wrong = new Map<string, { readonly times: number; readonly untilMs: number }>();

  /** @throws RpcError `busy`: too many were wrong lately */
  check(address: string, nowMs: number): void {
    const wrong = this.#wrong.get(address);
    if (wrong && wrong.untilMs <= nowMs) this.#wrong.delete(address);
    else if (wrong && wrong.times >= WRONG_MAX)
      throw new RpcError("busy", "Cannot call webhook: too many wrong credentials", {
        retryAfterMs: wrong.untilMs - nowMs,
      });
  }

  add(address: string, nowMs: number): void {
    const { times = 0, untilMs = nowMs + WRONG_MS } = this.#wrong.get(address) ?? {};
    this.#wrong.set(address, { times: times + 1, untilMs });
    const [oldest] = this.#wrong.keys();
    if (this.#wrong.size > ADDRESSES_MAX && oldest !== undefined) this.#wrong.delete(oldest);
  }
}
