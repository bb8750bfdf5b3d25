import type { Clock, Timers } from "../ports.ts";
import type { FetchLike } from "./exchange.ts";
import type { ChatModel } from "./model.ts";

/** A server of models, as configured. */
export type Endpoint = {
  /** The first half of its model references. */
  readonly provider: string;
  /** With its version path, as in `http://127.0.0.1:11434/v1`. */
  readonly baseUrl: string;
  /** Servers at home often want none: then no credential is sent. */
  readonly apiKey?: string;
};

export type EndpointPorts = { readonly fetch: FetchLike; readonly timers: Timers; readonly clock: Clock };

/** One model of a server, as configured or known. */
export type ModelSettings = {
  readonly model: string;
  readonly contextWindow: number;
  /** Tokens of one answer; without it the server's own bound counts. */
  readonly maxTokens?: number | undefined;
  readonly seesImages: boolean;
};

/** The models of one server. */
export type ChatProvider = (settings: ModelSettings) => ChatModel;

/** Tries after the first one, with the library's pauses (0.5 to 8 s, or what the server asks for). */
export const RETRIES = 2;

/** The library's own deadline, out of the way: `Exchange` bounds every wait. The longest a timer takes. */
export const LIBRARY_TIMEOUT_MS = 2 ** 31 - 1;

/** Stands where the library insists on a key; it never leaves the process. */
export const NO_KEY = "none";
