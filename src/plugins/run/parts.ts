import { z } from "zod";
import type { ToolAnswer, ToolCall } from "../../agents/tools.ts";
import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Feature } from "../../feature.ts";
import type { Channel } from "../../features/channels/channel.ts";
import type { Clock, PluginModule, Timers } from "../../ports.ts";
import type { PluginChannel, PluginRequest, PluginRoute, PluginTool } from "../api.ts";
import { parseJson } from "../../rpc/json.ts";
import type { Calls } from "./calls.ts";
import type { Registration } from "./registration.ts";
import type { HttpAsked, PluginGate, RunningPlugin } from "../running.ts";
import { supervise } from "./supervised.ts";
import { eventOffers, methodOffers } from "./offers.ts";
import { seconds, within } from "./time.ts";

interface PartsPorts {
  readonly id: string;
  readonly feature: Pick<Feature, "methods" | "events">;
  readonly gate: PluginGate;
  readonly module: PluginModule;
  readonly registration: Registration;
  readonly calls: Calls;
  /** Aborted when the plugin stops. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** What {@link RunningPlugin} is made of, once its module has registered what it offers. */
type Parts = Pick<
  RunningPlugin,
  "offers" | "begin" | "end" | "allow" | "http" | "hook" | "tool" | "agent" | "channel"
>;

/** What a plugin has registered, as the gateway calls it: always as the plugin's own code. */
export function createPluginParts(ports: PartsPorts): Parts {
  const { id, feature, module, registration, calls, signal } = ports;
  const inForce = new AbortController();
  const route = (index: number): PluginRoute => known(registration.routes[index], `route ${index}`);
  const channel = (name: string): PluginChannel =>
    known(registration.channels.get(name), `channel "${name}"`);

  return {
    offers: {
      ...registration.offers(),
      // Made when somebody asks: JSON Schemas cost more than all of the start.
      get methods() {
        return methodOffers(feature.methods);
      },
      get events() {
        return eventOffers(feature.events);
      },
    },
    begin: () => begin(ports, AbortSignal.any([signal, inForce.signal])),
    end: () => module.run(() => inForce.abort()),

    async allow(index, head) {
      const { auth } = route(index);
      if (auth?.kind !== "own") return true;
      return (await decided(ports, () => auth.check(head))) === true;
    },
    http: (index, asked) => answer(ports, route(index), asked),

    async hook(name, event) {
      let answered: object | undefined;
      for (const work of registration.hooks.get(name) ?? []) {
        const told = answered ? { ...event, ...answered } : event;
        const said = await calls.count(async () => module.run(work, told));
        if (typeof said === "object" && said !== null) answered = { ...answered, ...given(said) };
        // It has said no, and what another one makes of that does not matter.
        if (answered && ("deny" in answered || "drop" in answered)) break;
      }
      return answered;
    },

    tool: (sessionKey, call) => callTool(ports, sessionKey, call),

    async agent(name, environment) {
      const agent = known(registration.agents.get(name), `agent "${name}"`);
      const runtime = await module.run(() => agent.open(environment));
      const { contextWindow, keepsHistory } = runtime;
      return {
        contextWindow,
        keepsHistory,
        prompt: (turn, signal) => calls.follow(() => module.run(() => runtime.prompt(turn, signal))),
      };
    },

    channel: (name) => channelOf(channel(name), module, calls),
  };

  function known<T>(one: T | undefined, what: string): T {
    if (one === undefined) throw new RpcError("not_found", `Cannot call plugin "${id}": it has no ${what}`);
    return one;
  }
}

/** Services and accounts of channels, each started again when it fails. */
function begin(
  { gate, module, registration, clock, timers }: Omit<PartsPorts, "signal">,
  signal: AbortSignal,
): void {
  const ports = { clock, timers, signal };
  for (const [name, run] of registration.services) {
    supervise((given) => module.run(run, given), {
      ...ports,
      onState: (state, detail) =>
        gate.state({ kind: "service", id: name }, { state, ...(detail !== undefined && { detail }) }),
    });
  }
  for (const channel of registration.channels.values()) {
    for (const account of channel.accounts) {
      const part = { kind: "account" as const, id: account.id, channel: channel.id };
      const link = {
        signal,
        receive: (message: Parameters<PluginGate["receive"]>[2]) =>
          gate.receive(channel.id, account.id, message),
        status: (now: Parameters<PluginGate["state"]>[1]) => gate.state(part, now),
      };
      const run = async (): Promise<void> => {
        await module.run(() => channel.run(account, link));
        // Nobody would hear the people who write to it from here on.
        if (!signal.aborted) throw new Error("it has ended");
      };
      supervise(run, {
        ...ports,
        onState(state, detail) {
          // How far it is with connecting is for the channel to say.
          if (state === "running") gate.state(part, { state: "connecting" });
          else gate.state(part, { state, ...(detail !== undefined && { detail }) });
        },
      });
    }
  }
}

/** Whoever asks may be anybody: one that hangs holds nothing for longer than this. */
async function decided<T>(
  { id, module, calls, timers }: PartsPorts,
  check: () => T | Promise<T>,
): Promise<T> {
  const state = `no answer within ${seconds(LIMITS.hookMs)}`;
  const late = new RpcError("timeout", `Cannot ask plugin "${id}" who may call its route: ${state}`);
  return within(
    timers,
    calls.count(() => module.run(check)),
    { ms: LIMITS.hookMs, late },
  );
}

/** An answer without what it leaves open. */
function given(said: object): object {
  return Object.fromEntries(
    Object.entries(said).filter(([, value]) => value !== undefined && value !== null),
  );
}

async function answer(
  { id, gate, module, calls, signal, timers }: PartsPorts,
  route: PluginRoute,
  asked: HttpAsked,
) {
  const ended = new AbortController();
  const request: PluginRequest = {
    ...asked,
    signal: AbortSignal.any([signal, ended.signal]),
    text: () => new TextDecoder().decode(asked.body),
    json: () => jsonOf(asked),
  };
  const name = `${route.method} ${route.path}`;
  const working = Promise.resolve(calls.count(() => module.run(route.handle, request)));
  // A handler may take a while to hear of it; one that does not is stuck, and so may be the next.
  const stuck = (): void => {
    if (!signal.aborted) gate.failed(new Error(`its answer to ${name} does not end`));
  };
  void within(timers, working, { ms: 2 * LIMITS.pluginHttpMs, late: "", tooLate: stuck }).catch(() => {
    // Told below, to whoever asked.
  });
  const state = `no answer within ${seconds(LIMITS.pluginHttpMs)}`;
  return within(timers, working, {
    ms: LIMITS.pluginHttpMs,
    late: new RpcError("timeout", `Cannot answer ${name} of plugin "${id}": ${state}`),
    tooLate: () => ended.abort(),
  });
}

function jsonOf({ body }: Pick<HttpAsked, "body">): unknown {
  const parsed = parseJson(new TextDecoder().decode(body));
  if (parsed instanceof RpcError) throw new RpcError("invalid_request", parsed.message);
  return parsed.value;
}

async function callTool(
  { module, registration, calls }: PartsPorts,
  sessionKey: string,
  { name, args, signal, onUpdate }: ToolCall,
): Promise<ToolAnswer> {
  const tool: PluginTool | undefined = registration.tools.get(name);
  if (!tool) return { text: `Cannot call tool "${name}": there is no such tool`, isError: true };
  try {
    const given = tool.input.safeParse(JSON.parse(args === "" ? "{}" : args));
    if (!given.success)
      return { text: `Cannot call tool "${name}": ${z.prettifyError(given.error)}`, isError: true };
    const call = { sessionKey, signal, update: onUpdate };
    const text = await calls.count(() => module.run(() => tool.run(given.data, call)));
    return { text: String(text), isError: false };
  } catch (error) {
    return { text: messageOf(error), isError: true };
  }
}

function channelOf(channel: PluginChannel, module: PluginModule, calls: Calls): Channel {
  const { id, label, accounts, typing, logout } = channel;
  return {
    id,
    label,
    accounts,
    send: async (message) => calls.count(() => module.run(() => channel.send(message))),
    async typing(chat) {
      if (!typing) return;
      await Promise.resolve(module.run(() => typing.call(channel, chat))).catch(() => {
        // Nobody is told that nobody was told.
      });
    },
    logout: async (accountId) =>
      logout ? calls.count(() => module.run(() => logout.call(channel, accountId))) : false,
  };
}
