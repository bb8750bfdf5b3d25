import type { z } from "zod";
import type { Event, Events, Method, Methods, Scope } from "./contract/define.ts";
import type { ErrorCode, ErrorExtra } from "./contract/errors.ts";
import type { Subscription } from "./contract/frames.ts";
import type { Clock, Crypto, Log, Stop, Timers } from "./ports.ts";

/** Who asks. The same object for every request of one connection. */
export interface Caller {
  /** The connection, or the HTTP request. */
  readonly connId: string;
  /** The credential and the client's own name for itself: what idempotency keys belong to. */
  readonly subject: string;
  /** What it calls itself, for people; unverified. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** `Clock.elapsed()` of the moment it connected. */
  readonly connectedMs: number;
  /** It is a plugin of this gateway, and so runs that it begins are a plugin's, whatever the method. */
  readonly origin?: "plugin" | undefined;
  /**
   * Runs `work` when the caller has gone away, at once if it has already; the returned function takes it
   * back.
   */
  onGone(work: () => void): Stop;
  /**
   * From here on the connection hears what this says, and no longer what was said before; undefined where
   * there is no connection to hear anything. Its session keys are those the gateway keeps.
   *
   * @returns number of the last event that went by the old one
   */
  readonly follow?: ((subscription: Subscription) => number) | undefined;
}

/** One request as its handler sees it. `fail` takes only the codes the method declares. */
export interface Call<E extends ErrorCode = ErrorCode> {
  readonly caller: Caller;
  /** @param message `Cannot VERB THING "VALUE": STATE` */
  fail(code: E, message: string, extra?: ErrorExtra): never;
}

export type Handler<M> =
  M extends Method<infer P, infer R>
    ? (params: z.output<P>, call: Call<M["errors"][number]>) => z.input<R> | Promise<z.input<R>>
    : never;

export type Handlers<Ms extends Methods> = { readonly [K in keyof Ms]: Handler<Ms[K]> };

/** Whom an event concerns, where it is not everybody: those who follow the session, and who began its run. */
export interface Audience {
  /** As the gateway keeps it. */
  readonly sessionKey: string;
  /** {@link Caller.subject} of who began it; empty for nobody who could be told. */
  readonly owner: string;
}

/** How one event goes out, where that differs from its declaration. */
export interface PublishOptions {
  /** Skip clients whose buffer is over its limit, as if the event were `latest`. */
  readonly dropIfSlow?: boolean;
  /** For `latest`: what a slow client gets when it drains is the newest of each key. */
  readonly key?: string;
  /**
   * Absent: every client. Otherwise those that follow the session or all sessions, and the owner's clients
   * that have not said what they follow.
   */
  readonly audience?: Audience;
}

type Payload<E> = E extends Event<infer D> ? z.input<D> : never;

export type Publish<Es extends Events> = <K extends keyof Es & string>(
  event: K,
  payload: Payload<Es[K]>,
  options?: PublishOptions,
) => void;

/** What a feature is given when it starts, and all it may use. */
export interface FeatureContext<Es extends Events = Events, C extends z.ZodObject = z.ZodObject> {
  /** The feature's section of the configuration now in force; read at use, never kept. */
  config(): z.output<C>;
  readonly publish: Publish<Es>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly crypto: Crypto;
  readonly log: Log;
  /** Called in reverse order when the feature stops. */
  onStop(stop: () => void | Promise<void>): void;
}

/** A contract with its handlers: what `gateway.ts` lists and a plugin exports. */
export interface Feature {
  readonly name: string;
  readonly methods: Methods;
  readonly events: Events;
  readonly config: (() => z.ZodObject) | undefined;
  start(ctx: FeatureContext): { readonly handlers: Readonly<Record<string, AnyHandler>> };
}

/** A handler whose types have been checked by `implement` and forgotten. */
export type AnyHandler = (params: never, call: Call) => unknown;

interface ContractSpec<Ms extends Methods, Es extends Events, C extends z.ZodObject> {
  /** Also the name of its section in the configuration. */
  readonly name: string;
  readonly config?: () => C;
  readonly methods: Ms;
  readonly events: Es;
}

/** What a feature says, before who answers it. */
export interface Contract<Ms extends Methods, Es extends Events, C extends z.ZodObject> extends ContractSpec<
  Ms,
  Es,
  C
> {
  /** Adds the answers. A missing handler, a wrong result or an undeclared error code does not compile. */
  implement(start: (ctx: FeatureContext<Es, C>) => { readonly handlers: Handlers<Ms> }): Feature;
}

/**
 * Declares a feature: its configuration section, methods and events, each written once. The one way
 * to add behaviour, for the gateway itself and for plugins.
 *
 * @example
 * const pets = contract({ name: "pets", methods: { "pets.list": method({ … }) }, events: {} });
 * const feature = pets.implement((ctx) => ({ handlers: { "pets.list": () => ({ pets: [] }) } }));
 */
export function contract<Ms extends Methods, Es extends Events, C extends z.ZodObject = z.ZodObject>(
  spec: ContractSpec<Ms, Es, C>,
): Contract<Ms, Es, C> {
  return {
    ...spec,
    implement: (start) => ({
      name: spec.name,
      methods: spec.methods,
      events: spec.events,
      config: spec.config,
      // Who starts it passes the context of this very contract.
      start,
    }),
  };
}

/** A lifetime: what starts inside it registers its stop, and all stops run in reverse. */
export interface Lifetime {
  onStop(stop: () => void | Promise<void>): void;
  /** Runs every stop, the last registered first, each even if another throws. Runs once. */
  stop(): Promise<void>;
}

/** @param onError told of each stop that throws or rejects */
export function createLifetime(onError: (error: unknown) => void): Lifetime {
  const stops: (() => void | Promise<void>)[] = [];
  let stopping: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    for (let stop = stops.pop(); stop; stop = stops.pop()) {
      try {
        await stop();
      } catch (error) {
        onError(error);
      }
    }
  };
  return {
    onStop: (stop) => void stops.push(stop),
    stop: () => (stopping ??= run()),
  };
}
