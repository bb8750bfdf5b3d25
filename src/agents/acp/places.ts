import { RpcError } from "../../contract/errors.ts";

/** A session whose program may run. */
export interface Holder {
  /** Since when its agent has nothing to do; undefined while it has. */
  readonly idleSinceMs: number | undefined;
  /** Ends its program; resolves when it has ended. */
  stop(): Promise<void>;
}

/** The right to run one program. Given back more than once is given back once. */
export interface Place {
  release(): void;
}

/** Programs take a moment to finish; a run more often some seconds. */
const BUSY_MS = 5_000;

/** Bounds the programs that run at the same time. */
export class Places {
  readonly #placesMax: number;
  readonly #taken = new Map<Place, Holder>();

  constructor(placesMax: number) {
    this.#placesMax = placesMax;
  }

  /** Ends the program that has been idle longest, if there is no other place. @throws RpcError `busy` */
  async take(holder: Holder): Promise<Place> {
    const place: Place = { release: () => void this.#taken.delete(place) };
    const victim = this.#taken.size < this.#placesMax ? undefined : this.#longestIdle();
    // Taken at once, or the next to come would have it meanwhile.
    this.#taken.set(place, holder);
    if (victim) {
      this.#taken.delete(victim.place);
      await victim.holder.stop();
    }
    return place;
  }

  #longestIdle(): { place: Place; holder: Holder } {
    let found: { place: Place; holder: Holder; sinceMs: number } | undefined;
    for (const [place, holder] of this.#taken) {
      const sinceMs = holder.idleSinceMs;
      if (sinceMs !== undefined && (found === undefined || sinceMs < found.sinceMs))
        found = { place, holder, sinceMs };
    }
    if (found) return found;
    throw new RpcError("busy", `Cannot start agent: ${this.#placesMax} programs of agents are busy already`, {
      retryAfterMs: BUSY_MS,
    });
  }
}
