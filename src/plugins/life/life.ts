import { isEqual } from "../../config/equal.ts";
import { messageOf } from "../../contract/errors.ts";
import type { PluginState } from "../../features/plugins/contract.ts";
import type { Clock } from "../../ports.ts";
import type { Capabilities } from "../api.ts";
import { Abandoned, Attempt, type AttemptPorts, type Plan, Refusal } from "./attempt.ts";
import { drained } from "./drained.ts";
import { ProcessLost } from "../host/lost.ts";
import type { Observed } from "./observed.ts";
import { Backoff } from "../run/backoff.ts";
import type { RunningPlugin } from "../running.ts";

export interface LifePorts extends AttemptPorts {
  readonly clock: Clock;
  /** Puts a version in force, or takes it out. @throws when it wants a name that somebody else has */
  readonly swap: (id: string, next: RunningPlugin | undefined, grants?: Capabilities) => void;
  readonly onChanged: (id: string, state: PluginState, error: string | undefined) => void;
}

interface Active {
  readonly attempt: Attempt;
  readonly running: RunningPlugin;
  readonly startedAtMs: number;
}

/** One plugin: brings what runs in line with what is wanted, step by step, whatever others do. */
export class PluginLife {
  readonly #id: string;
  readonly #ports: LifePorts;
  readonly #backoff: Backoff;
  #plan: Plan | undefined;
  /** What was tried last, whether it runs or not. */
  #tried: Plan | undefined;
  #active: Active | undefined;
  #error: string | undefined;
  #isDoubted = false;
  #starting: Attempt | undefined;
  #isStopped = false;
  #loads = 0;
  #turn: Promise<void> = Promise.resolve();
  readonly #leaving = new Set<Promise<void>>();

  constructor(id: string, ports: LifePorts) {
    this.#id = id;
    this.#ports = ports;
    this.#backoff = new Backoff(ports, () => void this.#next(() => this.#again()));
  }

  get running(): RunningPlugin | undefined {
    return this.#active?.running;
  }

  /** What runs, or is wanted and does not. */
  get plan(): Plan | undefined {
    return this.#active?.attempt.plan ?? this.#plan;
  }

  get error(): string | undefined {
    return this.#error;
  }

  get loads(): number {
    return this.#loads;
  }

  get startedAtMs(): number | undefined {
    return this.#active?.startedAtMs;
  }

  /** Of the version that runs. */
  get observed(): Observed | undefined {
    return this.#active?.attempt.observed;
  }

