import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Clock, Confinement, Held, Log, PluginProcess, Process, Stop, Timers } from "../../ports.ts";
import type { PluginGate, PluginStart, RunningPlugin } from "../running.ts";
import { placed } from "../run/fault-place.ts";
import { seconds, within } from "../run/time.ts";
import { errorOf } from "./faults.ts";
import { heldOf } from "./held.ts";
import { answerGuest, type Guest, hearGuest } from "./guest.ts";
import { LineReader } from "./lines.ts";
import { Link, type Served } from "./link.ts";
import { type Loss, lossOf, ProcessLost } from "./lost.ts";
import { Noise } from "./noise.ts";
import { offersOf } from "./offered.ts";
import { createThere } from "./there.ts";
import { Turns } from "./turns.ts";
import { Vigil } from "./vigil.ts";

export interface HostPorts {
  readonly process: Pick<Process, "startPluginProcess">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

export interface HostOptions {
  readonly confinement: Confinement;
  readonly env: Readonly<Record<string, string>>;
  /** It ended without being told to. */
  readonly onLost: (loss: Loss) => void;
  /** The plugin has not started in the time it has for that. */
  readonly onLate: (id: string) => void;
}

/** Where such a process runs: a directory that is always there, and holds no settings of a runtime. */
const DIRECTORY = "/";

/** Loading, starting and taking it back again, each with its own deadline over there. */
const START_MS = 2 * LIMITS.pluginStartMs + LIMITS.pluginStopMs;

/** Notes of a process in a second: several times what all plugins of a gateway may say. */
const NOTES_PER_SECOND_MAX = 20_000;

/** One process of plugins, from the first start of a plugin in it to its end. */
export class Host {
  held: readonly Held[] = [];
  readonly #ports: HostPorts;
  readonly #options: HostOptions;
  readonly #link: Link;
  readonly #guests = new Map<number, Guest>();
  #ready: Promise<PluginProcess> | undefined;
  readonly #vigil: Vigil;
  #stopWaiting: Stop | undefined;
  #process: PluginProcess | undefined;
  readonly #turns: Turns;
  #coming = 0;
  #lastKey = 0;
  readonly #confined = Promise.withResolvers<void>();
  #isConfined = false;
  #waitingBytes = 0;
  #notes = 0;
  #why: string | undefined;
  #loss: Loss | undefined;
  #isEnding = false;

