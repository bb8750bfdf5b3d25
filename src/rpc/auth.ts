import type { Scope } from "../contract/define.ts";
import { RpcError } from "../contract/errors.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Clock, Crypto } from "../ports.ts";
import { addressKey, isLoopbackAddress } from "./address.ts";
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
 * address like any other; an address never authenticates. It only narrows: the local token, which is in a
 * file that nobody but the owner can read, counts from nowhere else. What a reverse proxy on this machine
 * passes on comes from loopback too, and needs the token like everybody.
 *
 * @source PROTOCOL §3, §6; THREATS T3, T4, T8, T11
 */
export class Authenticator {
  readonly #policy: AuthPolicy;
  readonly #digest: Uint8Array;
  readonly #localDigest: Uint8Array | undefined;
  readonly #clock: Clock;
  readonly #crypto: Crypto;
  /** Oldest first. */
  readonly #failures = new Map<string, Failures>();

  /** @param localToken accepted besides the policy's secret, as a token, from this machine only */
  constructor(
    policy: AuthPolicy,
    ports: { readonly clock: Clock; readonly crypto: Crypto },
    localToken?: string,
  ) {
    this.#policy = policy;
    this.#clock = ports.clock;
    this.#crypto = ports.crypto;
    this.#digest = ports.crypto.sha256(policy.mode === "none" ? "" : policy.secret);
    this.#localDigest = localToken === undefined ? undefined : ports.crypto.sha256(localToken);
  }

  /** @returns what the credential allows, or why not: `unauthorized`, or `busy` after too many wrong ones */
  check(credentials: Credentials, address: string): Grant | RpcError {
    const { mode } = this.#policy;
    if (mode === "none") return { credential: "none", scopes: ALL_SCOPES };
    const limited = this.#limited(address);
    if (limited) return limited;
    // The same name as the secret's: what a client began with one of them goes on with the other.
    const grant: Grant = { credential: mode, scopes: ALL_SCOPES };
    if (isLoopbackAddress(address) && this.#matches(credentials.token, this.#localDigest)) return grant;
    const given = mode === "token" ? credentials.token : credentials.password;
    if (given === undefined || given === "") return missing(mode, credentials);
    if (this.#matches(given, this.#digest)) return grant;
    this.#count(address);
    return new RpcError("unauthorized", `Cannot authenticate: the ${mode} does not match`, {
      details: { reason: "mismatch" },
    });
  }

  /** Digests have one length, so the comparison takes one time whatever was sent. */
  #matches(given: string | undefined, digest: Uint8Array | undefined): boolean {
    if (given === undefined || given.length > LIMITS.secretCharsMax || !digest) return false;
    return this.#crypto.equal(this.#crypto.sha256(given), digest);
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
