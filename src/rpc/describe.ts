import { z } from "zod";
import { ERRORS } from "../contract/errors.ts";
import type { Events, Method, Methods } from "../contract/define.ts";
import type { Table } from "./table.ts";

type JsonSchema = Record<string, unknown>;

/** A document of every method and event. Events stand under `x-events`: OpenRPC has no word for them. */
export interface OpenRpc {
  readonly openrpc: "1.3.2";
  readonly info: { readonly title: string; readonly version: string };
  readonly methods: readonly JsonSchema[];
  readonly "x-events": readonly JsonSchema[];
}

/** What a description needs of a feature, a contract or a table. */
export interface Described {
  readonly methods: Methods;
  readonly events: Events;
}

/** The document of what is served now, plugins included. */
export function describeTable(version: string, table: Table): OpenRpc {
  const methods = Object.fromEntries(table.methods().map((entry) => [entry.name, entry.method]));
  const events = Object.fromEntries(table.events().map((entry) => [entry.name, entry.event]));
  return describeApi(version, [{ methods, events }]);
}

/** @source OpenRPC 1.3.2 (params by name, error objects with JSON-RPC numbers) */
export function describeApi(version: string, parts: readonly Described[]): OpenRpc {
  const methods = parts.flatMap((part) => Object.entries(part.methods));
  const events = parts.flatMap((part) => Object.entries(part.events));
  return {
    openrpc: "1.3.2",
    info: { title: "Gateway", version },
    methods: methods.sort(byName).map(([name, method]) => describeMethod(name, method)),
    "x-events": events.sort(byName).map(([name, event]) => ({
      name,
      summary: event.summary,
      "x-scope": event.scope,
      "x-delivery": event.delivery,
      payload: toSchema(event.data, "output"),
    })),
  };
}

function describeMethod(name: string, method: Method): JsonSchema {
  const { properties = {}, required = [] } = toSchema(method.params, "input") as {
    properties?: Record<string, JsonSchema>;
    required?: string[];
  };
  return {
    name,
    summary: method.summary,
    paramStructure: "by-name",
    params: Object.entries(properties).map(([key, schema]) => ({
      name: key,
      required: required.includes(key),
      schema,
    })),
    result: { name: "result", schema: toSchema(method.result, "output") },
    errors: method.errors.map((code) => ({ code: ERRORS[code].jsonrpc, message: code })),
    "x-scope": method.scope,
    "x-effect": method.effect,
  };
}

function toSchema(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1;
}