  constructor(ports: HostPorts, options: HostOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#turns = new Turns(ports.clock);
    this.#link = new Link({
      write: (line) => this.#write(line),
      serve: (call) => this.#serve(call),
      heard: (to, verb, args) => this.#heard(to, verb, args),
    });
    this.#vigil = new Vigil({
      timers: ports.timers,
      ping: () => this.#ping(),
      kill: (why) => this.#kill(why),
    });
    this.#confined.promise.catch(() => {
      // Told by whoever wants to start something.
    });
  }

  get pid(): number | undefined {
    return this.#process?.program.pid;
  }

  get rssBytes(): number | undefined {
    return this.#vigil.rssBytes;
  }

  /** Takes no plugin any more. */
  get isOver(): boolean {
    return this.#isEnding || this.#loss !== undefined;
  }

  get isIdle(): boolean {
    return this.#guests.size === 0 && this.#coming === 0;
  }

  /** Plugins that are in it now. */
  get ids(): string[] {
    return [...new Set([...this.#guests.values()].map(({ id }) => id))];
  }

  /** @throws Error what the plugin throws, or how its process ended; nothing of it is left then */
  async start(start: PluginStart, gate: PluginGate): Promise<RunningPlugin> {
    this.#coming++;
    try {
      return await this.#turns.take(start.id, (sinceMs) => this.#startNow(start, gate, sinceMs));
    } finally {
      this.#coming--;
      this.#endIfIdle();
    }
  }

  /** Ends it with all that is in it. */
  async end(): Promise<void> {
    this.#isEnding = true;
    const process = await this.#ready?.catch(() => undefined);
    process?.program.closeInput();
    await process?.program.stop(LIMITS.hostMemoryLookMs);
  }

  async #startNow(start: PluginStart, gate: PluginGate, sinceMs: number): Promise<RunningPlugin> {
    if (this.isOver) throw new ProcessLost("its process ended before it was started", true);
    const { id, directory } = start;
    const guest: Guest = { key: ++this.#lastKey, id, directory, gate, turns: new Map(), hasFailed: false };
    try {
      await (this.#ready ??= this.#open());
      await this.#confined.promise;
      this.#guests.set(guest.key, guest);
      const said = await within(
        this.#ports.timers,
        this.#link.call(guest.key, "start", { args: { start } }),
        {
          ms: START_MS,
          late: `it has not started within ${seconds(START_MS)}`,
          tooLate: () => this.#kill(`did not start within ${seconds(START_MS)}`),
        },
      );
      return this.#there(guest, said);
    } catch (error) {
      this.#guests.delete(guest.key);
      if (this.#loss) throw lossOf(start.id, this.#loss);
      if (this.#ports.clock.elapsed() - sinceMs >= LIMITS.pluginStartMs) this.#options.onLate(start.id);
      throw error;
    }
  }

  #there(guest: Guest, said: unknown): RunningPlugin {
    const link = this.#link;
    try {
      const left = (): void => {
        this.#guests.delete(guest.key);
        this.#endIfIdle();
      };
      const offers = offersOf(guest.id, said);
      return createThere({ guest, link, clock: this.#ports.clock, offers, left });
    } catch (error) {
      void link.call(guest.key, "stop").catch(() => {
        // What ends it is told below.
      });
      throw error;
    }
  }

  async #open(): Promise<PluginProcess> {
    const { process, timers, log, clock } = this.#ports;
    const { confinement, env } = this.#options;
    const opened = await process
      .startPluginProcess({ directory: DIRECTORY, env, confinement })
      .catch((error: unknown) => {
        this.#isEnding = true;
        throw error;
      });
    this.#process = opened;
    const { program } = opened;
    void this.#read(opened);
    const noise = new Noise({ clock, timers, log, plugins: () => this.#names() });
    noise.read(program).catch((error: unknown) => {
      log.warn("output of plugins not read", { plugin: this.#names(), error: messageOf(error) });
    });
    void program.ended.then((ended) => this.#over(ended));
    this.#stopWaiting = timers.after(LIMITS.pluginStartMs, () => {
      if (!this.#isConfined) this.#kill(`was not there within ${seconds(LIMITS.pluginStartMs)}`);
    });
    this.#vigil.looksAt(opened);
    return opened;
  }

  async #read({ program }: PluginProcess): Promise<void> {
    const reader = new LineReader(LIMITS.hostMessageBytesMax);
    try {
      for await (const chunk of program.channel)
        for (const line of reader.push(chunk)) {
          this.#vigil.heard();
          this.#link.receive(line);
        }
    } catch (error) {
      this.#kill(`wrote what is no message: ${messageOf(error)}`);
    }
  }

  #write(line: string): void {
    const program = this.#process?.program;
    if (!program) throw new RpcError("unavailable", "Cannot reach plugins: their process has not started");
    if (this.#waitingBytes + line.length > LIMITS.hostWaitingBytesMax)
      throw new RpcError("busy", "Cannot reach plugins: their process does not take what was said before", {
        retryAfterMs: LIMITS.hostPingMs,
      });
    this.#waitingBytes += line.length;
    const taken = (): void => void (this.#waitingBytes -= line.length);
    // One that reads no more has ended, or will be.
    program.write(line).then(taken, taken);
  }

  async #serve(call: Served): Promise<unknown> {
    const guest = this.#guests.get(call.to);
    if (!guest) throw new RpcError("unavailable", `Cannot answer "${call.verb}": the plugin has stopped`);
    return answerGuest(guest, call);
  }

  #heard(to: number, verb: string, args: Served["args"]): void {
    if (++this.#notes > NOTES_PER_SECOND_MAX) throw new Error("it says more than can be heard");
    if (to === 0) return this.#heardItself(verb, args);
    const guest = this.#guests.get(to);
    if (guest) hearGuest(guest, verb, args);
  }

  #heardItself(verb: string, { held, error }: Served["args"]): void {
    if (verb === "confined") {
      this.held = heldOf(held);
      this.#isConfined = true;
      this.#vigil.pings();
      this.#confined.resolve();
    }
    if (verb === "pong") this.#turns.answered();
    if (verb !== "uncaught") return;
    const fault = errorOf(error);
    this.#ports.log.error("plugin failed", { plugin: this.#names(), error: fault.message });
    const [only, ...others] = this.#guests.values();
    if (only && others.every(({ id }) => id === only.id)) only.gate.failed(placed(fault, only.directory));
  }

  #ping(): void {
    this.#notes = 0;
    this.#link.note(0, "ping");
  }

  #kill(why: string): void {
    if (this.isOver) return;
    this.#why ??= why;
    void this.#process?.program.stop(0);
  }

  #over(ended: string): void {
    this.#stopWaiting?.();
    this.#vigil.stop();
    const guests = [...this.#guests.values()];
    const loss = { why: this.#why ?? `ended with ${ended}`, ids: this.ids, culprit: this.#culprit() };
    const isLost = !this.#isEnding;
    this.#loss = loss;
    const gone = new RpcError("unavailable", "Cannot call plugin: its process has ended", {
      retryAfterMs: LIMITS.restartPauseMsMin,
    });
    this.#confined.reject(gone);
    this.#link.end(gone);
    this.#guests.clear();
    if (!isLost) return;
    this.#options.onLost(loss);
    for (const { id, gate } of guests) gate.failed(lossOf(id, loss));
  }

  /** Whose turn to start it is; else the only one; else the only one that has been asked and not answered. */
  #culprit(): string | undefined {
    const { ids } = this;
    const { current, ids: slow } = this.#turns;
    if (current !== undefined) return current;
    if (ids.length < 2) return ids[0];
    // One that has been starting for long has been asked to all the while: that says nothing.
    if (slow.length > 0) return undefined;
    const asked = new Set([...this.#link.awaited()].map((key) => this.#guests.get(key)?.id));
    const [only] = asked;
    return asked.size === 1 ? only : undefined;
  }

  #names(): string {
    return this.#turns.current ?? this.ids.join(", ");
  }

  #endIfIdle(): void {
    if (this.isIdle && !this.isOver) void this.end();
  }
}
