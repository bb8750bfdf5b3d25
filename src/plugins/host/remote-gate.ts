import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Received } from "../../features/channels/channel.ts";
import { jsonOf } from "../../features/plugins/json-value.ts";
import type { Clock } from "../../ports.ts";
import type { PluginStore } from "../api.ts";
import { cleanFields, levelOf, textOf } from "../gate/gate-log.ts";
import type { PluginGate } from "../running.ts";
import { LISTED_MAX } from "./asked.ts";
import { faultOf } from "./faults.ts";
import type { Link } from "./link.ts";

const SECOND_MS = 1_000;

/** How much of a flood is handed on: enough for the gateway to see that it is one. */
const FLOOD = 2;

/** An answer of the gateway. */
type Ask = (verb: string, args: Readonly<Record<string, unknown>>) => Promise<unknown>;

interface RemotePorts {
  readonly link: Link;
  /** Names the version of the plugin between the two processes. */
  readonly key: number;
  readonly clock: Clock;
}

/** The gateway, as a plugin in another process reaches it. What it may is judged over there. */
export function createRemoteGate({ link, key, clock }: RemotePorts): PluginGate {
  const events = new Allowance(clock, LIMITS.pluginEventsPerSecondMax);
  const lines = new Allowance(clock, LIMITS.pluginLogLinesPerSecondMax);
  let hasFailed = false;
  const asked = { open: 0 };
  const ask: Ask = async (verb, args) => {
    // Told here at once: refusing them over there would cost the gateway as much as answering.
    if (asked.open >= LIMITS.pluginCallsMax)
      throw new RpcError("busy", `Cannot ask for "${verb}": ${asked.open} calls to the gateway go on`);
    asked.open++;
    try {
      return await link.call(key, verb, { args });
    } finally {
      asked.open--;
    }
  };
  const tell = (verb: string, args: Readonly<Record<string, unknown>>): void => {
    if (lines.take() === "flood") return;
    try {
      link.note(key, verb, args);
    } catch (error) {
      // Nobody waits for these, and a gateway that takes no more has other worries.
      if (!(error instanceof RpcError)) throw error;
    }
  };
  return {
    publish(event, payload, options) {
      const taken = events.take();
      if (taken !== "flood") link.note(key, "publish", { event, payload, ...(options && { options }) });
      if (taken === "within") return;
      const bound = LIMITS.pluginEventsPerSecondMax;
      throw new RpcError("busy", `Cannot publish "${event}": over ${bound} events in a second`, {
        retryAfterMs: SECOND_MS,
      });
    },
    // In words: an error, or an object that leads back to itself, would not cross.
    log: (level, message, fields) =>
      tell("log", { level: levelOf(level), message: textOf(message), fields: cleanFields(fields) }),
    store: createRemoteStore(ask),
    request: (method, params) => ask("request", { method, params }),
    receive: async (channel, accountId, message) =>
      // The gateway's own word.
      (await ask("receive", { channel, accountId, message })) as Received,
    state: (part, now) => tell("state", { part, now }),
    denied: (capability, what) => tell("denied", { capability, what }),
    failed(error) {
      // The first one has it stopped.
      if (hasFailed) return;
      hasFailed = true;
      try {
        link.note(key, "failed", { error: faultOf(error) });
      } catch (failure) {
        tell("log", {
          level: "error",
          message: "failed, and could not say so",
          fields: { error: messageOf(failure) },
        });
      }
    },
  };
}

function createRemoteStore(ask: Ask): PluginStore {
  return {
    get: (name) => ask("store.get", { key: name }),
    async set(name, value) {
      await ask("store.setMany", { values: [pairOf(name, value)] });
    },
    async setMany(values) {
      await ask("store.setMany", {
        values: Object.entries(values).map(([name, value]) => pairOf(name, value)),
      });
    },
    async delete(name) {
      await ask("store.delete", { key: name });
    },
    list: (options) => listAll(ask, options),
  };
}

type Listed = Awaited<ReturnType<PluginStore["list"]>>[number];

/** In parts that each fit a message, and hold up nobody else for long. */
async function listAll(ask: Ask, options: Parameters<PluginStore["list"]>[0] = {}): Promise<Listed[]> {
  const { limit = LIMITS.pluginStoreKeysMax } = options;
  if (!Number.isInteger(limit) || limit < 1)
    throw new RpcError("invalid_params", `Cannot list keys: limit "${String(limit)}" is no positive integer`);
  const most = Math.min(limit, LIMITS.pluginStoreKeysMax);
  const all: Listed[] = [];
  for (let { after } = options; ; after = all.at(-1)?.key) {
    const wanted = Math.min(most - all.length, LISTED_MAX);
    // The gateway's own answer, as its store gives it.
    const part = (await ask("store.list", { ...options, after, limit: wanted })) as Listed[];
    all.push(...part);
    if (part.length < wanted || all.length >= most) return all;
  }
}

/** Between processes there is no `undefined`, and what JSON would lose is refused while it is still there. */
function pairOf(name: string, value: unknown): readonly unknown[] {
  return jsonOf(name, value) === undefined ? [name] : [name, value];
}

/** So many in a second. */
class Allowance {
  readonly #clock: Clock;
  readonly #max: number;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #taken = 0;

  constructor(clock: Clock, max: number) {
    this.#clock = clock;
    this.#max = max;
  }

  take(): "within" | "over" | "flood" {
    const nowMs = this.#clock.elapsed();
    if (nowMs - this.#sinceMs >= SECOND_MS) {
      this.#sinceMs = nowMs;
      this.#taken = 0;
    }
    this.#taken++;
    if (this.#taken <= this.#max) return "within";
    return this.#taken <= FLOOD * this.#max ? "over" : "flood";
  }
}
