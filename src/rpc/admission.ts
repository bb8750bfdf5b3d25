import { RpcError } from "../contract/errors.ts";
import { LIMITS } from "../contract/limits.ts";
import { addressKey } from "./address.ts";

/** A socket's place. `promote` when it has authenticated, `release` when the socket is gone. */
export interface Place {
  promote(): void;
  release(): void;
}

/**
 * How many sockets there may be: in all, and of those that have not proved themselves, in all and
 * from one address.
 *
 * @source PROTOCOL §6; THREATS T9
 */
export class Admission {
  readonly #clientsMax: () => number;
  readonly #strangers = new Map<string, number>();
  readonly #emptyWaiters: (() => void)[] = [];
  #all = 0;
  #strangersAll = 0;

  constructor(clientsMax: () => number) {
    this.#clientsMax = clientsMax;
  }

  /** @returns a place, or `busy` with the bound that is reached */
  admit(address: string, isAuthenticated: boolean): Place | RpcError {
    const key = addressKey(address);
    const here = this.#strangers.get(key) ?? 0;
    if (this.#all >= this.#clientsMax()) return full("clients", this.#clientsMax());
    if (isAuthenticated) return this.#place(undefined);
    if (this.#strangersAll >= LIMITS.unauthenticatedMax)
      return full("unauthenticated sockets", LIMITS.unauthenticatedMax);
    if (here >= LIMITS.unauthenticatedPerAddressMax) {
      return full("unauthenticated sockets from this address", LIMITS.unauthenticatedPerAddressMax);
    }
    this.#strangers.set(key, here + 1);
    this.#strangersAll++;
    return this.#place(key);
  }

  /** Resolves when the last socket is gone. */
  empty(): Promise<void> {
    return this.#all === 0 ? Promise.resolve() : new Promise((resolve) => this.#emptyWaiters.push(resolve));
  }

  #place(strangerKey: string | undefined): Place {
    this.#all++;
    let key = strangerKey;
    let isHeld = true;
    const promote = (): void => {
      if (key === undefined) return;
      const left = (this.#strangers.get(key) ?? 1) - 1;
      if (left > 0) this.#strangers.set(key, left);
      else this.#strangers.delete(key);
      this.#strangersAll--;
      key = undefined;
    };
    const release = (): void => {
      if (!isHeld) return;
      isHeld = false;
      promote();
      this.#all--;
      if (this.#all === 0) for (const wake of this.#emptyWaiters.splice(0)) wake();
    };
    return { promote, release };
  }
}

function full(what: string, bound: number): RpcError {
  return new RpcError("busy", `Cannot open socket: ${bound} ${what} already`, {
    details: { bound },
    retryAfterMs: LIMITS.handshakeMs,
  });
}
