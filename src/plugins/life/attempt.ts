import { messageOf } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Isolation } from "../../features/plugins/contract.ts";
import type { Files, Log, Timers } from "../../ports.ts";
import { doubtAbout } from "../find/code.ts";
import type { Usable } from "../find/found.ts";
import type { OpenGate } from "../gate/gate.ts";
import { Observed } from "./observed.ts";
import type { PluginGate, PluginStart, RunningPlugin } from "../running.ts";
import { seconds, within } from "../run/time.ts";

/** What is told of one version of a plugin by whoever runs it. */
export interface Told {
  /** An error nobody else will tell: it is stopped for it. */
  failed(error: unknown): void;
  /** It used something it has no capability for. */
  denied(capability: string, what: string): void;
  readonly state: PluginGate["state"];
}

/** What is to run, and with what. */
export interface Plan {
  readonly usable: Usable;
  readonly isolation: Isolation;
  readonly start: PluginStart;
  /** Why it is on, in words. */
  readonly by: string;
  /** Settings that do not fit: it is not started with them. */
  readonly misfits: readonly string[];
}

export interface AttemptPorts {
  readonly files: Pick<Files, "tree" | "readBytes">;
  readonly timers: Timers;
  readonly log: Log;
  readonly start: (isolation: Isolation, start: PluginStart, gate: PluginGate) => Promise<RunningPlugin>;
  /** Opens what stands between the version and the gateway; it is closed when the version has stopped. */
  readonly gate: (start: PluginStart, told: Told) => OpenGate;
  /** The state of an account of a channel. */
  readonly onAccount: (
    account: { readonly channel: string; readonly accountId: string },
    now: Parameters<PluginGate["state"]>[1],
  ) => void;
}

/** An error that trying again does not help against. */
export class Refusal extends Error {
  /** It cannot be trusted; otherwise its settings do not fit. */
  readonly isDoubt: boolean;

  constructor(message: string, { isDoubt }: { readonly isDoubt: boolean }) {
    super(message);
    this.isDoubt = isDoubt;
  }
}

/** Nobody wants any more what was being started. */
export class Abandoned extends Error {}

/** A starter keeps its own deadlines; this is for one that does not. */
const START_MS_MAX = 3 * LIMITS.pluginStartMs;

/** One try to start a plugin, and the version that came of it. */
export class Attempt {
  readonly plan: Plan;
  readonly observed = new Observed();
  readonly #ports: AttemptPorts;
  readonly #onFault: (error: unknown) => void;
  #fault: { readonly error: unknown } | undefined;
  /** Rejects with what ends the start before it has come to its own end. */
  readonly #cut = Promise.withResolvers<never>();
  #close: () => void = () => {};
  #isInForce = false;
  #isOver = false;

  /** @param onFault it has failed while it was in force; at most once */
  constructor(ports: AttemptPorts, plan: Plan, onFault: (error: unknown) => void) {
    this.#ports = ports;
    this.plan = plan;
    this.#onFault = onFault;
    this.#cut.promise.catch(() => {
      // Told by the start that it ends.
    });
  }

  /** @throws Refusal; Abandoned; Error what it failed with; what comes of it all the same is stopped */
  async run(): Promise<RunningPlugin> {
    const { files, gate } = this.#ports;
    const { usable, misfits, start: what } = this.plan;
    const doubt = usable.directory === undefined ? undefined : await doubtAbout(files, usable.directory);
    if (doubt !== undefined) throw new Refusal(doubt, { isDoubt: true });
    if (misfits.length > 0)
      throw new Refusal(`its configuration does not fit: ${misfits.join("; ")}`, { isDoubt: false });
    // Whoever has asked may have taken it back while the files were looked at.
    await Promise.race([this.#cut.promise, Promise.resolve()]);
    const opened = gate(what, this.#told());
    this.#close = () => opened.close();
    const starting = this.#start(opened);
    try {
      return await within(this.#ports.timers, Promise.race([this.#cut.promise, starting]), {
        ms: START_MS_MAX,
        late: `it has not started within ${seconds(START_MS_MAX)}`,
      });
    } catch (error) {
      void starting.then((late) => late.stop()).catch(() => undefined);
      opened.close();
      throw error;
    }
  }

  /** Nobody waits for its start any more; it may have ended. */
  abandon(): void {
    this.#cut.reject(new Abandoned());
  }

  async #start(opened: PluginGate): Promise<RunningPlugin> {
    return this.#ports.start(this.plan.isolation, this.plan.start, opened);
  }

  /** Stops the version that came of it; nothing of it reaches anything then. */
  async stop(running: RunningPlugin): Promise<void> {
    try {
      await running.stop();
    } finally {
      this.#close();
    }
  }

  /** From here on what it says counts. */
  inForce(): void {
    this.#isInForce = true;
    if (this.#fault) this.#end(this.#fault.error);
  }

  /** What it says from here on is of no interest. */
  over(): void {
    this.#isOver = true;
  }

  #end(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onFault(error);
  }

  #told(): Told {
    const { log, onAccount } = this.#ports;
    const { id } = this.plan.start;
    return {
      failed: (error) => {
        this.#fault ??= { error };
        this.#cut.reject(new Error(messageOf(error)));
        if (this.#isInForce) this.#end(error);
      },
      denied: (capability, what) => {
        if (this.observed.deny(capability, what)) log.warn("plugin denied", { plugin: id, capability, what });
      },
      state: (part, now) => {
        if (this.#isOver) return;
        if (part.kind === "service") this.observed.service(part.id, now);
        else if (part.channel !== undefined) onAccount({ channel: part.channel, accountId: part.id }, now);
      },
    };
  }
}
