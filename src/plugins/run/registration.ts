import { z } from "zod";
import type { ToolSpec } from "../../agents/tools.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { HookName } from "../../hooks.ts";
import { HOOKS } from "../../hooks.ts";
import type {
  PluginAgent,
  PluginChannel,
  PluginContext,
  PluginRoute,
  PluginTool,
  RouteAuth,
} from "../api.ts";
import type { Offers } from "../running.ts";

type Hook = (event: object) => unknown;
type Service = (signal: AbortSignal) => void | Promise<void>;

/** What a plugin registers while it starts, each under a name of its own, all bounded in number. */
export class Registration {
  readonly routes: PluginRoute[] = [];
  readonly tools = new Map<string, PluginTool & { readonly spec: ToolSpec }>();
  readonly hooks = new Map<HookName, Hook[]>();
  readonly agents = new Map<string, PluginAgent>();
  readonly channels = new Map<string, PluginChannel>();
  readonly services = new Map<string, Service>();
  #isClosed = false;

  /** The part of the context that fills this. */
  readonly context: Pick<PluginContext, "http" | "service" | "tool" | "hook" | "agent" | "channel"> = {
    http: (route) => {
      this.#add("route", this.routes.length, LIMITS.pluginRoutesMax);
      if (!isRoutePath(route.path)) throw new Error(`its route "${route.path}" is no path`);
      this.routes.push(route);
    },
    service: (name, run) => this.#put("service", this.services, [name, run]),
    tool: (tool) => {
      if (!/^[\w-]{1,64}$/.test(tool.name))
        throw new Error(`its tool "${tool.name}" has no name a model takes`);
      this.#put("tool", this.tools, [tool.name, { ...tool, spec: specOf(tool) }]);
    },
    hook: (name, work) => {
      if (!Object.hasOwn(HOOKS, name)) throw new Error(`there is no hook "${name}"`);
      const works = this.hooks.get(name) ?? [];
      this.#add("hook", works.length, LIMITS.pluginRoutesMax);
      // What it is called with is what its name says.
      this.hooks.set(name, [...works, work as unknown as Hook]);
    },
    agent: (agent) => this.#put("agent", this.agents, [agent.id, agent]),
    channel: (channel) => {
      if (!Array.isArray(channel.accounts)) throw new Error(`its channel "${channel.id}" has no accounts`);
      this.#put("channel", this.channels, [channel.id, channel]);
    },
  };

  /** What came too late is refused from here on. */
  close(): void {
    this.#isClosed = true;
  }

  /** As plain data. */
  offers(): Omit<Offers, "methods" | "events"> {
    return {
      routes: this.routes.map(({ method, path, summary = "", auth }) => ({
        method,
        path,
        summary,
        auth: kindOf(auth),
      })),
      hooks: [...this.hooks.keys()],
      tools: [...this.tools.values()].map(({ spec }) => spec),
      agents: [...this.agents.keys()],
      channels: [...this.channels.values()].map(({ id, label, accounts }) => ({ id, label, accounts })),
      services: [...this.services.keys()],
    };
  }

  #put<T>(kind: string, all: Map<string, T>, [name, one]: readonly [name: string, one: T]): void {
    this.#add(kind, all.size, LIMITS.pluginToolsMax);
    if (all.has(name)) throw new Error(`it has two ${kind}s "${name}"`);
    all.set(name, one);
  }

  #add(kind: string, count: number, countMax: number): void {
    if (this.#isClosed) throw new Error(`a ${kind} can be registered only while the plugin starts`);
    if (count >= countMax) throw new Error(`it has more than ${countMax} ${kind}s`);
  }
}

/** Names and `:names`, and no patterns. */
export function isRoutePath(path: string): boolean {
  return /^\/[\w\-.~:/]*$/.test(path);
}

/** Who may call a route that does not say: whoever may write. */
const USUAL: RouteAuth = { kind: "gateway", scope: "write" };

function kindOf(auth: RouteAuth = USUAL): Offers["routes"][number]["auth"] {
  return auth.kind === "own" ? { kind: "own" } : auth;
}

function specOf({ name, description, input }: PluginTool): ToolSpec {
  return { name, description, inputSchema: z.toJSONSchema(input, { io: "input" }) };
}
