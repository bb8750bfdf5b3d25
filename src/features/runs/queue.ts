/** What happens to a message that comes while a run of its session goes on. @source PEER F25 */
export type QueueMode = "followup" | "collect" | "steer" | "interrupt";

/** As much of a run as the decision needs. */
export interface Waiting {
  readonly isRunning: boolean;
  /** Its message may be joined by others: it came as a chat's message, with nothing of its own. */
  readonly isOpen: boolean;
}

/** Where a message goes: a run of its own, one that waits, or the one that runs. */
export type Place<R> =
  | { readonly kind: "own"; readonly interrupts?: R }
  | { readonly kind: "joins"; readonly run: R }
  | { readonly kind: "steers"; readonly run: R };

/** As much of a message. */
interface Coming {
  /** A person wrote it. */
  readonly isChat: boolean;
  /** It has nothing of its own that a run of others could not give it. */
  readonly isOpen: boolean;
}

/** @param lane the runs of the session, the first one runs or is next */
export function placeOf<R extends Waiting>(
  mode: QueueMode,
  lane: readonly R[],
  { isChat, isOpen }: Coming,
): Place<R> {
  const running = lane.find((run) => run.isRunning);
  if (mode === "interrupt" && isChat && running) return { kind: "own", interrupts: running };
  if (mode === "followup" || mode === "interrupt" || !isOpen) return { kind: "own" };
  // Behind what waits already: messages keep their order.
  const last = lane.at(-1);
  if (last && last !== running) return last.isOpen ? { kind: "joins", run: last } : { kind: "own" };
  return mode === "steer" && running?.isOpen ? { kind: "steers", run: running } : { kind: "own" };
}
