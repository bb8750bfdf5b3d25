import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Caller, PublishOptions } from "../../feature.ts";
import { contracts } from "../../features/contracts.ts";
import type { Values } from "../../features/plugins/values.ts";
import type { Clock, Log, Timers } from "../../ports.ts";
import type { Dispatcher } from "../../rpc/dispatch.ts";
import type { Hub } from "../../rpc/hub.ts";
import { isObject } from "../../rpc/json.ts";
import type { Table } from "../../rpc/table.ts";
import type { PluginStore } from "../api.ts";
import { Flood } from "./flood.ts";
import { GateLog } from "./gate-log.ts";
import { GateStates } from "./gate-states.ts";
import { refusalOf, scopesFor } from "./reach.ts";
import type { PluginGate, PluginStart } from "../running.ts";
import { seconds } from "../run/time.ts";

export interface GatePorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly table: Table;
  readonly hub: Pick<Hub, "broadcast">;
  readonly dispatcher: Pick<Dispatcher, "dispatch">;
  readonly values: { of(id: string): Values };
  /** Key of the session a run belongs to, running or ended; undefined where there is no such run. */
  readonly sessionOfRun: (runId: string) => string | undefined;
  /** Ids of the channels that a plugin has in force. */
  readonly channelsOf: (id: string) => readonly string[];
  readonly receive: PluginGate["receive"];
}

/** Who hears of a version what nobody asked for. */
export interface GateTold {
  /** An error nobody else will tell, or a flood: it is to be stopped. Told once. */
  failed(error: unknown): void;
  denied(capability: string, what: string): void;
  readonly state: PluginGate["state"];
}

/** What stands between one version of a plugin and the gateway. */
export interface OpenGate extends PluginGate {
  /** The version has stopped: what it waits for ends, and whatever is left of it reaches nothing any more. */
  close(): void;
}

/**
 * Gates for whoever runs plugins, in this process or in a host.
 *
 * @throws Error for the id of a part of the gateway, whose events and methods would count as the plugin's
 */
export type OpenGates = (start: Pick<PluginStart, "id" | "grants">, told: GateTold) => OpenGate;

export function createGates(ports: GatePorts): OpenGates {
  return (start, told) => {
    if (PARTS.has(start.id)) throw new Error(`its id "${start.id}" is that of a part of the gateway`);
    return new Gate(ports, start, told);
  };
}

const PARTS: ReadonlySet<string> = new Set(contracts.map(({ name }) => name));

const FLOOD = { floodMs: LIMITS.pluginFloodMs };

/** Payload of one event, encoded: so much goes to each client that hears it. */
const EVENT_CHARS_MAX = 256 * 1024;

const STATES: ReadonlySet<string> = new Set(["connecting", "connected", "running", "ended", "failed"]);

/** Keys that the dialects put beside a payload: with one of them it would be another event. */
const TAKEN_KEYS = ["event", "seq"];

class Gate implements OpenGate {
  readonly store: PluginStore;
  readonly #ports: GatePorts;
  readonly #start: Pick<PluginStart, "id" | "grants">;
  readonly #told: GateTold;
  readonly #log: GateLog;
  readonly #states: GateStates;
  readonly #events: Flood;
  readonly #connectedMs: number;
  readonly #goneWorks = new Set<() => void>();
  #calls = 0;
  #isClosed = false;
  #hasFailed = false;

  constructor(ports: GatePorts, start: Pick<PluginStart, "id" | "grants">, told: GateTold) {
    const { clock, values } = ports;
    const { id } = start;
    this.#ports = ports;
    this.#start = start;
    this.#told = told;
    this.#connectedMs = clock.elapsed();
    this.#events = new Flood({ ...FLOOD, perSecondMax: LIMITS.pluginEventsPerSecondMax }, this.#connectedMs);
    this.#log = new GateLog(ports, id, (error) => this.failed(error));
    this.#states = new GateStates(ports, (part, now) => told.state(part, now));
    this.store = this.#storeOf(values.of(id));
  }

