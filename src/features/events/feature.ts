import type { Event, Scope } from "../../contract/define.ts";
import type { Subscription } from "../../contract/frames.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Call, Feature } from "../../feature.ts";
import { utf8Bytes } from "../../rpc/json.ts";
import { type ActiveRun, eventsContract } from "./contract.ts";

/** What a subscription is judged by, and answered with. */
export interface EventsParts {
  /** Undefined for an event nobody declared. */
  readonly eventOf: (name: string) => Event | undefined;
  /** The key a session is kept under. */
  readonly toSessionKey: (given: string) => string;
  /** Runs that go on in these sessions, with the text that has been sent of each. */
  readonly activeRuns: (sessions: readonly string[] | "all") => readonly Required<ActiveRun>[];
}

/** Who is told what. The connections keep it; here it is judged. */
export function createEventsFeature(parts: EventsParts): Feature {
  return eventsContract.implement(() => ({
    handlers: {
      "events.subscribe": ({ sessions, events }, call) => {
        checkEvents(events ?? [], parts, call);
        const keys = Array.isArray(sessions)
          ? [...new Set(sessions.map((key) => parts.toSessionKey(key)))]
          : sessions;
        const subscription: Subscription = {
          ...(keys !== undefined && { sessions: keys }),
          ...(events !== undefined && { events }),
        };
        const seq = follow(call, subscription);
        // In the same step: the next piece of each run's text begins where this one ends.
        return { ...subscription, seq, active: bounded(keys ? parts.activeRuns(keys) : []) };
      },
      "events.unsubscribe": (_params, call) => ({ seq: follow(call, {}) }),
    },
  }));
}

function follow({ caller, fail }: Call<"invalid_request">, subscription: Subscription): number {
  if (caller.follow) return caller.follow(subscription);
  return fail("invalid_request", "Cannot subscribe to events over HTTP: they are told on a socket");
}

function checkEvents(
  names: readonly string[],
  { eventOf }: EventsParts,
  call: Call<"invalid_params" | "forbidden">,
): void {
  const unknown = names.filter((name) => !eventOf(name));
  if (unknown.length > 0) {
    const said = unknown.map((name) => JSON.stringify(name)).join(", ");
    call.fail("invalid_params", `Cannot subscribe to ${said}: no such event`, { details: { unknown } });
  }
  for (const name of names) {
    const scope: Scope | undefined = eventOf(name)?.scope;
    if (scope === undefined || call.caller.scopes.includes(scope)) continue;
    const message = `Cannot subscribe to "${name}": needs the scope "${scope}"`;
    call.fail("forbidden", message, { details: { missingScope: scope } });
  }
}

/** As much text as fits one answer; the runs themselves are always told. */
function bounded(runs: readonly Required<ActiveRun>[]): ActiveRun[] {
  let bytesLeft = LIMITS.activeBytesMax;
  return runs.map(({ text, ...run }) => {
    bytesLeft -= utf8Bytes(JSON.stringify(text));
    return bytesLeft < 0 ? run : { ...run, text };
  });
}
