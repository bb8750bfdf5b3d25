/**
 * What a plugin is written against, as `gateway/plugin`. A plugin is a folder with a `gateway.plugin.json`
 * and a module whose default export is made by {@link definePlugin}.
 *
 * Version {@link API_VERSION}. Within a version things are only added.
 */
import { z } from "zod";
import type { Events, Methods, Scope } from "../contract/define.ts";
import type { Contract, Feature, Handlers, Publish } from "../feature.ts";
import { contract } from "../feature.ts";
import type { ChannelAccount, Inbound, Outbound, Received } from "../features/channels/channel.ts";
import type { HookAnswer, HookEvent, HookName } from "../hooks.ts";
import type { AgentEnvironment, AgentRuntime, Clock, Log, Timers } from "../ports.ts";

export { z };
export { effect, event, method, once, SCOPES } from "../contract/define.ts";
export type { Delivery, Event, Events, Method, Methods, Scope } from "../contract/define.ts";
export { ERROR_CODES, RpcError } from "../contract/errors.ts";
export type { ErrorCode } from "../contract/errors.ts";
export type {
  ChannelAccount,
  ChannelPolicy,
  Inbound,
  Outbound,
  Received,
} from "../features/channels/channel.ts";
export type { Call, Caller, Handler, Handlers, Publish } from "../feature.ts";
export type { HookAnswer, HookEvent, HookName } from "../hooks.ts";
export type {
  AgentEnvironment,
  AgentEvent,
  AgentMessage,
  AgentPart,
  AgentRuntime,
  AgentTurn,
  Clock,
  Log,
  LogFields,
  Stop,
  Timers,
} from "../ports.ts";

/** The version of this surface. A manifest says which one its plugin was written against. */
export const API_VERSION = 1;

// --- what a plugin may do beyond its own ---

/** What a manifest declares, and an owner grants. Absent and false: no. */
export interface Capabilities {
  /** Connections to other machines. */
  readonly network?: boolean;
  /** Directories and files it may read and write besides its own; absolute or from `~/`. */
  readonly files?: readonly string[];
  /** Environment variables it may see, by name. */
  readonly env?: readonly string[];
  /** Programs it may start. */
  readonly exec?: boolean;
  /** Sessions that are not its own: to read them, and to talk in them; and people: to write to them. */
  readonly sessions?: boolean;
}

// --- keeping things ---

/**
 * A plugin's own space in the gateway's database: JSON values by key. What has been written is on disk when
 * the promise resolves, and survives reloads and restarts.
 *
 * Keys: 1 to 512 characters. Values: at most 256 KiB of JSON. All of it: 16 MiB, past which `set` fails with
 * `too_large`.
 */
export interface PluginStore {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): Promise<void>;
  /** All of them or none. `undefined` deletes. At most 1,000 keys. */
  setMany(values: Readonly<Record<string, unknown>>): Promise<void>;
  delete(key: string): Promise<void>;
  /**
   * Those whose keys begin so, in the order of their keys, at most `limit` (1,000). One that is damaged on disk
   * has the value `undefined`; `get` fails for it, with `unavailable`.
   */
  list(options?: {
    readonly prefix?: string;
    readonly after?: string;
    readonly limit?: number;
  }): Promise<readonly { readonly key: string; readonly value: unknown }[]>;
}

// --- sessions ---

/** How a run ended, or `timeout` while it goes on. */
export interface RunEnd {
  readonly runId: string;
  readonly status: "ok" | "error" | "aborted" | "interrupted" | "timeout";
  /** What the agent said; absent with `timeout`. */
  readonly text?: string;
  readonly error?: string;
}

/**
 * Conversations with agents. Without the capability `sessions` only keys that begin with `plugin:ID:` are
 * there. Who answers is an agent of the owner's, with its tools. Fails with the codes of the methods behind
 * it.
 */
export interface PluginSessions {
  /**
   * Gives the session a message to answer; it is on disk when this resolves. The same `idempotencyKey` in the
   * same session is the same message.
   */
  send(message: {
    readonly sessionKey: string;
    readonly message: string;
    readonly idempotencyKey?: string;
    /** `provider/model` for this run. */
    readonly model?: string;
    readonly instructions?: string;
    readonly timeoutMs?: number;
  }): Promise<{ readonly runId: string; readonly sessionKey: string }>;
  /** Waits for the end of what {@link PluginSessions.send} began, at most `timeoutMs` (30 s). */
  wait(run: { readonly runId: string; readonly sessionKey: string }, timeoutMs?: number): Promise<RunEnd>;
  /** Puts a note into the history, as the agent's, that nobody answers. */
  inject(sessionKey: string, text: string): Promise<void>;
  abort(sessionKey: string, runId?: string): Promise<void>;
  /** The newest messages, the oldest of them first; at most `limit` (50). */
  history(
    sessionKey: string,
    limit?: number,
  ): Promise<readonly { readonly role: string; readonly text: string; readonly ts: number }[]>;
}

