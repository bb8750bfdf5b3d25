import { createShapeBook, type JsonSchema } from "./shapes.ts";
import type { Delivery, Events, Methods, Scope } from "../../src/contract/define.ts";
import { SCOPES } from "../../src/contract/define.ts";
import { CLOSE, ERRORS, type ErrorCode } from "../../src/contract/errors.ts";
import * as frames from "../../src/contract/frames.ts";
import { LIMITS } from "../../src/contract/limits.ts";
import { contracts } from "../../src/features/contracts.ts";

export type MethodEntry = {
  readonly summary: string;
  readonly scope: Scope;
  readonly effect: boolean;
  readonly errors: readonly ErrorCode[];
  readonly params: JsonSchema;
  readonly result: JsonSchema;
};

export type EventEntry = {
  readonly summary: string;
  readonly scope: Scope;
  readonly delivery: Delivery;
  readonly replay: boolean;
  readonly payload: JsonSchema;
};

/** All that the contracts say, as plain data: what both generated files are written from. */
export type Protocol = {
  readonly version: number;
  readonly scopes: readonly Scope[];
  readonly connect: { readonly params: JsonSchema; readonly result: JsonSchema };
  readonly methods: Readonly<Record<string, MethodEntry>>;
  readonly events: Readonly<Record<string, EventEntry>>;
  readonly shapes: Readonly<Record<string, JsonSchema>>;
  readonly errors: typeof ERRORS;
  readonly closeCodes: typeof CLOSE;
  readonly limits: typeof LIMITS;
};

/** @param shapeModules modules whose exported schemas get a name in the result */
export function readProtocol(shapeModules: readonly Readonly<Record<string, unknown>>[]): Protocol {
  const book = createShapeBook([frames, ...shapeModules]);
  const methods: Record<string, MethodEntry> = {};
  const events: Record<string, EventEntry> = {};
  // Widened: the features' own types say more than is read here.
  const all: readonly { readonly methods: Methods; readonly events: Events }[] = contracts;
  for (const contract of all) {
    for (const [name, method] of Object.entries(contract.methods)) {
      const { summary, scope, effect, errors } = method;
      const params = book.add(method.params, "input");
      const result = book.add(method.result, "output");
      methods[name] = { summary, scope, effect, errors, params, result };
    }
    for (const [name, event] of Object.entries(contract.events)) {
      const { summary, scope, delivery, replay } = event;
      events[name] = { summary, scope, delivery, replay, payload: book.add(event.data, "output") };
    }
  }
  const connect = {
    params: book.add(frames.ConnectParams(), "input"),
    result: book.add(frames.Hello(), "output"),
  };
  return {
    version: frames.PROTOCOL_VERSION,
    scopes: SCOPES,
    connect,
    methods: sortKeys(methods),
    events: sortKeys(events),
    shapes: sortKeys(Object.fromEntries(book.shapes)),
    errors: ERRORS,
    closeCodes: CLOSE,
    limits: LIMITS,
  };
}

function sortKeys<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
