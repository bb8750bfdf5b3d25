import { RpcError } from "../../contract/errors.ts";
import type { AgentRuntime, AgentTurn, Clock } from "../../ports.ts";
import type { Call } from "../../feature.ts";
import { invalidParams } from "../../rpc/issues.ts";
import type { RunningPlugin } from "../running.ts";
import type { Asked, Opened, TurnAsked } from "./asked.ts";
import { packResponse, unpackRequest } from "./bodies.ts";
import type { Link, Served } from "./link.ts";

/** Agents that a gateway may come back to; those that were opened before are forgotten. */
const OPENED_MAX = 1_024;

interface VersionPorts {
  readonly link: Link;
  readonly key: number;
  readonly clock: Clock;
}

/** One version of a plugin as the gateway calls it from its own process. */
export class Version {
  readonly #ports: VersionPorts;
  readonly #running: RunningPlugin;
  readonly #opened = new Map<number, AgentRuntime>();
  #lastOpened = 0;

  constructor(ports: VersionPorts, running: RunningPlugin) {
    this.#ports = ports;
    this.#running = running;
  }

  begin(): void {
    this.#running.begin();
  }

  end(): void {
    this.#running.end();
  }

  /** @throws whatever the plugin throws */
  async serve(call: Served): Promise<unknown> {
    const running = this.#running;
    switch (call.verb) {
      case "method":
        return this.#method(given<"method">(call), call.signal);
      case "allow": {
        const { index, head } = given<"allow">(call);
        return running.allow(index, head);
      }
      case "http": {
        const { index, head, body } = given<"http">(call);
        return packResponse(await running.http(index, unpackRequest(head, body)));
      }
      case "hook": {
        const { name, event } = given<"hook">(call);
        return running.hook(name, event);
      }
      case "tool": {
        const { sessionKey, name, args } = given<"tool">(call);
        const { signal, item } = call;
        return running.tool(sessionKey, { name, args, signal, onUpdate: item });
      }
      case "agent.open":
        return this.#open(given<"agent.open">(call));
      case "agent.prompt":
        return this.#prompt(given<"agent.prompt">(call), call);
      case "channel.send": {
        const { channel, message } = given<"channel.send">(call);
        return running.channel(channel).send(message);
      }
      case "channel.typing": {
        const { channel, chat } = given<"channel.typing">(call);
        return running.channel(channel).typing(chat);
      }
      case "channel.logout": {
        const { channel, accountId } = given<"channel.logout">(call);
        return running.channel(channel).logout(accountId);
      }
      default:
        throw new RpcError("invalid_request", `Cannot answer "${call.verb}": no such verb`);
    }
  }

  stop(): Promise<void> {
    return this.#running.stop();
  }

  /** Params and result are judged here, where the plugin's own schemas are. */
  async #method({ name, params, caller }: Asked["method"], gone: AbortSignal): Promise<unknown> {
    const method = this.#running.feature.methods[name];
    const handler = this.#running.handlers[name];
    if (!method || !handler) throw new RpcError("unknown_method", `Cannot call "${name}": no such method`);
    const parsed = method.params.safeParse(params);
    if (!parsed.success) throw invalidParams(name, parsed.error.issues);
    const { connectedAgoMs, ...facts } = caller;
    const call: Call = {
      caller: {
        ...facts,
        connectedMs: this.#ports.clock.elapsed() - connectedAgoMs,
        onGone: (work) => whenAborted(gone, work),
      },
      fail: (code, message, extra) => {
        throw new RpcError(code, message, extra);
      },
    };
    // The handler stands beside the very schema that has just parsed these params.
    const result = await handler(parsed.data as never, call);
    const judged = method.result.safeParse(result);
    if (!judged.success) throw new Error(`result does not fit its schema: ${judged.error.message}`);
    return result;
  }

  async #open({ agent, environment }: Asked["agent.open"]): Promise<Opened> {
    const runtime = await this.#running.agent(agent, environment);
    const opened = ++this.#lastOpened;
    this.#opened.set(opened, runtime);
    const oldest = this.#opened.keys().next().value;
    if (this.#opened.size > OPENED_MAX && oldest !== undefined) this.#opened.delete(oldest);
    return { opened, contextWindow: runtime.contextWindow, keepsHistory: runtime.keepsHistory };
  }

  async #prompt({ opened, turnKey, turn }: Asked["agent.prompt"], { signal, item }: Served): Promise<void> {
    const runtime = this.#opened.get(opened);
    if (!runtime) throw new RpcError("unavailable", "Cannot ask agent: it was opened too long ago");
    const { link, key } = this.#ports;
    const whole: AgentTurn = {
      ...turn,
      // They cannot be asked for without waiting, from here; what nobody takes is left for the next run.
      steered: () => [],
      approve: async (request, given) => {
        const asked: TurnAsked = { turnKey, request };
        const decided = await link
          .call(key, "approve", { args: { ...asked }, signal: given })
          .catch(() => "deny");
        return decided === "allow_once" || decided === "allow_always" ? decided : "deny";
      },
      remember: (note) => link.note(key, "remember", { turnKey, note }),
    };
    for await (const event of runtime.prompt(whole, signal)) {
      if (signal.aborted) return;
      item(event);
    }
  }
}

/** What our own gateway has written, from the same types. */
function given<V extends keyof Asked>({ args }: Served): Asked[V] {
  return args as unknown as Asked[V];
}

function whenAborted(signal: AbortSignal, work: () => void): () => void {
  if (signal.aborted) work();
  else signal.addEventListener("abort", work, { once: true });
  return () => signal.removeEventListener("abort", work);
}