// --- messages ---

/** A message to somebody over a channel. */
export interface PluginMessage {
  /** Absent: the only one there is. */
  readonly channel?: string;
  /** Absent: the channel's default one. */
  readonly accountId?: string;
  /** As the channel names a chat. */
  readonly to: string;
  readonly threadId?: string;
  /** Markdown. */
  readonly text: string;
  /** For two days the same key is the same message, restarts or not. Absent: each call is one of its own. */
  readonly idempotencyKey?: string;
}

/** Where a message is: with the other side, or on disk and tried until it is there. */
export interface PluginMessageSent {
  readonly status: "sent" | "waiting";
  readonly channel: string;
  /** As the channel names the message; absent with `waiting`, and where the channel does not say. */
  readonly messageId?: string;
}

// --- HTTP ---

/** A request as far as it is known before its body is read. */
export interface PluginRequestHead {
  readonly method: string;
  /** Below the plugin's own: `/x/y`. */
  readonly path: string;
  /** What the route's `:names` stand for. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the client, with trusted proxies taken into account. */
  readonly address: string;
}

export interface PluginRequest extends PluginRequestHead {
  /** At most 1 MiB. */
  readonly body: Uint8Array;
  /** Aborted when the answer is not wanted any more: after 30 s, or when the plugin stops. */
  readonly signal: AbortSignal;
  text(): string;
  /** @throws RpcError `invalid_request` for a body that is no JSON */
  json(): unknown;
}

export interface PluginResponse {
  /** Default 200. */
  readonly status?: number;
  /**
   * Pages run no scripts, unless there is a `content-security-policy` of their own; then they do, in a
   * sandbox, without the gateway's origin.
   */
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON. At most 8 MiB. */
  readonly body?: string | Uint8Array | object;
}

/** Who may call a route: whoever has the gateway's token and the scope; anybody; whom the plugin lets in. */
export type RouteAuth =
  | { readonly kind: "gateway"; readonly scope: Scope }
  | { readonly kind: "public" }
  /** Asked before the body is read, has 5 s; `false` is 401. */
  | { readonly kind: "own"; readonly check: (head: PluginRequestHead) => boolean | Promise<boolean> };

export interface PluginRoute {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below `/plugins/ID`: `/`, `/files/:name`. */
  readonly path: string;
  /** Default: the gateway's token and the scope `write`. */
  readonly auth?: RouteAuth;
  readonly summary?: string;
  /**
   * Has 30 s; one that has not ended 30 s later has the plugin stopped. An `RpcError` is answered with its
   * status.
   */
  handle(request: PluginRequest): PluginResponse | Promise<PluginResponse>;
}

// --- agents ---

export interface PluginTool<Schema extends z.ZodObject = z.ZodObject> {
  /** At most 64 of a-z, A-Z, 0-9, `_` and `-`; no other tool may have it. */
  readonly name: string;
  readonly description: string;
  readonly input: Schema;
  /** @returns what the model is told. A throw is told too, as an error. */
  run(
    args: z.output<Schema>,
    call: {
      readonly sessionKey: string;
      readonly signal: AbortSignal;
      readonly update: (text: string) => void;
    },
  ): string | Promise<string>;
}

/** An agent of its own kind, used as the model `ID/anything`. */
export interface PluginAgent {
  /** Stands before the slash. Lower case letters, digits, `-`; no provider may have it. */
  readonly id: string;
  open(environment: AgentEnvironment & { readonly model: string }): AgentRuntime | Promise<AgentRuntime>;
}

// --- channels ---

/** One running account: how it talks to the gateway. */
export interface ChannelLink {
  /** The account is to stop. */
  readonly signal: AbortSignal;
  /**
   * Hands a message over. It is on disk when this resolves: only then may the channel be told that it was
   * received. @throws RpcError `busy`, `unavailable`: hand it over again later
   */
  receive(message: Inbound): Promise<Received>;
  status(status: { readonly state: "connecting" | "connected" | "failed"; readonly detail?: string }): void;
}

/** A way for people to write to agents. */
export interface PluginChannel {
  /** `telegram`; part of session keys. */
  readonly id: string;
  readonly label: string;
  readonly accounts: readonly ChannelAccount[];
  /**
   * Runs one account until `link.signal` is aborted. Returning before, or throwing, has it started again, with
   * back-off.
   */
  run(account: ChannelAccount, link: ChannelLink): Promise<void>;
  /** @throws RpcError `unavailable`, `busy`: tried again; anything else: given up, and told to the owner */
  send(message: Outbound): Promise<{ readonly messageId?: string }>;
  /** Shows that an answer is on its way. */
  typing?(chat: Pick<Outbound, "accountId" | "to" | "threadId">): Promise<void>;
  /** Forgets the account's credentials at the other side, if there are any to forget. */
  logout?(accountId: string): Promise<boolean>;
}

// --- the context ---

