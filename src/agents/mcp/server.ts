import type { Clock, Log, Stop, Timers } from "../../ports.ts";
import type { ToolAnswer } from "../tools.ts";
import { MCP } from "./bounds.ts";
import { callTool, type ServerCall } from "./call.ts";
import { type Connection, type ConnectionPorts, openConnection } from "./connection.ts";
import type { Definition } from "./definition.ts";
import { type ListedTool, readListing } from "./listing.ts";
import { createNews, type News } from "./news.ts";
import { stateOf } from "./words.ts";

export interface ServerPorts extends ConnectionPorts {
  readonly timers: Timers;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a server of tools is doing. `waiting` is for its next start after one that failed, or after a crash. */
export type McpState = "idle" | "starting" | "ready" | "waiting" | "stopped";

export interface McpStatus {
  readonly name: string;
  readonly state: McpState;
  /** Of those it lists, the ones that can be used. */
  readonly tools: number;
  readonly sessions: number;
  readonly pid?: number;
  /** Why it is not ready, where that is not as it should be. */
  readonly problem?: string;
}

/** One server, shared by the sessions that use it: started on demand, restarted, reaped when idle. */
export class McpServer {
  readonly definition: Definition;
  /** Sessions that have used it since it was started. */
  readonly sessions = new Set<string>();
  readonly #ports: ServerPorts;
  readonly #news: News;
  #state: McpState = "idle";
  #tools: readonly ListedTool[] | undefined;
  #connection: Connection | undefined;
  #problem: string | undefined;
  #failures = 0;
  #leftOut = 0;
  #changes = 0;
  #isListing = false;
  #readyAtMs = 0;
  #waitsUntilMs = 0;
  #calls = 0;
  #listed: { readonly byMs: number; readonly done: Promise<void> } | undefined;
  #starting: { readonly done: Promise<void>; readonly abort: AbortController } | undefined;
  #closing: Promise<void> = Promise.resolve();
  #idle: (() => void) | undefined;
  #stopIdleTimer: Stop | undefined;
  #stopAgainTimer: Stop | undefined;

  constructor(definition: Definition, ports: ServerPorts) {
    this.definition = definition;
    this.#ports = ports;
    this.#news = createNews(definition, ports);
  }

  /** What it lists: nothing until it has been started once. */
  get tools(): readonly ListedTool[] {
    return this.#tools ?? [];
  }

