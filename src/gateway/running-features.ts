import { createLifetime, type Feature, type FeatureContext, type Lifetime } from "../feature.ts";
import type { Clock, Crypto, Log, Stop, Timers } from "../ports.ts";
import type { Hub } from "../rpc/hub.ts";
import type { Table } from "../rpc/table.ts";

interface FeatureParts {
  readonly table: Table;
  readonly hub: Hub;
  /** A feature's section of the configuration in force. */
  readonly sectionOf: (feature: Feature) => Record<string, unknown>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly crypto: Crypto;
  readonly log: Log;
}

interface Running {
  readonly feature: Feature;
  readonly handlers: ReturnType<Feature["start"]>["handlers"];
  readonly lifetime: Lifetime;
  /** Takes its methods and events off the table. */
  leave: Stop;
}

/** The features that are running, each with a lifetime of its own, so that one can be replaced. */
export class RunningFeatures {
  readonly #parts: FeatureParts;
  readonly #running = new Map<string, Running>();

  constructor(parts: FeatureParts) {
    this.#parts = parts;
  }

  start(features: readonly Feature[]): void {
    for (const feature of features) this.#adopt(this.#begin(feature));
  }

  /**
   * Starts these features anew, the new ones before the old ones end. Nothing is between the swap of one
   * and the next, so that no request meets half of it.
   *
   * @param enter puts in force what they start with; `leave` takes it back when one of them cannot
   */
  async replace(names: readonly string[], enter: () => void, leave: () => void): Promise<void> {
    const old = names.flatMap((name) => this.#running.get(name) ?? []);
    const fresh: Running[] = [];
    enter();
    try {
      for (const { feature } of old) fresh.push(this.#begin(feature));
    } catch (error) {
      leave();
      await Promise.all(fresh.map(({ lifetime }) => lifetime.stop()));
      throw error;
    }
    for (const one of old) one.leave();
    for (const one of fresh) this.#adopt(one);
    await Promise.all(old.map(({ lifetime }) => lifetime.stop()));
  }

  /** The last started first. */
  async stop(): Promise<void> {
    for (const { lifetime, leave } of [...this.#running.values()].toReversed()) {
      leave();
      await lifetime.stop();
    }
    this.#running.clear();
  }

  #begin(feature: Feature): Running {
    const { hub, sectionOf, clock, timers, crypto, log } = this.#parts;
    const lifetime = createLifetime((error) => log.error("stop failed", { error: String(error) }));
    const context: FeatureContext = {
      config: () => sectionOf(feature),
      publish: hub.publisher(feature),
      clock,
      timers,
      crypto,
      log,
      onStop: lifetime.onStop,
    };
    try {
      return { feature, lifetime, leave: () => {}, ...feature.start(context) };
    } catch (error) {
      void lifetime.stop();
      throw error;
    }
  }

  #adopt(running: Running): void {
    running.leave = this.#parts.table.add(running.feature, running.handlers);
    this.#running.set(running.feature.name, running);
  }
}
