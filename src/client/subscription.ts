import { toRecord } from "./errors.ts";
import type { ConnectParams } from "./protocol.ts";

/** What this client has asked to be told of, over all its connections. */
export type Subscribed = {
  /** What to present with a new connection; undefined: nothing was asked for. */
  current(): Subscription | undefined;
  /** Takes note of a call that the gateway has answered. */
  note(method: string, result: unknown): void;
};

type Subscription = NonNullable<ConnectParams["subscribe"]>;

/** @param first what to ask for with the first connection */
export function createSubscribed(first: Subscription | undefined): Subscribed {
  let current = first;
  return {
    current: () => current,
    note(method, result) {
      if (method === "events.unsubscribe") current = undefined;
      if (method !== "events.subscribe") return;
      // As the gateway understood it: the keys of sessions are its own.
      const { sessions, events } = toRecord(result);
      const isTexts = (value: unknown): value is string[] =>
        Array.isArray(value) && value.every((one) => typeof one === "string");
      current = {
        ...((sessions === "all" || isTexts(sessions)) && { sessions }),
        ...(isTexts(events) && { events }),
      };
    },
  };
}
