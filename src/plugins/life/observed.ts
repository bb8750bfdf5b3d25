import type { PluginGate } from "../running.ts";

/** Different things one version was denied that are remembered. */
const DENIED_MAX = 100;
const SERVICES_MAX = 100;
const WHAT_CHARS_MAX = 200;

export interface ServiceFacts {
  readonly name: string;
  readonly state: string;
  readonly error?: string;
  readonly restarts: number;
}

export interface DeniedFacts {
  readonly capability: string;
  readonly what: string;
  readonly times: number;
}

/** What is known of one version of a plugin besides what it offers. */
export class Observed {
  readonly #denied = new Map<string, DeniedFacts>();
  readonly #services = new Map<string, ServiceFacts>();

  /** @returns whether it is the first time */
  deny(capability: string, given: string): boolean {
    const what = given.slice(0, WHAT_CHARS_MAX);
    const key = JSON.stringify([capability, what]);
    const before = this.#denied.get(key);
    if (!before && this.#denied.size >= DENIED_MAX) return false;
    this.#denied.set(key, { capability, what, times: (before?.times ?? 0) + 1 });
    return before === undefined;
  }

  service(name: string, { state, detail }: Parameters<PluginGate["state"]>[1]): void {
    const before = this.#services.get(name);
    if (!before && this.#services.size >= SERVICES_MAX) return;
    const isAgain = before !== undefined && before.state === "failed" && state === "running";
    this.#services.set(name, {
      name,
      state,
      ...(detail !== undefined && { error: detail }),
      restarts: (before?.restarts ?? 0) + (isAgain ? 1 : 0),
    });
  }

  get denied(): readonly DeniedFacts[] {
    return [...this.#denied.values()];
  }

  get services(): readonly ServiceFacts[] {
    return [...this.#services.values()];
  }
}
