import type { Publish } from "../../feature.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Clock, Stop, Timers } from "../../ports.ts";
import type { runsContract } from "./contract.ts";

/**
 * What is known of each run while it streams.
 *
 * `buffers`: the text so far. `deltaSentAt`: when its last `chat` delta went out. `abortedRuns`: runs
 * whose agent may still be talking although nobody listens any more.
 */
export interface ChatRunState {
  readonly buffers: Map<string, string>;
  readonly deltaSentAt: Map<string, number>;
  readonly abortedRuns: Set<string>;
}

/** As much of a run as its text needs. */
interface Speaker {
  readonly id: string;
  readonly sessionKey: string;
  readonly owner: string;
}

interface ChatStreamPorts {
  readonly publish: Publish<(typeof runsContract)["events"]>;
  readonly clock: Clock;
  readonly timers: Timers;
}

/**
 * The text of running runs, told to clients in pieces: at most one a run each `LIMITS.deltaMs`, and
 * always one after the last word, so that nothing waits for the end of the run.
 *
 * @source PROTOCOL §5
 */
export class ChatStream {
  readonly state: ChatRunState = { buffers: new Map(), deltaSentAt: new Map(), abortedRuns: new Set() };
  readonly #ports: ChatStreamPorts;
  /** Characters of each run that clients have been sent. */
  readonly #sent = new Map<string, number>();
  readonly #flushes = new Map<string, Stop>();

  constructor(ports: ChatStreamPorts) {
    this.#ports = ports;
  }

  /** What clients have been sent of a run: the next piece begins where this ends. */
  sentText(runId: string): string {
    return this.text(runId).slice(0, this.#sent.get(runId) ?? 0);
  }

  begin(runId: string): void {
    this.state.buffers.set(runId, "");
    this.#sent.set(runId, 0);
  }

  text(runId: string): string {
    return this.state.buffers.get(runId) ?? "";
  }

  /** Adds to the text of a run; one that has ended stays as it was. */
  append(run: Speaker, text: string): void {
    const known = this.state.buffers.get(run.id);
    if (known === undefined || text === "") return;
    this.state.buffers.set(run.id, known + text);
    if (this.#flushes.has(run.id)) return;
    const { clock, timers } = this.#ports;
    const waitMs =
      (this.state.deltaSentAt.get(run.id) ?? Number.NEGATIVE_INFINITY) + LIMITS.deltaMs - clock.elapsed();
    if (waitMs <= 0) return this.#flush(run);
    this.#flushes.set(
      run.id,
      timers.after(waitMs, () => this.#flush(run)),
    );
  }

  /** Forgets the run; its text is the caller's now. */
  end(runId: string): string {
    const text = this.text(runId);
    this.#flushes.get(runId)?.();
    this.#flushes.delete(runId);
    this.#sent.delete(runId);
    this.state.buffers.delete(runId);
    this.state.deltaSentAt.delete(runId);
    return text;
  }

  #flush({ id, sessionKey, owner }: Speaker): void {
    this.#flushes.delete(id);
    const offset = this.#sent.get(id);
    if (offset === undefined) return;
    const delta = this.text(id).slice(offset);
    this.#sent.set(id, offset + delta.length);
    this.state.deltaSentAt.set(id, this.#ports.clock.elapsed());
    this.#ports.publish(
      "chat",
      { runId: id, sessionKey, state: "delta", offset, delta },
      { dropIfSlow: true, audience: { sessionKey, owner } },
    );
  }
}