  get state(): PluginState {
    if (this.#active) return "running";
    if (this.#starting) return "starting";
    if (this.#error === undefined) return "disabled";
    return this.#isDoubted ? "quarantined" : "failed";
  }

  /**
   * From now on this is wanted; undefined: nothing. Resolves when that is so, or cannot be; never rejects.
   *
   * @param isAsked it is started anew in any case; otherwise only for another plan than was tried last
   */
  want(plan: Plan | undefined, isAsked = false): Promise<void> {
    this.#plan = plan;
    if (isAsked) this.#backoff.forget();
    if (!plan) this.#starting?.abandon();
    return this.#next(async () => {
      if (this.#isStopped) return;
      if (!this.#plan) return this.#end();
      if (isAsked || !this.#isKnown(this.#plan)) await this.#begin(this.#plan);
    });
  }

  /** For good; never rejects. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#plan = undefined;
    this.#starting?.abandon();
    this.#end();
    await this.gone();
  }

  /** Resolves when what was on its way out has stopped. Bounded, and never rejects. */
  async gone(): Promise<void> {
    await Promise.all(this.#leaving);
  }

  #next(work: () => void | Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(work).catch((error: unknown) => {
      this.#ports.log.error("plugin not looked after", { plugin: this.#id, error: messageOf(error) });
    });
    return this.#turn;
  }

  /** Nothing has to be done for it: it runs, or has failed and waits for its time. */
  #isKnown(plan: Plan): boolean {
    if (this.#tried && isSame(this.#tried, plan)) return true;
    this.#backoff.forget();
    if (!this.#active || !isSame(this.#active.attempt.plan, plan)) return false;
    // What runs is wanted again, after something else was and has failed.
    this.#tried = plan;
    this.#error = undefined;
    this.#changed();
    return true;
  }

  async #again(): Promise<void> {
    if (this.#plan && !this.#active && !this.#isStopped) await this.#begin(this.#plan);
  }

  /** New one up, swap, old one down; the old one stays where the new one cannot start. */
  async #begin(plan: Plan): Promise<void> {
    this.#backoff.cancel();
    this.#tried = plan;
    const attempt = new Attempt(this.#ports, plan, (error) => this.#faulted(error));
    this.#starting = attempt;
    try {
      const running = await attempt.run();
      this.#starting = undefined;
      // Nobody wants it any more.
      if (!this.#plan) this.#leave(attempt.stop(running));
      else this.#enter({ attempt, running, startedAtMs: this.#ports.clock.now() });
    } catch (error) {
      this.#starting = undefined;
      attempt.over();
      // Whoever wants it again wants it started.
      if (error instanceof Abandoned) this.#tried = undefined;
      else this.#notStarted(error);
    }
  }

  #enter(next: Active): void {
    const { swap, log } = this.#ports;
    const old = this.#active;
    try {
      swap(this.#id, next.running, next.attempt.plan.start.grants);
    } catch (error) {
      this.#leave(next.attempt.stop(next.running));
      throw error;
    }
    this.#active = next;
    this.#error = undefined;
    this.#isDoubted = false;
    this.#loads++;
    this.#backoff.healthy();
    log.info("plugin started", {
      plugin: this.#id,
      methods: Object.keys(next.running.feature.methods).length,
      version: next.attempt.plan.usable.manifest.version,
    });
    this.#changed();
    if (old) this.#retire(old);
    try {
      next.running.begin();
      next.attempt.inForce();
    } catch (error) {
      this.#faulted(error);
    }
  }

  /** Its background is over at once, so that nothing is done twice; its last calls have their time. */
  #retire({ attempt, running }: Active): void {
    attempt.over();
    running.end();
    // Nobody waits for the calls of what is not wanted at all any more.
    const isCut = (): boolean => this.#plan === undefined;
    this.#leave(drained(this.#ports.timers, running, isCut).then(() => attempt.stop(running)));
  }

  #notStarted(error: unknown): void {
    if (this.#isStopped) return;
    this.#error = messageOf(error);
    this.#isDoubted = error instanceof Refusal && error.isDoubt;
    this.#ports.log.warn("plugin not started", { plugin: this.#id, error: this.#error });
    this.#changed();
    if (!this.#active && !(error instanceof Refusal)) this.#later(error);
  }

  /** Stopped for it: what is left of it after an error nobody caught is anybody's guess. */
  #faulted(error: unknown): void {
    this.#ports.log.error("plugin failed", { plugin: this.#id, error: messageOf(error) });
    this.#take();
    this.#error = messageOf(error);
    this.#isDoubted = false;
    this.#changed();
    this.#later(error);
  }

  #later(error: unknown): void {
    if (error instanceof ProcessLost && error.isBystander) this.#backoff.failedForAnother();
    else this.#backoff.failed();
  }

  #end(): void {
    this.#backoff.cancel();
    const before = this.state;
    this.#take();
    this.#error = undefined;
    this.#tried = undefined;
    if (before !== "disabled") this.#changed();
  }

  #take(): void {
    const active = this.#active;
    if (!active) return;
    this.#active = undefined;
    active.attempt.over();
    this.#ports.swap(this.#id, undefined);
    this.#leave(active.attempt.stop(active.running));
  }

  /** What is on its way out is waited for at the very end. */
  #leave(leaving: Promise<void>): void {
    const done = leaving
      .catch((error: unknown) => {
        this.#ports.log.warn("plugin not stopped", { plugin: this.#id, error: messageOf(error) });
      })
      .finally(() => void this.#leaving.delete(done));
    this.#leaving.add(done);
  }

  #changed(): void {
    if (!this.#isStopped) this.#ports.onChanged(this.#id, this.state, this.#error);
  }
}

/** The same code under the same conditions, as far as that can be known without looking into its files. */
function isSame(a: Plan, b: Plan): boolean {
  return a.isolation === b.isolation && isEqual(a.start, b.start) && isEqual(a.misfits, b.misfits);
}