  publish(event: string, payload: object, options: PublishOptions = {}): void {
    const { table, hub, clock } = this.#ports;
    const { id } = this.#start;
    const what = `Cannot publish "${String(event).slice(0, 100)}"`;
    if (this.#isClosed) throw new RpcError("unavailable", `${what}: plugin "${id}" has stopped`);
    const nowMs = clock.elapsed();
    if (!this.#events.take(nowMs)) {
      const bound = LIMITS.pluginEventsPerSecondMax;
      if (!this.#hasFailed && this.#events.isFlood(nowMs))
        this.failed(
          new Error(`it published more than ${bound} events a second for ${seconds(LIMITS.pluginFloodMs)}`),
        );
      throw new RpcError("busy", `${what}: more than ${bound} events a second`, { retryAfterMs: 1_000 });
    }
    if (table.event(event)?.feature !== id)
      throw new RpcError("invalid_params", `${what}: no event that plugin "${id}" has in force`);
    hub.broadcast(event, plainPayload(what, payload), options);
  }

  log(...[level, message, fields]: Parameters<PluginGate["log"]>): void {
    this.#log.write(level, message, fields);
  }

  async request(method: string, params: Readonly<Record<string, unknown>>): Promise<unknown> {
    const { dispatcher, table, sessionOfRun } = this.#ports;
    const { id, grants } = this.#start;
    const what = `Cannot call "${String(method).slice(0, 100)}"`;
    if (this.#isClosed) throw new RpcError("unavailable", `${what}: plugin "${id}" has stopped`);
    // By position they could name what is not looked at below.
    if (!isObject(params)) throw new RpcError("invalid_params", `${what}: params are no object`);
    // A copy: what is judged is what is called.
    const given = { ...params };
    const isOwn = table.method(method)?.feature === id;
    const refusal = refusalOf({ id, grants, method, isOwn, params: given, sessionOfRun });
    if (refusal) {
      this.denied("sessions", method);
      throw refusal;
    }
    if (this.#calls >= LIMITS.pluginCallsMax)
      throw new RpcError("busy", `${what}: ${this.#calls} calls of plugin "${id}" go on`);
    this.#calls++;
    try {
      const reply = await dispatcher.dispatch(method, given, this.#caller(method));
      if (reply.ok) return reply.result;
      const { code, message, data } = reply.error;
      const { details, ref, retryAfterMs } = data;
      throw new RpcError(code, message, {
        ...(details && { details }),
        ...(ref !== undefined && { ref }),
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      });
    } finally {
      this.#calls--;
    }
  }

  async receive(...message: Parameters<PluginGate["receive"]>): ReturnType<PluginGate["receive"]> {
    const { id } = this.#start;
    if (this.#isClosed)
      throw new RpcError("unavailable", `Cannot take a message: plugin "${id}" has stopped`);
    const [channel] = message;
    // Over another one's channel it would speak as whoever it likes.
    if (!this.#hasChannel(channel))
      throw new RpcError(
        "forbidden",
        `Cannot take a message of channel "${String(channel).slice(0, 100)}": not in force for plugin "${id}"`,
      );
    return this.#ports.receive(...message);
  }

  state(...[part, now]: Parameters<PluginGate["state"]>): void {
    // A plugin without types may say anything, and every client would be shown it.
    if (this.#isClosed || !STATES.has(now.state)) return;
    if (part.kind === "account" && !this.#hasChannel(part.channel)) return;
    this.#states.tell(part, now);
  }

  denied(capability: string, what: string): void {
    const cut = String(what).slice(0, LIMITS.logFieldCharsMax);
    this.#log.write("warn", "plugin has no grant", { capability, what: cut });
    // Counted whether or not it is logged: a plugin that logs much hides nothing by it.
    this.#told.denied(capability, cut);
  }

  failed(error: unknown): void {
    if (this.#hasFailed || this.#isClosed) {
      this.#log.write("error", "error outside any call", { error: messageOf(error) });
      return;
    }
    this.#hasFailed = true;
    this.#told.failed(error);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#states.close();
    this.#log.close();
    for (const work of [...this.#goneWorks]) work();
    this.#goneWorks.clear();
  }

  #hasChannel(channel: unknown): boolean {
    return this.#ports.channelsOf(this.#start.id).some((one) => one === channel);
  }

  #caller(method: string): Caller {
    const { id } = this.#start;
    const subject = `plugin:${id}`;
    return {
      connId: subject,
      subject,
      name: `plugin ${id}`,
      scopes: scopesFor(method),
      connectedMs: this.#connectedMs,
      origin: "plugin",
      onGone: (work) => {
        if (this.#isClosed) {
          work();
          return () => {};
        }
        // A function of its own for each: the same work may wait twice.
        const gone = (): void => work();
        this.#goneWorks.add(gone);
        return () => void this.#goneWorks.delete(gone);
      },
    };
  }

  /** The space of the plugin, as long as this version of it may reach it. */
  #storeOf(values: Values): PluginStore {
    const { id } = this.#start;
    const open = async (): Promise<Values> => {
      if (!this.#isClosed) return values;
      throw new RpcError("unavailable", `Cannot reach the store: plugin "${id}" has stopped`);
    };
    return {
      get: async (key) => (await open()).get(key),
      set: async (key, value) => (await open()).set(key, value),
      setMany: async (many) => (await open()).setMany(many),
      delete: async (key) => (await open()).delete(key),
      list: async (options) => (await open()).list(options),
    };
  }
}

/** The payload as JSON has it, read once: a second look at the plugin's own object could find another. */
function plainPayload(what: string, payload: unknown): object {
  let json: string | undefined;
  try {
    json = JSON.stringify(payload);
  } catch (error) {
    throw new RpcError("invalid_params", `${what}: its payload is no JSON: ${messageOf(error)}`);
  }
  if (json !== undefined && json.length > EVENT_CHARS_MAX)
    throw new RpcError("too_large", `${what}: its payload is longer than ${EVENT_CHARS_MAX} characters`, {
      details: { bound: EVENT_CHARS_MAX },
    });
  const plain: unknown = json === undefined ? undefined : JSON.parse(json);
  if (!isObject(plain)) throw new RpcError("invalid_params", `${what}: its payload is no object`);
  const taken = TAKEN_KEYS.find((key) => Object.hasOwn(plain, key));
  if (taken !== undefined)
    throw new RpcError("invalid_params", `${what}: its payload has the reserved key "${taken}"`);
  return plain;
}
