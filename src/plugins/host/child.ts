import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Held, Platform, PluginProcessEnd } from "../../ports.ts";
import { createCapable } from "../gate/capable.ts";
import { createInProcess } from "../run/in-process.ts";
import type { PluginStart, StartPlugin } from "../running.ts";
import type { Asked } from "./asked.ts";
import { faultOf } from "./faults.ts";
import { LineReader } from "./lines.ts";
import { Link, type Served } from "./link.ts";
import { createRemoteGate } from "./remote-gate.ts";
import { Version } from "./version.ts";

/** What versions leave behind is given back so long after one has come or gone: once for many. */
const TIDY_MS = 1_000;

/** This process is one of plugins, and held to that, until its gateway is gone. */
export async function servePlugins(
  platform: Platform,
  end: PluginProcessEnd,
  held: readonly Held[],
): Promise<void> {
  const child = new Child(platform, end);
  child.pump().catch(() => {
    // The gateway is gone, which the end of the input tells.
  });
  child.confined(held);
  platform.process.onUncaught((error) => child.uncaught(error));
  const reader = new LineReader(LIMITS.hostMessageBytesMax);
  for await (const chunk of end.input) for (const line of reader.push(chunk)) child.receive(line);
}

class Child {
  readonly #platform: Platform;
  readonly #end: PluginProcessEnd;
  readonly #start: StartPlugin;
  readonly #link: Link;
  readonly #versions = new Map<number, Version>();
  readonly #waiting: string[] = [];
  #waitingBytes = 0;
  #wake = (): void => {};
  #isTidying = false;

  constructor(platform: Platform, end: PluginProcessEnd) {
    this.#platform = platform;
    this.#end = end;
    const { plugins: loader, clock, timers, crypto } = platform;
    this.#start = createInProcess({
      loader,
      clock,
      timers,
      newKey: () => crypto.id(),
      capable: (start, gate, signal) => createCapable(platform, { start, gate, signal }),
    });
    this.#link = new Link({
      write: (line) => this.#write(line),
      serve: (call) => this.#serve(call),
      heard: (to, verb) => this.#heard(to, verb),
    });
  }

  receive(line: string): void {
    this.#link.receive(line);
  }

  confined(held: readonly Held[]): void {
    this.#link.note(0, "confined", { held });
  }

  /** Of nobody that is known: the gateway decides whose it may be. */
  uncaught(error: unknown): void {
    this.#link.note(0, "uncaught", { error: faultOf(error) });
  }

  #heard(to: number, verb: string): void {
    if (verb === "ping") this.#link.note(0, "pong");
    else if (verb === "begin") this.#versions.get(to)?.begin();
    else if (verb === "end") this.#versions.get(to)?.end();
  }

  async #serve(call: Served): Promise<unknown> {
    const { to, verb, args } = call;
    // Before any code of a plugin runs, or the timer would be taken for the plugin's.
    if (verb === "start" || verb === "stop") this.#tidySoon();
    // Our own gateway writes this, from the same type.
    if (verb === "start") return this.#begin(to, (args as unknown as Asked["start"]).start);
    const version = this.#versions.get(to);
    if (!version) throw new RpcError("unavailable", `Cannot answer "${verb}": the plugin has stopped`);
    if (verb !== "stop") return version.serve(call);
    this.#versions.delete(to);
    return version.stop();
  }

  async #begin(key: number, start: PluginStart): Promise<unknown> {
    const ports = { link: this.#link, key, clock: this.#platform.clock };
    const running = await this.#start(start, createRemoteGate(ports));
    try {
      const { offers } = running;
      this.#versions.set(key, new Version(ports, running));
      return { ...offers, methods: offers.methods, events: offers.events };
    } catch (error) {
      // What it offers cannot be said: its schemas are no JSON Schema.
      this.#versions.delete(key);
      await running.stop();
      throw error;
    }
  }

  /** Left alone, the runtime would keep the code of hundreds of versions. */
  #tidySoon(): void {
    const { timers, process } = this.#platform;
    if (this.#isTidying) return;
    this.#isTidying = true;
    timers.after(TIDY_MS, () => {
      this.#isTidying = false;
      process.collectGarbage();
    });
  }

  #write(line: string): void {
    if (this.#waitingBytes > LIMITS.hostWaitingBytesMax)
      throw new RpcError("busy", "Cannot reach the gateway: it does not take what was said before", {
        retryAfterMs: LIMITS.hostPingMs,
      });
    this.#waitingBytes += line.length;
    this.#waiting.push(line);
    this.#wake();
  }

  /**
   * Ours alone, begun before any plugin: a write that a plugin's own call begins would be taken for something
   * that the plugin has opened, and never end when that is unloaded.
   */
  async pump(): Promise<void> {
    for (;;) {
      if (this.#waiting.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
      const text = this.#waiting.splice(0).join("");
      await this.#end.write(text);
      this.#waitingBytes -= text.length;
    }
  }
}
