import type { ErrorCode } from "../contract/errors.ts";
import type { Delivery, Scope } from "../contract/define.ts";
import type { ToolAnswer, ToolCall, ToolSpec } from "../agents/tools.ts";
import type { Channel, Inbound } from "../features/channels/channel.ts";
import type { Caller, Feature, PublishOptions } from "../feature.ts";
import type { HookName } from "../hooks.ts";
import type { AgentEnvironment, AgentRuntime, LogFields } from "../ports.ts";
import type { Capabilities, PluginRequestHead, PluginResponse, PluginStore, Received } from "./api.ts";

type JsonSchema = Readonly<Record<string, unknown>>;

/** What a started plugin offers, as plain data: shown by `plugins.info`, and what crosses to its host. */
export interface Offers {
  readonly methods: readonly {
    readonly name: string;
    readonly scope: Scope;
    readonly summary: string;
    readonly effect: boolean;
    readonly errors: readonly ErrorCode[];
    readonly params: JsonSchema;
    readonly result: JsonSchema;
  }[];
  readonly events: readonly {
    readonly name: string;
    readonly scope: Scope;
    readonly delivery: Delivery;
    readonly summary: string;
    readonly replay: boolean;
    readonly data: JsonSchema;
  }[];
  readonly routes: readonly RouteOffer[];
  readonly hooks: readonly HookName[];
  readonly tools: readonly ToolSpec[];
  /** Ids of agents. */
  readonly agents: readonly string[];
  readonly channels: readonly Pick<Channel, "id" | "label" | "accounts">[];
  readonly services: readonly string[];
}

export interface RouteOffer {
  readonly method: string;
  /** As it was declared: `/files/:name`. */
  readonly path: string;
  readonly summary: string;
  readonly auth:
    | { readonly kind: "gateway"; readonly scope: Scope }
    | { readonly kind: "public" }
    | { readonly kind: "own" };
}

/** What the gateway does for its plugins: everything that a plugin reaches goes through here. */
export interface PluginGate {
  /** @throws RpcError `busy` past `LIMITS.pluginEventsPerSecondMax` */
  publish(event: string, payload: object, options?: PublishOptions): void;
  /** Lines past `LIMITS.pluginLogLinesPerSecondMax` are counted, not written. */
  log(level: "debug" | "info" | "warn" | "error", message: string, fields?: LogFields): void;
  readonly store: PluginStore;
  /**
   * A method of the gateway, called as the plugin: with the scopes `read` and `write`, as `plugin:ID`, and
   * with the run's origin `plugin`.
   *
   * @throws RpcError
   */
  request(method: string, params: Readonly<Record<string, unknown>>): Promise<unknown>;
  receive(channel: string, accountId: string, message: Inbound): Promise<Received>;
  /** The state of an account of a channel, or of a service. */
  state(
    part: { readonly kind: "account" | "service"; readonly id: string; readonly channel?: string },
    now: {
      readonly state: "connecting" | "connected" | "running" | "ended" | "failed";
      readonly detail?: string;
    },
  ): void;
  /** It used something it has no capability for; that was refused. */
  denied(capability: string, what: string): void;
  /** An error outside any call, which nobody else will tell: it is stopped for it. */
  failed(error: unknown): void;
}

/** One version of a plugin, started: in this process or in a host. */
export interface RunningPlugin {
  readonly offers: Offers;
  /** Its methods and events, for the table. */
  readonly feature: Feature;
  readonly handlers: ReturnType<Feature["start"]>["handlers"];
  /** From here on it is in force: services and channels begin. Once. */
  begin(): void;
  /** It is not in force any more: services and channels end, calls go on until `stop`. Never throws. */
  end(): void;
  /** @param index of `offers.routes`. @throws RpcError */
  allow(index: number, head: PluginRequestHead): Promise<boolean>;
  /** @throws RpcError; anything else is a fault of the plugin */
  http(index: number, request: HttpAsked): Promise<PluginResponse>;
  /** @throws whatever it throws */
  hook(name: HookName, event: object): Promise<object | undefined>;
  /** Never rejects. */
  tool(sessionKey: string, call: ToolCall): Promise<ToolAnswer>;
  /** @throws RpcError */
  agent(id: string, environment: AgentEnvironment & { readonly model: string }): Promise<AgentRuntime>;
  /** One of `offers.channels`, as the gateway talks to it. */
  channel(id: string): Channel;
  /** Aborts its signal, runs its stops, gives them `LIMITS.pluginStopMs` and cuts off what is left. */
  stop(): Promise<void>;
  /** Calls that have not been answered. */
  active(): number;
}

/** A request with its body, at most `LIMITS.pluginBodyBytesMax`. */
export type HttpAsked = PluginRequestHead & { readonly body: Uint8Array };

/** Calls as a plugin sees who asked: nothing of a connection crosses to a host. */
export type CallerFacts = Pick<Caller, "connId" | "subject" | "name" | "scopes" | "connectedMs">;

/** All that a plugin needs to be started, in whatever process. Plain data. */
export interface PluginStart {
  readonly id: string;
  /** Its folder and the module to load, absolute and without links. */
  readonly directory: string;
  readonly entry: string;
  /** Its section of the configuration, not checked yet. */
  readonly config: unknown;
  /** What its manifest declares and the configuration grants. */
  readonly grants: Capabilities;
  /** Values of the environment variables in `grants`. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Loads and starts a plugin, in whatever process. Within `LIMITS.pluginStartMs`.
 *
 * @throws Error what the plugin throws, in words for its owner; nothing of it is left then
 */
export type StartPlugin = (start: PluginStart, gate: PluginGate) => Promise<RunningPlugin>;
