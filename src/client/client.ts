import { backoffMs, type Reconnect, toReconnect } from "./backoff.ts";
import { type CallOptions, createCallTable } from "./calls.ts";
import { createTracker, toResync } from "./cursor.ts";
import { GatewayError } from "./errors.ts";
import { type Frame, type Link, openLink } from "./link.ts";
import { createListeners, type Stop } from "./listeners.ts";
import { type ConnectParams, type Hello, KEYED_METHODS, PROTOCOL_VERSION } from "./protocol.ts";
import { createSubscribed, type Subscribed } from "./subscription.ts";
import type {
  AnyListener,
  CallArgs,
  ClientCredential,
  ClientEvents,
  ClientOptions,
  ClientState,
  GatewayClient,
  MethodName,
  ResultOf,
} from "./types.ts";

/**
 * Makes a client of one gateway; opens nothing yet.
 *
 * @example
 * const gateway = createGatewayClient({ url: "ws://127.0.0.1:18789/ws", token });
 * await gateway.connect();
 * gateway.on("chat", (event) => …);
 * await gateway.call("chat.send", { sessionKey: "main", message: "Hello" });
 */
export function createGatewayClient(options: ClientOptions): GatewayClient {
  return new Client(options);
}

/** A key no other call has: 128 random bits in hexadecimal. */
export function createIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const CONNECT_TIMEOUT_MS = 10_000;
/** A connection that lasted this long was a good one: the next break starts the waits from the beginning. */
const STABLE_MS = 10_000;
/** Ticks that may be missing before a silent connection counts as dead. */
const TICKS_MISSED_MAX = 2.5;

