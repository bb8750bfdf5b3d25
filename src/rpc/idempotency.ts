import { RpcError } from "../contract/errors.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Clock, Crypto } from "../ports.ts";
import type { Reply } from "./codecs/codec.ts";
import { canonicalJson } from "./json.ts";

type Answer = Reply | Promise<Reply>;
type Entry = { readonly digest: string; readonly atMs: number; answer: Answer };

export interface Intent {
  readonly subject: string;
  readonly method: string;
  readonly key: string;
  readonly params: unknown;
}

/**
 * First answers by caller, method and key: a repeat gets the same one, also while the first is still
 * being worked out. The same key with other params is a conflict.
 *
 * An answer that says "later" is not kept: the caller is meant to try again.
 *
 * @source PROTOCOL §4
 */
export class IdempotencyKeys {
  /** Oldest first: entries are only ever added at the end. */
  readonly #entries = new Map<string, Entry>();
  readonly #clock: Clock;
  readonly #crypto: Crypto;

  constructor(clock: Clock, crypto: Crypto) {
    this.#clock = clock;
    this.#crypto = crypto;
  }

  answer(intent: Intent, work: () => Answer): Answer {
    this.#forgetOld();
    const name = JSON.stringify([intent.method, intent.key, intent.subject]);
    const digest = this.#crypto.sha256(canonicalJson(intent.params)).join();
    const known = this.#entries.get(name);
    if (known) return known.digest === digest ? known.answer : conflict(intent);

    const answer = work();
    const entry: Entry = { digest, atMs: this.#clock.elapsed(), answer };
    this.#entries.set(name, entry);
    const settle = (reply: Reply): Reply => {
      entry.answer = reply;
      if (!reply.ok && reply.error.data.retry === "later") this.#entries.delete(name);
      return reply;
    };
    if (!(answer instanceof Promise)) return settle(answer);
    entry.answer = answer.then(settle);
    return entry.answer;
  }

  #forgetOld(): void {
    const oldestMs = this.#clock.elapsed() - LIMITS.idempotencyMs;
    for (const [name, entry] of this.#entries) {
      if (entry.atMs > oldestMs && this.#entries.size < LIMITS.idempotencyEntriesMax) return;
      // A repeat of what is still being worked on must not work a second time.
      if (!(entry.answer instanceof Promise)) this.#entries.delete(name);
    }
  }
}

function conflict({ method, key }: Intent): Reply {
  const message = `Cannot call "${method}": idempotency key "${key}" was used with other params`;
  return { ok: false, error: new RpcError("conflict", message).toWire() };
}
