import { RpcError } from "../../contract/errors.ts";
import { isAllowed } from "../../agents/policy.ts";
import { NO_TOOLS, type ToolSource } from "../../agents/tools.ts";
import type { Channel } from "../../features/channels/channel.ts";
import type { AgentEnvironment, AgentRuntime, Log, Stop, Timers } from "../../ports.ts";
import type { Table } from "../../rpc/table.ts";
import { createHooks, type HookChain } from "./hook-chain.ts";
import type { Capabilities } from "../api.ts";
import { isRoutePath } from "../run/registration.ts";
import type { RunningPlugin } from "../running.ts";

/** Where what plugins offer takes effect. */
export interface Places {
  readonly table: Table;
  /** Puts a channel in the place of the one of its id, without a moment between; the stop takes it away. */
  readonly channels: { add(channel: Channel): Stop };
  /** A provider of models that is not a plugin's. */
  readonly isProvider: (name: string) => boolean;
}

interface InForce {
  readonly plugin: RunningPlugin;
  readonly grants: Capabilities;
  /** Takes its names out of the table. */
  readonly leave: Stop;
  /** Takes a channel away, unless the next version has its place by then. */
  readonly channels: readonly Stop[];
}

/** The plugins in force and what they offer, each under names that nobody else has. */
export class PluginRegistry {
  readonly hooks: HookChain;
  readonly #inForce = new Map<string, InForce>();
  #places: Places | undefined;

  constructor(ports: { readonly timers: Timers; readonly log: Log }) {
    this.hooks = createHooks({
      ...ports,
      plugins: () => this.#plugins(),
      hearsAll: (id) => this.#inForce.get(id)?.grants.sessions === true,
    });
  }

  /** Once, before the first plugin. */
  attach(places: Places): void {
    this.#places = places;
  }

  get(id: string): RunningPlugin | undefined {
    return this.#inForce.get(id)?.plugin;
  }

  /**
   * Puts a version of a plugin in force, in place of the one before: no request falls between them. The
   * caller stops the old one.
   *
   * @param grants what its hooks may hear of: without `sessions` only its own
   * @throws Error when it wants a name that somebody else has; everything is as it was then
   */
  swap(id: string, next: RunningPlugin | undefined, grants: Capabilities = {}): void {
    const places = this.#places;
    if (!places) throw new Error("the gateway is not there yet");
    const old = this.#inForce.get(id);
    if (next) this.#check(id, next, places);
    old?.leave();
    if (next) this.#enter(id, { plugin: next, grants }, places);
    else this.#inForce.delete(id);
    for (const stop of old?.channels ?? []) stop();
  }

  #enter(
    id: string,
    { plugin, grants }: Pick<InForce, "plugin" | "grants">,
    { table, channels }: Places,
  ): void {
    const old = this.#inForce.get(id);
    const undo: Stop[] = [];
    try {
      const leave = table.add(plugin.feature, plugin.handlers);
      undo.push(leave);
      const stops = channelsOf(plugin).map((channel) => {
        const stop = channels.add(channel);
        undo.push(stop);
        return stop;
      });
      this.#inForce.set(id, { plugin, grants, leave, channels: stops });
    } catch (error) {
      for (const stop of undo.toReversed()) stop();
      if (old) {
        const leave = table.add(old.plugin.feature, old.plugin.handlers);
        const stops = channelsOf(old.plugin).map((channel) => channels.add(channel));
        this.#inForce.set(id, { ...old, leave, channels: stops });
      }
      throw error;
    }
  }

  /** The tools of all plugins, for whom lists allow them. */
  readonly tools: ToolSource = {
    open: async ({ sessionKey, tools }) => {
      const open = [...this.#plugins()].flatMap(([, { offers }]) => offers.tools);
      const specs = open.filter(({ name }) => isAllowed(tools, name));
      if (specs.length === 0) return NO_TOOLS;
      return {
        specs,
        call: async (call) => {
          // Looked for at each call: the plugin may have been replaced since.
          const plugin = this.#find(({ offers }) => offers.tools.some(({ name }) => name === call.name));
          return plugin ? plugin.tool(sessionKey, call) : NO_TOOLS.call(call);
        },
      };
    },
  };

  hasAgent(id: string): boolean {
    return this.#agentPlugin(id) !== undefined;
  }

  /** @throws RpcError `not_found` */
  openAgent(id: string, environment: AgentEnvironment & { readonly model: string }): Promise<AgentRuntime> {
    const plugin = this.#agentPlugin(id);
    if (plugin) return plugin.agent(id, environment);
    throw new RpcError("not_found", `Cannot open model "${id}/${environment.model}": no plugin has it`);
  }

  #agentPlugin(id: string): RunningPlugin | undefined {
    return this.#find(({ offers }) => offers.agents.includes(id));
  }

  #find(isIt: (plugin: RunningPlugin) => boolean): RunningPlugin | undefined {
    for (const { plugin } of this.#inForce.values()) if (isIt(plugin)) return plugin;
    return undefined;
  }

  *#plugins(): Generator<readonly [string, RunningPlugin]> {
    for (const [id, { plugin }] of this.#inForce) yield [id, plugin];
  }

  #check(id: string, { feature, offers }: RunningPlugin, { table, isProvider }: Places): void {
    const refuse = (what: string, owner: string): never => {
      throw new Error(`"${owner}" has the ${what} already`);
    };
    for (const name of Object.keys(feature.methods)) {
      const owner = table.method(name)?.feature;
      if (owner !== undefined && owner !== id) refuse(`method "${name}"`, owner);
    }
    for (const name of Object.keys(feature.events)) {
      const owner = table.event(name)?.feature;
      if (owner !== undefined && owner !== id) refuse(`event "${name}"`, owner);
    }
    // Of a process of plugins this is no more than its word, and a pattern could be one that takes for ever.
    for (const { path } of offers.routes)
      if (!isRoutePath(path)) throw new Error(`its route "${path}" is no path`);
    for (const agent of offers.agents)
      if (isProvider(agent)) refuse(`provider "${agent}"`, "models.providers");
    for (const [other, plugin] of this.#plugins()) {
      if (other === id) continue;
      for (const kind of ["tools", "agents", "channels"] as const) {
        const taken = new Set(namesOf(plugin, kind));
        for (const name of namesOf({ offers }, kind)) if (taken.has(name)) refuse(`${kind} "${name}"`, other);
      }
    }
  }
}

function channelsOf(plugin: RunningPlugin): Channel[] {
  return plugin.offers.channels.map(({ id }) => plugin.channel(id));
}

function namesOf({ offers }: Pick<RunningPlugin, "offers">, kind: "tools" | "agents" | "channels"): string[] {
  if (kind === "agents") return [...offers.agents];
  return kind === "tools" ? offers.tools.map(({ name }) => name) : offers.channels.map(({ id }) => id);
}