/** A client from its making to its end, over all its connections. */
class Client implements GatewayClient {
  readonly #options: ClientOptions;
  readonly #reconnect: Reconnect | undefined;
  readonly #calls = createCallTable();
  readonly #tracker = createTracker();
  readonly #subscribed: Subscribed;
  readonly #events = createListeners<[string, Readonly<Record<string, unknown>>, number | undefined]>();
  readonly #states = createListeners<[ClientState]>();
  #credential: ClientCredential;
  /** Those that have not been tried since the last connection. */
  #others: AsyncIterator<ClientCredential> | undefined;
  #state: ClientState = { name: "idle" };
  #hello: Hello | undefined;
  #link: Link | undefined;
  #connecting: PromiseWithResolvers<Hello> | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #watchdog: ReturnType<typeof setInterval> | undefined;
  #attempt = 0;
  #isFirst = true;
  #lostAtMs = 0;
  #readyAtMs: number | undefined;
  #heardAtMs = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#subscribed = createSubscribed(options.subscribe);
    this.#credential = { token: options.token, password: options.password };
    this.#reconnect = options.reconnect === false ? undefined : toReconnect(options.reconnect ?? {});
  }

  get state(): ClientState {
    return this.#state;
  }

  get hello(): Hello | undefined {
    return this.#hello;
  }

  connect(): Promise<Hello> {
    if (this.#state.name === "ready") return Promise.resolve(this.#state.hello);
    if (this.#connecting) return this.#connecting.promise;
    const connecting = Promise.withResolvers<Hello>();
    this.#connecting = connecting;
    if (this.#state.name === "idle" || this.#state.name === "closed") {
      this.#attempt = 0;
      this.#isFirst = true;
      this.#lostAtMs = performance.now();
      this.#open();
    }
    return connecting.promise;
  }

  call<M extends MethodName>(method: M, ...[params, options]: CallArgs<M>): Promise<ResultOf<M>> {
    // The gateway checks its own results against the contract these types were generated from.
    return this.request(method, params, options) as Promise<ResultOf<M>>;
  }

  async request(
    method: string,
    params: Readonly<Record<string, unknown>> = {},
    options: CallOptions = {},
  ): Promise<unknown> {
    const { name } = this.#state;
    if (name === "idle" || name === "closed") throw this.#stateError(method);
    const given = options.idempotencyKey ?? params.idempotencyKey;
    const idempotencyKey =
      typeof given === "string" ? given : KEYED_METHODS.includes(method) ? createIdempotencyKey() : undefined;
    const result = await this.#calls.start(
      method,
      params,
      idempotencyKey === undefined ? options : { ...options, idempotencyKey },
    );
    this.#subscribed.note(method, result);
    return result;
  }

  on<E extends keyof ClientEvents>(
    event: E,
    listener: (payload: ClientEvents[E], seq: number | undefined) => void,
  ): Stop {
    return this.#events.add((name, payload, seq) => {
      // As with results: the payload is what the contract says of this event.
      if (name === event) listener(payload as unknown as ClientEvents[E], seq);
    });
  }

  onAny(listener: AnyListener): Stop {
    return this.#events.add(listener);
  }

  onState(listener: (state: ClientState) => void): Stop {
    return this.#states.add(listener);
  }

  async close(): Promise<void> {
    const link = this.#link;
    this.#end(
      new GatewayError("cancelled", "Cannot get an answer any more: this client was closed"),
      "asked",
    );
    await link?.close();
  }

  // --- connections ---

  #open(): void {
    const { url, connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.#options;
    this.#become({ name: "connecting" });
    try {
      this.#link = openLink({
        url,
        WebSocket: this.#options.WebSocket ?? WebSocket,
        params: this.#connectParams(),
        timeoutMs: connectTimeoutMs,
        onHello: (hello) => this.#greet(hello),
        onFrame: (frame) => this.#take(frame),
        onEnd: (error, final) => this.#lose(error, final),
      });
    } catch (error) {
      // Nothing to come back to: the URL itself is wrong.
      this.#end(toGatewayError(error), "failed");
    }
  }

  #connectParams(): ConnectParams {
    const { client, scopes } = this.#options;
    const { token, password } = this.#credential;
    const auth = { token, password };
    const subscribe = this.#subscribed.current();
    return {
      minProtocol: PROTOCOL_VERSION,
      maxProtocol: PROTOCOL_VERSION,
      client: client ?? { id: "gateway-client" },
      ...(token !== undefined || password !== undefined ? { auth } : {}),
      ...(scopes ? { scopes: [...scopes] } : {}),
      ...(subscribe && { subscribe }),
      resume: this.#tracker.cursor(),
    };
  }

  #greet(hello: Hello): void {
    const resync = this.#tracker.greet(hello.resume);
    this.#hello = hello;
    this.#isFirst = false;
    this.#others = undefined;
    this.#readyAtMs = performance.now();
    this.#watch(hello);
    this.#become({ name: "ready", hello });
    this.#connecting?.resolve(hello);
    this.#connecting = undefined;
    if (resync) this.#events.tell("resync", resync, undefined);
    const { maxInflight, maxPayload } = hello.policy;
    const link = this.#link;
    // A listener may have closed this client meanwhile.
    if (!link || this.#state.name !== "ready") return;
    this.#calls.open({
      inflightMax: maxInflight,
      frameBytesMax: maxPayload,
      send: (text) => link.send(text),
    });
  }

  #take(frame: Frame): void {
    this.#heardAtMs = performance.now();
    if (typeof frame.event !== "string") return this.#calls.settle(frame);
    const { event, seq: _, ...payload } = frame;
    const seq = this.#tracker.see(frame);
    this.#events.tell(event, event === "resync" ? toResync(payload) : payload, seq);
  }

  /** A connection whose other end vanished says nothing at all, not even that it ended. */
  #watch({ policy, auth }: Hello): void {
    this.#heardAtMs = performance.now();
    // Ticks go only to those who may read.
    if (!auth.scopes.some((scope) => scope === "read" || scope === "write" || scope === "admin")) return;
    const silentMsMax = policy.tickIntervalMs * TICKS_MISSED_MAX;
    this.#watchdog = setInterval(() => {
      if (performance.now() - this.#heardAtMs < silentMsMax) return;
      this.#link?.drop(`Cannot stay connected to the gateway: not a word in ${silentMsMax} ms`);
    }, policy.tickIntervalMs);
  }

  #lose(error: GatewayError, final: boolean): void {
    clearInterval(this.#watchdog);
    this.#link = undefined;
    const now = performance.now();
    if (this.#readyAtMs !== undefined) {
      this.#lostAtMs = now;
      if (now - this.#readyAtMs >= STABLE_MS) this.#attempt = 0;
    }
    this.#readyAtMs = undefined;
    const isRefused = error.code === "unauthorized" && !this.#isFirst && this.#reconnect;
    if (isRefused && this.#options.otherCredentials) return void this.#tryOther(error);
    if (final || !this.#reconnect || (this.#isFirst && !this.#reconnect.first))
      return this.#end(error, "failed");
    const delayMs = Math.max(
      backoffMs(this.#attempt++, Math.random(), this.#reconnect),
      error.retryAfterMs ?? 0,
    );
    if (now + delayMs - this.#lostAtMs > this.#reconnect.giveUpMs) return this.#end(error, "failed");
    this.#calls.lose(error);
    this.#become({ name: "waiting", delayMs, error });
    this.#retryTimer = setTimeout(() => this.#open(), delayMs);
  }

  /** The same gateway wants another credential than before: it may have been given a new one. */
  async #tryOther(refusal: GatewayError): Promise<void> {
    this.#calls.lose(refusal);
    this.#become({ name: "waiting", delayMs: 0, error: refusal });
    try {
      this.#others ??= this.#options.otherCredentials?.(this.#credential)[Symbol.asyncIterator]();
      const next = await this.#others?.next();
      // Closed, or even connected anew, meanwhile.
      if (this.#state.name !== "waiting" || this.#state.error !== refusal) return;
      if (!next || next.done) return this.#end(refusal, "failed");
      this.#credential = next.value;
    } catch (error) {
      return this.#end(toGatewayError(error), "failed");
    }
    this.#open();
  }

  #end(error: GatewayError, why: "asked" | "failed"): void {
    clearTimeout(this.#retryTimer);
    clearInterval(this.#watchdog);
    this.#link = undefined;
    if (why === "failed") this.#calls.lose(error);
    this.#calls.end(error);
    this.#connecting?.reject(error);
    this.#connecting = undefined;
    if (this.#state.name === "closed") return;
    this.#become(why === "asked" ? { name: "closed" } : { name: "closed", error });
  }

  #become(state: ClientState): void {
    this.#state = state;
    this.#states.tell(state);
  }

  #stateError(what: string): GatewayError {
    const { state } = this;
    if (state.name === "closed" && state.error) return state.error;
    const where = state.name === "closed" ? "this client is closed" : "connect() comes first";
    return new GatewayError("unavailable", `Cannot call "${what}": ${where}`);
  }
}

function toGatewayError(error: unknown): GatewayError {
  return error instanceof GatewayError
    ? error
    : new GatewayError("internal", `Cannot open a connection: ${String(error)}`, { cause: error });
}