/** The standard's `fetch`, without what a runtime adds to it. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** What the gateway offers a plugin. What is registered here is released when the plugin stops. */
export interface PluginContext<Es extends Events = Events, C extends z.ZodObject = z.ZodObject> {
  readonly id: string;
  /** As its schema reads it; the plugin is replaced when it changes. */
  config(): z.output<C>;
  readonly publish: Publish<Es>;
  readonly log: Log;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly store: PluginStore;
  readonly sessions: PluginSessions;
  /** Aborted when the plugin stops. */
  readonly signal: AbortSignal;
  /** Its folder, absolute. */
  readonly directory: string;

  // Registered while `start` runs; afterwards these throw.
  http(route: PluginRoute): void;
  /**
   * Work in the background, from the moment the plugin is in force until `signal` is aborted. Returning ends
   * it; throwing has it started again after a growing pause.
   */
  service(name: string, run: (signal: AbortSignal) => void | Promise<void>): void;
  tool<S extends z.ZodObject>(tool: PluginTool<S>): void;
  hook<K extends HookName>(
    name: K,
    work: (event: HookEvent<K>) => HookAnswer<K> | void | Promise<HookAnswer<K> | void>,
  ): void;
  agent(agent: PluginAgent): void;
  channel(channel: PluginChannel): void;
  /** Called in reverse order when the plugin stops; all of them together have 5 s. */
  onStop(stop: () => void | Promise<void>): void;

  // Each needs its capability; without it `forbidden`, and a line in the log.
  /** `network`. The global `fetch` of the plugin is this one. */
  readonly fetch: Fetch;
  /** `env`. */
  env(name: string): string | undefined;
  readonly files: PluginFiles;
  /** `exec`. No shell is between; what it writes is cut at 1 MiB. */
  exec(
    command: readonly [string, ...string[]],
    options?: { readonly timeoutMs?: number; readonly input?: string; readonly directory?: string },
  ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;
  /**
   * `sessions`. Sends a message over a channel, whoever provides it. It is on disk when this resolves.
   *
   * @throws RpcError `not_found` no such channel or account; `conflict` a plugin dropped it, or its key was
   *   another message's; `unavailable` it has not left and will not; `busy`
   */
  send(message: PluginMessage): Promise<PluginMessageSent>;
}

/** UTF-8 files. Its own folder may be read; everything else needs `files`. At most 8 MiB each. */
export interface PluginFiles {
  /** Undefined when there is none. */
  readText(path: string): Promise<string | undefined>;
  /**
   * Replaces it whole, or makes it: another one is written beside it and takes its name. In a process of
   * plugins its directory has to be granted, and not only the file.
   */
  writeText(path: string, text: string): Promise<void>;
  list(directory: string): Promise<readonly string[]>;
  remove(path: string): Promise<void>;
}

interface PluginSpec<Ms extends Methods, Es extends Events, C extends z.ZodObject> {
  /** As in its manifest. */
  readonly id: string;
  readonly apiVersion: typeof API_VERSION;
  /** Of `plugins.entries.ID.config`. */
  readonly config?: () => C;
  /** Names begin with the id: `ID.verb`. */
  readonly methods?: Ms;
  readonly events?: Es;
  /**
   * Registers what the plugin offers and answers with its handlers. Has 10 s. Nothing of it is in force until
   * it has returned; a throw leaves what was before.
   */
  start(ctx: PluginContext<Es, C>): Started<Ms> | Promise<Started<Ms>>;
}

type Started<Ms extends Methods> = { readonly handlers: Handlers<Ms> };

/** A plugin whose types have been checked by {@link definePlugin} and forgotten. */
export interface Plugin {
  readonly id: string;
  readonly apiVersion: number;
  readonly contract: Contract<Methods, Events, z.ZodObject>;
  readonly start: (
    ctx: PluginContext,
  ) => ReturnType<Feature["start"]> | Promise<ReturnType<Feature["start"]>>;
}

/**
 * Declares a plugin: what it says, as the gateway's own features do, and how it starts.
 *
 * @example
 * export default definePlugin({
 *   id: "hello",
 *   apiVersion: 1,
 *   methods: {
 *     "hello.greet": method({
 *       scope: "read",
 *       summary: "Greets somebody",
 *       params: () => z.strictObject({ name: z.string() }),
 *       result: () => z.object({ text: z.string() }),
 *     }),
 *   },
 *   start: () => ({ handlers: { "hello.greet": ({ name }) => ({ text: `Hello, ${name}` }) } }),
 * });
 */
export function definePlugin<
  Ms extends Methods = Record<never, never>,
  Es extends Events = Record<never, never>,
  C extends z.ZodObject = z.ZodObject,
>(spec: PluginSpec<Ms, Es, C>): Plugin {
  const { id, apiVersion, config, methods, events, start } = spec;
  const said = contract<Methods, Events, z.ZodObject>({
    name: id,
    methods: methods ?? {},
    events: events ?? {},
    ...(config && { config }),
  });
  return { id, apiVersion, contract: said, start };
}
