import type { ReconnectOptions } from "./backoff.ts";
import type { CallOptions } from "./calls.ts";
import type { GatewayError } from "./errors.ts";
import type { WebSocketClass } from "./link.ts";
import type { Stop } from "./listeners.ts";
import type { ConnectParams, Events, Hello, Methods, Scope } from "./protocol.ts";

/** Where the gateway is, who we are, and what to do when the connection breaks. */
export type ClientOptions = {
  /** `ws://127.0.0.1:18789/ws`, or `wss:` */
  readonly url: string;
  readonly token?: string | undefined;
  readonly password?: string | undefined;
  /**
   * Looks for others when a gateway that took the credential refuses it later. They are tried in order until
   * one is taken, which then takes the place of the refused one; with none left the client ends. Not asked
   * where `reconnect` is `false`. Default: there are none.
   */
  readonly otherCredentials?: ((refused: ClientCredential) => AsyncIterable<ClientCredential>) | undefined;
  /** How this client shows itself to others. Default `{ id: "gateway-client" }`. */
  readonly client?: ConnectParams["client"];
  /** What to ask for, where that is less than the credential allows. Default: all it allows. */
  readonly scopes?: readonly Scope[];
  /**
   * What to be told of from the first connection on, as `events.subscribe` takes it. Whatever was subscribed
   * last holds for the connections that follow, and for what is replayed on them.
   */
  readonly subscribe?: ConnectParams["subscribe"];
  /** Longest time from opening a socket to `hello`, ms. Default 10 000. */
  readonly connectTimeoutMs?: number;
  /** `false`: a lost connection ends the client. */
  readonly reconnect?: ReconnectOptions | false;
  /** A standard `WebSocket`, where it is not the global one. */
  readonly WebSocket?: WebSocketClass;
};

/** What a client presents. */
export type ClientCredential = {
  readonly token?: string | undefined;
  readonly password?: string | undefined;
};

/** Where the client stands. `closed` is the end until `connect` is called again. */
export type ClientState =
  | { readonly name: "idle" }
  | { readonly name: "connecting" }
  | { readonly name: "ready"; readonly hello: Hello }
  /** Cut off; the next attempt comes in `delayMs`. */
  | { readonly name: "waiting"; readonly delayMs: number; readonly error: GatewayError }
  | { readonly name: "closed"; readonly error?: GatewayError };

/**
 * Events that this client did not get: everything it shows from events must be fetched again.
 * `dropped` is absent where the gateway cannot say how many: it was restarted, or we were away too long.
 */
export type Resync = { readonly from: number; readonly to: number; readonly dropped?: number };

export interface ClientEvents extends Omit<Events, "resync"> {
  resync: Resync;
}

/** A plugin's event, or any other: its name, what it carries, and its place in the order of all events. */
export type AnyListener = (
  event: string,
  payload: Readonly<Record<string, unknown>>,
  seq: number | undefined,
) => void;

export type MethodName = keyof Methods;

/** What a method takes. Its idempotency key may be left out: where it must have one, one is made. */
export type ParamsOf<M extends MethodName> = Methods[M]["params"] extends { idempotencyKey: string }
  ? Omit<Methods[M]["params"], "idempotencyKey"> & { idempotencyKey?: string | undefined }
  : Methods[M]["params"];
export type ResultOf<M extends MethodName> = Methods[M]["result"];

/** The params may be left out where nothing in them is required. */
export type CallArgs<M extends MethodName> =
  Record<string, never> extends ParamsOf<M>
    ? [params?: ParamsOf<M>, options?: CallOptions]
    : [params: ParamsOf<M>, options?: CallOptions];

/** One gateway as seen from here. */
export interface GatewayClient {
  /**
   * Opens the connection. After it resolved, a connection that breaks is opened again by itself, and
   * events missed meanwhile are replayed, unless `reconnect` is `false`.
   *
   * @throws (rejects) GatewayError `unavailable` (nothing answers), `unauthorized` (credential refused),
   *   `busy` (too many attempts), or what else the gateway says
   */
  connect(): Promise<Hello>;
  /**
   * Asks the gateway. A call made while the connection is being repaired waits for it; one whose
   * connection breaks before the answer fails with `unavailable`, and whether it was done is unknown:
   * repeat it with the error's `idempotencyKey`.
   *
   * @throws (rejects) GatewayError
   */
  call<M extends MethodName>(method: M, ...args: CallArgs<M>): Promise<ResultOf<M>>;
  /** The same for methods this client has no types for. */
  request(
    method: string,
    params?: Readonly<Record<string, unknown>>,
    options?: CallOptions,
  ): Promise<unknown>;
  /** `seq` is the event's place in the order of all events; absent for what this client found out itself. */
  on<E extends keyof ClientEvents>(
    event: E,
    listener: (payload: ClientEvents[E], seq: number | undefined) => void,
  ): Stop;
  onAny(listener: AnyListener): Stop;
  onState(listener: (state: ClientState) => void): Stop;
  /** Ends the connection; calls still waiting fail with `cancelled`. Safe to call twice. */
  close(): Promise<void>;
  readonly state: ClientState;
  /** What the gateway said when the connection was last opened. */
  readonly hello: Hello | undefined;
}
