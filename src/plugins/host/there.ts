import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Call } from "../../feature.ts";
import type { Channel } from "../../features/channels/channel.ts";
import type { AgentEnvironment, AgentRuntime, Clock } from "../../ports.ts";
import { isObject } from "../../rpc/json.ts";
import type { Offers, RunningPlugin } from "../running.ts";
import { answersOf, plainTurn } from "./agent.ts";
import type { Asked } from "./asked.ts";
import { packRequest, unpackResponse } from "./bodies.ts";
import type { Guest } from "./guest.ts";
import type { CallAsked, Link } from "./link.ts";
import { featureOf } from "./offered.ts";

type Heard = Pick<CallAsked, "signal" | "onItem">;

interface TherePorts {
  readonly guest: Guest;
  readonly link: Link;
  readonly clock: Clock;
  readonly offers: Offers;
  /** It has been told to stop, or its process has ended. */
  readonly left: () => void;
}

/** A version of a plugin that runs in another process. */
export function createThere(ports: TherePorts): RunningPlugin {
  const { guest, link, offers } = ports;
  const { key, id } = guest;
  let active = 0;

  async function ask<V extends keyof Asked>(verb: V, args: Asked[V], options?: Heard): Promise<unknown> {
    if (active >= LIMITS.pluginCallsMax)
      throw new RpcError("busy", `Cannot call plugin "${id}": ${active} calls of it go on`);
    active++;
    try {
      return await link.call(key, verb, { ...options, args });
    } finally {
      active--;
    }
  }

  const feature = featureOf(id, offers);
  return {
    offers,
    feature,
    handlers: Object.fromEntries(
      Object.keys(feature.methods).map((name) => [
        name,
        (params: never, call: Call) => callMethod(ports, ask, { name, params, call }),
      ]),
    ),
    begin: () => link.note(key, "begin"),
    end() {
      try {
        link.note(key, "end");
      } catch {
        // Its process takes nothing any more: it is stopped soon, or ends.
      }
    },
    allow: async (index, head) => (await ask("allow", { index, head })) === true,
    http: async (index, request) => unpackResponse(await ask("http", { index, ...packRequest(request) })),
    async hook(name, event) {
      const answer = await ask("hook", { name, event });
      return isObject(answer) ? answer : undefined;
    },
    async tool(sessionKey, { name, args, signal, onUpdate }) {
      const onItem = (value: unknown): void => void (typeof value === "string" && onUpdate(value));
      try {
        const answer = await ask("tool", { sessionKey, name, args }, { signal, onItem });
        if (!isObject(answer)) throw new Error(`tool "${name}" answered nothing`);
        return { text: String(answer["text"]), isError: answer["isError"] === true };
      } catch (error) {
        return { text: messageOf(error), isError: true };
      }
    },
    agent: (agent, environment) => openAgent(guest, ask, { agent, environment }),
    channel: (channel) => channelThere(ask, known(offers, channel)),
    async stop() {
      try {
        await link.call(key, "stop");
      } catch {
        // Its process has ended, and all that it had with it.
      } finally {
        ports.left();
      }
    },
    active: () => active,
  };
}

type Ask = <V extends keyof Asked>(verb: V, args: Asked[V], options?: Heard) => Promise<unknown>;

interface MethodCall {
  readonly name: string;
  readonly params: unknown;
  readonly call: Call;
}

async function callMethod(
  { clock }: TherePorts,
  ask: Ask,
  { name, params, call }: MethodCall,
): Promise<unknown> {
  const { connId, subject, name: calledBy, scopes, connectedMs } = call.caller;
  const connectedAgoMs = clock.elapsed() - connectedMs;
  const caller = { connId, subject, name: calledBy, scopes, connectedAgoMs };
  const gone = new AbortController();
  const stop = call.caller.onGone(() => gone.abort());
  try {
    return await ask("method", { name, params, caller }, { signal: gone.signal });
  } finally {
    stop();
  }
}

interface Opening {
  readonly agent: string;
  readonly environment: AgentEnvironment & { readonly model: string };
}

async function openAgent({ turns }: Guest, ask: Ask, opening: Opening): Promise<AgentRuntime> {
  const answer = await ask("agent.open", opening);
  if (!isObject(answer)) throw new Error(`agent "${opening.agent}" was not opened`);
  const { opened, contextWindow, keepsHistory } = answer;
  if (typeof opened !== "number" || typeof contextWindow !== "number")
    throw new Error(`agent "${opening.agent}" does not say how much it reads`);
  return {
    contextWindow,
    keepsHistory: keepsHistory === true,
    prompt(turn, signal) {
      const turnKey = ++lastTurn;
      const asked = { opened, turnKey, turn: plainTurn(turn) };
      return answersOf(async (given, onItem) => {
        turns.set(turnKey, turn);
        try {
          await ask("agent.prompt", asked, { signal: given, onItem });
        } finally {
          turns.delete(turnKey);
        }
      }, signal);
    },
  };
}

/** Over all plugins: nobody else's turn has the same. */
let lastTurn = 0;

function known({ channels }: Offers, id: string): Offers["channels"][number] {
  const channel = channels.find((one) => one.id === id);
  if (!channel) throw new RpcError("not_found", `Cannot use channel "${id}": there is none`);
  return channel;
}

function channelThere(ask: Ask, { id, label, accounts }: Offers["channels"][number]): Channel {
  return {
    id,
    label,
    accounts,
    async send(message) {
      const sent = await ask("channel.send", { channel: id, message });
      const messageId = isObject(sent) ? sent["messageId"] : undefined;
      return typeof messageId === "string" ? { messageId } : {};
    },
    async typing(chat) {
      await ask("channel.typing", { channel: id, chat }).catch(() => {
        // Nobody is told that nobody was told.
      });
    },
    logout: async (accountId) => (await ask("channel.logout", { channel: id, accountId })) === true,
  };
}
