import { z } from "zod";
import type { Events, Methods } from "../../contract/define.ts";
import type { Offers } from "../running.ts";

/** What JSON Schema has no words for may be anything. */
const WIRE = { io: "input", unrepresentable: "any" } as const;

/** Methods as plain data, their schemas as JSON Schema. */
export function methodOffers(methods: Methods): Offers["methods"] {
  return Object.entries(methods).map(([name, { scope, summary, effect, errors, params, result }]) => ({
    name,
    scope,
    summary,
    effect,
    errors,
    params: z.toJSONSchema(params, WIRE),
    result: z.toJSONSchema(result, WIRE),
  }));
}

export function eventOffers(events: Events): Offers["events"] {
  return Object.entries(events).map(([name, { scope, delivery, summary, replay, data }]) => ({
    name,
    scope,
    delivery,
    summary,
    replay,
    data: z.toJSONSchema(data, WIRE),
  }));
}