  status(): McpStatus {
    const pid = this.#connection?.pid;
    return {
      name: this.definition.name,
      state: this.#state,
      tools: this.tools.length,
      sessions: this.sessions.size,
      ...(pid !== undefined && { pid }),
      ...(this.#problem !== undefined && this.#state !== "ready" && { problem: this.#problem }),
    };
  }

  /** A session is about to use it. Resolves when its tools are listed, or were waited for long enough. */
  async use(sessionKey: string): Promise<void> {
    if (this.#state === "stopped") return;
    this.sessions.add(sessionKey);
    this.#touch();
    if (this.#state === "idle") {
      this.#begin();
      const done = this.#starting?.done ?? Promise.resolve();
      this.#listed = { byMs: this.#ports.clock.elapsed() + MCP.firstListMs, done };
    }
    if (this.#state !== "starting" || this.#listed === undefined) return;
    // Only the first start is waited for, and by all runs together no longer than this.
    await this.#before(this.#listed.done, this.#listed.byMs - this.#ports.clock.elapsed());
  }

  /** Never rejects. */
  async call(call: ServerCall): Promise<ToolAnswer> {
    this.#calls += 1;
    this.#touch();
    try {
      if (this.#state === "idle") this.#begin();
      return await callTool(call, {
        ...this.#ports,
        server: this.definition.name,
        hide: this.#news.hide,
        ready: this.#state === "starting" ? this.#starting?.done : undefined,
        connection: () => this.#connection,
        problem: () => this.#missing(),
      });
    } finally {
      this.#calls -= 1;
      this.#touch();
      if (this.#calls === 0) this.#idle?.();
    }
  }

  /** A session lets go of it. Resolves when it has ended, if that was the last one. */
  async release(sessionKey: string): Promise<void> {
    if (this.sessions.delete(sessionKey) && this.sessions.size === 0) await this.#rest();
  }

  /** For good; open calls may end within the grace. Never rejects. */
  async stop(problem: string, graceMs: number): Promise<void> {
    if (this.#state === "stopped") return this.#closing;
    // Nothing new, and no start after this one.
    this.#stopAgainTimer?.();
    if (this.#calls > 0 && graceMs > 0 && this.#state === "ready") {
      await this.#before(new Promise<void>((resolve) => (this.#idle = resolve)), graceMs);
    }
    this.#problem = problem;
    this.#state = "stopped";
    this.#stopIdleTimer?.();
    await this.#drop();
  }

  #missing(): string {
    const waitMs = this.#waitsUntilMs - this.#ports.clock.elapsed();
    const again = `; it is started again in ${Math.max(1, Math.ceil(waitMs / 1_000))} s`;
    return `${this.#problem ?? "it is not there"}${this.#state === "waiting" ? again : ""}`;
  }

  #begin(): void {
    const abort = new AbortController();
    this.#state = "starting";
    this.#stopAgainTimer?.();
    const seconds = MCP.startMs / 1_000;
    const stop = this.#ports.timers.after(MCP.startMs, () =>
      abort.abort(`it did not answer in ${seconds} s`),
    );
    const done = this.#closing.then(() => this.#start(abort.signal)).finally(stop);
    this.#starting = { done, abort };
  }

  async #start(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    let connection: Connection | undefined;
    try {
      let ended: string | undefined;
      connection = await openConnection(this.definition, this.#ports, {
        news: this.#news,
        signal,
        onChange: () => this.#onChange(),
        onEnd: (problem) => {
          ended = problem;
          if (connection !== undefined && connection === this.#connection) this.#onEnd(problem);
        },
      });
      const tools = await connection.list(signal);
      if (ended !== undefined) throw new Error(ended);
      if (signal.aborted) throw new Error(String(signal.reason));
      this.#ready(connection, tools);
    } catch (error) {
      const problem = connection?.problem() ?? (signal.aborted ? String(signal.reason) : stateOf(error));
      await connection?.close();
      // Not when it was stopped meanwhile, and perhaps started anew.
      if (this.#starting?.abort.signal === signal) this.#failed(this.#news.hide(problem));
    }
  }

  #ready(connection: Connection, tools: readonly unknown[]): void {
    this.#connection = connection;
    this.#state = "ready";
    this.#problem = undefined;
    this.#readyAtMs = this.#ports.clock.elapsed();
    this.#take(tools);
  }

  #take(listed: readonly unknown[]): void {
    const { log } = this.#ports;
    const { tools, left } = readListing(listed);
    const server = this.definition.name;
    this.#tools = tools;
    log.debug("tools server is ready", { server, tools: tools.length });
    if (left.length !== this.#leftOut && left.length > 0) {
      log.warn("tools left out", { server, count: left.length, first: this.#news.hide(left[0] ?? "") });
    }
    this.#leftOut = left.length;
  }

  /** Some tell it once for each tool: one list serves all that is told in a moment. */
  #onChange(): void {
    this.#changes += 1;
    if (this.#isListing) return;
    this.#isListing = true;
    this.#ports.timers.after(MCP.listAgainMs, () => void this.#listAgain());
  }

  async #listAgain(): Promise<void> {
    const connection = this.#connection;
    const changes = this.#changes;
    const abort = new AbortController();
    const stop = this.#ports.timers.after(MCP.startMs, () => abort.abort("it took too long"));
    try {
      const tools = await connection?.list(abort.signal);
      if (tools !== undefined && connection === this.#connection) this.#take(tools);
    } catch (error) {
      this.#news.say("protocol", stateOf(error));
    } finally {
      stop();
      this.#isListing = false;
      if (changes !== this.#changes) this.#onChange();
    }
  }

  /** It ended by itself while it was ready. */
  #onEnd(problem: string): void {
    if (this.#ports.clock.elapsed() - this.#readyAtMs >= MCP.stableMs) this.#failures = 0;
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection !== undefined) this.#closing = connection.close();
    this.#failed(this.#news.hide(problem));
  }

  /** The first of several failures is told; the others are like it. */
  #failed(problem: string): void {
    const { log, timers, clock } = this.#ports;
    const server = this.definition.name;
    this.#problem = problem;
    this.#failures += 1;
    const [firstMs, mostMs] =
      this.#tools === undefined
        ? [MCP.startAgainMs, MCP.startAgainMsMax]
        : [MCP.crashAgainMs, MCP.crashAgainMsMax];
    const waitMs = Math.min(firstMs * 2 ** Math.min(this.#failures - 1, 30), mostMs);
    const message = this.#tools === undefined ? "tools server cannot be started" : "tools server is gone";
    const fields = { server, reason: problem, againInMs: waitMs };
    if (this.#failures === 1) log.warn(message, fields);
    else log.debug(message, fields);
    this.#state = "waiting";
    this.#waitsUntilMs = clock.elapsed() + waitMs;
    this.#stopAgainTimer = timers.after(waitMs, () => this.#begin());
  }

  #touch(): void {
    this.#stopIdleTimer?.();
    if (this.#state === "stopped" || this.#calls > 0) return;
    this.#stopIdleTimer = this.#ports.timers.after(MCP.idleMs, () => void this.#rest());
  }

  /** Until somebody needs it again. */
  async #rest(): Promise<void> {
    if (this.#state === "stopped" || this.#calls > 0) return;
    this.#stopIdleTimer?.();
    this.sessions.clear();
    this.#failures = 0;
    this.#state = "idle";
    await this.#drop();
  }

  async #drop(): Promise<void> {
    this.#stopAgainTimer?.();
    const connection = this.#connection;
    const starting = this.#starting;
    this.#connection = undefined;
    this.#starting = undefined;
    this.#listed = undefined;
    starting?.abort.abort("it was stopped");
    // A new start waits for this, so that there are never two of it.
    this.#closing = Promise.all([this.#closing, connection?.close(), starting?.done]).then(() => {});
    await this.#closing;
  }

  #before(done: Promise<void>, ms: number): Promise<void> {
    if (ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const stop = this.#ports.timers.after(ms, resolve);
      void done.finally(() => {
        stop();
        resolve();
      });
    });
  }
}
