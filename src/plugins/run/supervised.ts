import { messageOf } from "../../contract/errors.ts";
import type { Clock, Timers } from "../../ports.ts";
import { Backoff } from "./backoff.ts";
import { seconds } from "./time.ts";

interface Supervision {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Ends it: the work's own signal follows. */
  readonly signal: AbortSignal;
  readonly onState: (state: "running" | "ended" | "failed", detail?: string) => void;
}

/** Runs `work` until it returns or `signal` is aborted; when it throws, again after a pause, as {@link Backoff}. */
export function supervise(
  work: (signal: AbortSignal) => void | Promise<void>,
  { clock, timers, signal, onState }: Supervision,
): void {
  const backoff = new Backoff({ clock, timers }, () => void once());

  async function once(): Promise<void> {
    if (signal.aborted) return;
    backoff.healthy();
    onState("running");
    try {
      await work(signal);
      onState("ended");
    } catch (error) {
      if (signal.aborted) return onState("ended");
      const pauseMs = backoff.failed();
      onState("failed", `${messageOf(error)}; again in ${seconds(pauseMs)}`);
    }
  }

  const end = (): void => {
    if (!backoff.isWaiting) return;
    backoff.cancel();
    onState("ended");
  };
  signal.addEventListener("abort", end, { once: true });
  void once();
}
