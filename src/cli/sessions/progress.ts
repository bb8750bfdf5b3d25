import type { Platform } from "../../ports.ts";

/** Often enough for a person. */
const EVERY_MS = 250;

/** A line on standard error that is written over again; where that is no terminal, nothing. */
export interface Progress {
  show(text: string): void;
  /** Takes the line away: what is said next stands alone. */
  clear(): void;
}

type Ports = {
  readonly process: Pick<Platform["process"], "stderr" | "env">;
  readonly clock: Pick<Platform["clock"], "elapsed">;
};

/** @param isQuiet the terminal is in use for something else */
export function createProgress({ process: { stderr, env }, clock }: Ports, isQuiet = false): Progress {
  const isShown = stderr.isTerminal && env["TERM"] !== "dumb" && !isQuiet;
  let shownMs: number | undefined;
  return {
    show(text) {
      const nowMs = clock.elapsed();
      if (!isShown || (shownMs !== undefined && nowMs - shownMs < EVERY_MS)) return;
      shownMs = nowMs;
      stderr.write(`\r${text}\u001b[K`);
    },
    clear() {
      if (shownMs !== undefined) stderr.write("\r\u001b[K");
      shownMs = undefined;
    },
  };
}
