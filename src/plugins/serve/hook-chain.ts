import { messageOf } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { AskedHook, HookAnswer, HookEvent, HookName, Hooks } from "../../hooks.ts";
import type { Log, Timers } from "../../ports.ts";
import { isObject } from "../../rpc/json.ts";
import { ownPrefix } from "../gate/reach.ts";
import type { RunningPlugin } from "../running.ts";
import { seconds, within } from "../run/time.ts";

/** As the gateway asks its plugins, and how long that goes on. */
export interface HookChain extends Hooks {
  /** Resolves when those that were told have heard, or have had their time. */
  told(): Promise<void>;
}

interface ChainPorts {
  /** The plugins in force, in the order in which they are asked. */
  readonly plugins: () => Iterable<readonly [string, RunningPlugin]>;
  /** May it hear of sessions that are not its own, and of what people write? */
  readonly hearsAll: (id: string) => boolean;
  readonly timers: Timers;
  readonly log: Log;
}

/** What may be answered. Nobody else has checked that: plugins need not be written with types. */
const ANSWERS: { readonly [K in AskedHook]: Readonly<Record<string, "text" | "object">> } = {
  run_start: { instructions: "text" },
  message_received: { text: "text", drop: "text" },
  message_sending: { text: "text", drop: "text" },
  before_tool_call: { args: "object", deny: "text" },
  after_tool_call: { text: "text" },
};

/** What is answered replaces a part of what the next plugin is told. */
const CARRIED: readonly string[] = ["text", "args"];

const LATE = { ms: LIMITS.hookMs, late: `no answer within ${seconds(LIMITS.hookMs)}` };

/** Answers after which nobody else is asked. */
const FINAL = ["drop", "deny"];

/** Asks and tells the plugins in force, each within its time. */
export function createHooks({ plugins, hearsAll, timers, log }: ChainPorts): HookChain {
  const telling = new Set<Promise<unknown>>();
  const listening = (name: HookName, event?: object): (readonly [string, RunningPlugin])[] =>
    [...plugins()].filter(
      ([id, { offers }]) => offers.hooks.includes(name) && (!event || hearsAll(id) || isFor(id, name, event)),
    );

  async function call([id, plugin]: readonly [string, RunningPlugin], name: HookName, event: object) {
    try {
      // A copy: what one plugin does to it is not what the next one hears.
      const answer = await within(timers, plugin.hook(name, { ...event }), LATE);
      return { answer: isAsked(name) ? answerOf(name, answer) : {} };
    } catch (error) {
      log.warn("hook failed", { plugin: id, hook: name, error: messageOf(error) });
      return { failure: messageOf(error) };
    }
  }

  async function ask<K extends AskedHook>(name: K, event: HookEvent<K>): Promise<HookAnswer<K>> {
    let told: Record<string, unknown> = { ...event };
    const all: Record<string, unknown> = {};
    for (const one of listening(name, event)) {
      const [id] = one;
      const { answer, failure } = await call(one, name, told);
      // Whoever may say no and cannot speak has said no.
      if (failure !== undefined && name === "before_tool_call")
        all["deny"] = `the plugin "${id}" failed: ${failure}`;
      for (const [key, value] of Object.entries(answer ?? {})) {
        const isAdded = key === "instructions" && typeof all[key] === "string";
        all[key] = isAdded ? `${String(all[key])}\n\n${String(value)}` : value;
        if (CARRIED.includes(key)) told = { ...told, [key]: value };
      }
      if (FINAL.some((key) => all[key] !== undefined)) break;
    }
    // Each plugin's part fits its own type; put together they do.
    return all;
  }

  return {
    has: (name) => listening(name).length > 0,
    ask: (name, event) => (listening(name).length === 0 ? Promise.resolve({}) : ask(name, event)),
    tell(name, event) {
      for (const one of listening(name, event)) {
        const going = call(one, name, event).finally(() => telling.delete(going));
        telling.add(going);
      }
    },
    async told() {
      await Promise.all(telling);
    },
  };
}

function isAsked(name: HookName): name is AskedHook {
  return Object.hasOwn(ANSWERS, name);
}

/** The parts of an answer that count. @throws Error for one of another kind */
function answerOf(name: AskedHook, given: object | undefined): Readonly<Record<string, unknown>> {
  const answer: Record<string, unknown> = {};
  for (const [key, kind] of Object.entries(ANSWERS[name])) {
    const value: unknown = given && Reflect.get(given, key);
    // Between processes there is no `undefined`.
    if (value !== undefined && value !== null)
      answer[key] = kind === "text" ? textOf(key, value) : plainOf(key, value);
  }
  return answer;
}

function textOf(key: string, value: unknown): string {
  if (typeof value !== "string") throw new Error(`it answered "${key}" that is no text`);
  return value.slice(0, LIMITS.messageCharsMax).toWellFormed();
}

/** As JSON has it. */
function plainOf(key: string, value: unknown): object {
  const plain: unknown = isObject(value) ? JSON.parse(JSON.stringify(value)) : undefined;
  if (!isObject(plain)) throw new Error(`it answered "${key}" that is no object`);
  return plain;
}

/** The gateway's own moments are for everybody; of sessions each hears of its own. */
function isFor(id: string, name: HookName, event: object): boolean {
  if (name === "gateway_start" || name === "gateway_stop") return true;
  return "sessionKey" in event && String(event.sessionKey).startsWith(ownPrefix(id));
}
