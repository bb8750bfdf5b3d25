import type { Run } from "./run.ts";

/**
 * Who runs next: one run of a session at a time, in the order they came, and so many over all sessions.
 * Sessions take turns: one that has just run goes behind those that wait.
 */
export class Lanes {
  /** By session: the first one runs or is next, the others wait. */
  readonly #lanes = new Map<string, Run[]>();
  /** Sessions whose first run may start when there is room, in order of arrival. */
  readonly #ready = new Set<string>();
  #active = 0;

  get isEmpty(): boolean {
    return this.#lanes.size === 0;
  }

  counts(): { active: number; queued: number } {
    let all = 0;
    for (const lane of this.#lanes.values()) all += lane.length;
    return { active: this.#active, queued: all - this.#active };
  }

  /** The session's runs, the one that runs or is next first. */
  of(sessionDbId: string): readonly Run[] {
    return this.#lanes.get(sessionDbId) ?? [];
  }

  all(): Run[] {
    return [...this.#lanes.values()].flat();
  }

  join(run: Run): void {
    const lane = this.#lanes.get(run.sessionDbId) ?? [];
    lane.push(run);
    this.#lanes.set(run.sessionDbId, lane);
    if (lane.length === 1) this.#ready.add(run.sessionDbId);
  }

  /** @returns the run to start now, counted as active; undefined when there is no room, or nobody */
  next(activeMax: number): Run | undefined {
    if (this.#active >= activeMax) return undefined;
    for (const sessionDbId of this.#ready) {
      const run = this.#lanes.get(sessionDbId)?.[0];
      // What is not on disk yet is not started, nor what has ended and is on its way there; others are.
      if (run && (!run.isAccepted || run.isEnded)) continue;
      this.#ready.delete(sessionDbId);
      if (!run) continue;
      this.#active++;
      return run;
    }
    return undefined;
  }

  /** @param hasRun it was started by `next` */
  leave(run: Run, hasRun: boolean): void {
    const lane = this.#lanes.get(run.sessionDbId)?.filter((other) => other !== run) ?? [];
    const wasFirst = this.#lanes.get(run.sessionDbId)?.[0] === run;
    if (lane.length > 0) this.#lanes.set(run.sessionDbId, lane);
    else this.#lanes.delete(run.sessionDbId);
    if (hasRun) this.#active--;
    if (!wasFirst) return;
    this.#ready.delete(run.sessionDbId);
    if (lane.length > 0) this.#ready.add(run.sessionDbId);
  }
}
