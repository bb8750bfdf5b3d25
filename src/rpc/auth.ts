import type { Scope } from "../contract/define.ts";
import { RpcError } from "../contract/errors.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Clock, Crypto } from "../ports.ts";
import { addressKey } from "./address.ts";
import { ALL_SCOPES } from "./scopes.ts";

/** How clients prove themselves; each mode excludes the others. */
export type AuthPolicy =
  | { readonly mode: "token"; readonly secret: string }
  | { readonly mode: "password"; readonly secret: string }
  | { readonly mode: "none" };

/** What a client presents. */
export interface Credentials {
  readonly token?: string | undefined;
  readonly password?: string | undefined;
  readonly deviceToken?: string | undefined;
}

/** What a credential allows. */
export interface Grant {
  /** Names the credential, not its secret. */
  readonly credential: string;
  readonly scopes: readonly Scope[];
}

type Failures = { count: number; readonly sinceMs: number };

/**
 * The one place that compares secrets, behind the one limiter that counts wrong ones. Loopback is an
 * address like any other; an address never authenticates.
 *
 * @source PROTOCOL §3, §6; THREATS T3, T4, T8, T11
 */
export class Authenticator {
  readonly #policy: AuthPolicy;
  readonly #digest: Uint8Array;
  readonly #clock: Clock;
  readonly #crypto: Crypto;
  /** Oldest first. */
  readonly #failures = new Map<string, Failures>();

  constructor(policy: AuthPolicy, ports: { readonly clock: Clock; readonly crypto: Crypto }) {
    this.#policy = policy;
    this.#clock = ports.clock;
    this.#crypto = ports.crypto;
    this.#digest = ports.crypto.sha256(policy.mode === "none" ? "" : policy.secret);
  }

  /** @returns what the credential allows, or why not: `unauthorized`, or `busy` after too many wrong ones */
  check(credentials: Credentials, address: string): Grant | RpcError {
    const { mode } = this.#policy;
    if (mode === "none") return { credential: "none", scopes: ALL_SCOPES };
    const limited = this.#limited(address);
    if (limited) return limited;
    const given = mode === "token" ? credentials.token : credentials.password;
    if (given === undefined || given === "") return missing(mode, credentials);
    if (given.length <= LIMITS.secretCharsMax && this.#matches(given))
      return { credential: mode, scopes: ALL_SCOPES };
    this.#count(address);
    return new RpcError("unauthorized", `Cannot authenticate: the ${mode} does not match`, {
      details: { reason: "mismatch" },
    });
  }

  /** Digests have one length, so the comparison takes one time whatever was sent. */
  #matches(given: string): boolean {
    return this.#crypto.equal(this.#crypto.sha256(given), this.#digest);
  }

  #limited(address: string): RpcError | undefined {
    const failures = this.#failures.get(addressKey(address));
    if (!failures || failures.count < LIMITS.failedCredentialsMax) return undefined;
    const retryAfterMs = Math.ceil(
      failures.sinceMs + LIMITS.failedCredentialsWindowMs - this.#clock.elapsed(),
    );
    if (retryAfterMs <= 0) {
      this.#failures.delete(addressKey(address));
      return undefined;
    }
    return new RpcError("busy", "Cannot authenticate: too many wrong credentials from this address", {
      retryAfterMs,
    });
  }

  #count(address: string): void {
    const key = addressKey(address);
    const now = this.#clock.elapsed();
    const known = this.#failures.get(key);
    if (known && now - known.sinceMs < LIMITS.failedCredentialsWindowMs) {
      known.count++;
      return;
    }
    this.#failures.delete(key);
    const [oldest] = this.#failures.keys();
    if (this.#failures.size >= LIMITS.failedCredentialsAddressesMax && oldest !== undefined)
      this.#failures.delete(oldest);
    this.#failures.set(key, { count: 1, sinceMs: now });
  }
}

function missing(mode: "token" | "password", credentials: Credentials): RpcError {
  const other =
    credentials.token || credentials.password || credentials.deviceToken ? ": another kind was sent" : "";
  const message = `Cannot authenticate: this gateway asks for a ${mode}${other}`;
  return new RpcError("unauthorized", message, { details: { reason: "missing", mode } });
}
