/** How a client comes back after its connection was lost. */
export type ReconnectOptions = {
  /** Longest wait before the first attempt, ms. Default 250. */
  readonly initialMs?: number;
  /** Longest wait before any attempt, ms. Default 30 000. */
  readonly maxMs?: number;
  /** Stop trying after this long without a connection, ms. Default: never. */
  readonly giveUpMs?: number;
  /** Try again also when the very first attempt fails. Default false: `connect` rejects at once. */
  readonly first?: boolean;
};

/** The same with every default filled in. */
export type Reconnect = Required<ReconnectOptions>;

/** Fills in the defaults. */
export function toReconnect(options: ReconnectOptions): Reconnect {
  return { initialMs: 250, maxMs: 30_000, giveUpMs: Number.POSITIVE_INFINITY, first: false, ...options };
}

/**
 * The wait before an attempt: doubles each time up to `maxMs`, of which a random half to whole is
 * taken, so that a thousand clients of one restarted gateway do not return in the same instant.
 *
 * @param attempt counts from 0
 * @param random in [0, 1)
 * @returns ms
 */
export function backoffMs(attempt: number, random: number, { initialMs, maxMs }: Reconnect): number {
  const longest = Math.min(maxMs, initialMs * 2 ** Math.min(attempt, 30));
  return Math.round(longest * (0.5 + random / 2));
}

/** Whether a close code means "do not come back". Everything else, known or not, may pass. */
export function isFinal(closeCode: number): boolean {
  return closeCode >= 4500 && closeCode <= 4999;
}
