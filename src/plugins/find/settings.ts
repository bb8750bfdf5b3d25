import { z } from "zod";
import { messageOf } from "../../contract/errors.ts";
import { isObject } from "../../rpc/json.ts";
import { wordsOfEach } from "./words.ts";

type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * Settings against the schema of a manifest, before any code is loaded. Patterns are left to the plugin's own
 * schema: one of them could hold up whoever tries it, and that is not to be the gateway.
 *
 * @returns what does not fit, each with its place
 */
export function checkSettings(schema: JsonSchema | undefined, settings: unknown): readonly string[] {
  if (!schema) return [];
  try {
    const read = z.fromJSONSchema(checkable(schema)).safeParse(settings ?? {});
    return read.success ? [] : wordsOfEach(read.error);
  } catch (error) {
    return [messageOf(error)];
  }
}

/** Why a manifest's schema cannot be used; undefined: it can. */
export function problemOfSchema(schema: JsonSchema): string | undefined {
  if (schema["type"] !== "object") return 'wanted "type": "object"';
  try {
    z.fromJSONSchema(checkable(schema));
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

const BY_NAME: ReadonlySet<string> = new Set(["properties", "$defs", "definitions", "dependentSchemas"]);
const SCHEMAS: ReadonlySet<string> = new Set([
  ...["anyOf", "oneOf", "allOf", "prefixItems"],
  ...["items", "additionalItems", "additionalProperties", "propertyNames", "contains", "not"],
]);
const LEFT_OUT: ReadonlySet<string> = new Set(["pattern", "patternProperties", "$schema", "$id"]);
/** A few lines of references can stand for more than any machine can try. */
const REFUSED: ReadonlySet<string> = new Set(["$ref", "$dynamicRef", "$recursiveRef"]);

function checkable(schema: JsonSchema): JsonSchema {
  // What fits a pattern is another property then: nobody may say that there are no others.
  const isOpen = schema["patternProperties"] !== undefined;
  return Object.fromEntries(
    Object.entries(schema).flatMap(([key, value]) => {
      if (REFUSED.has(key)) throw new Error(`"${key}" is not supported`);
      if (LEFT_OUT.has(key) || (isOpen && key === "additionalProperties")) return [];
      return [[key, checkablePart(key, value)]];
    }),
  );
}

function checkablePart(key: string, value: unknown): unknown {
  const sub = (part: unknown): unknown => {
    // Older schemas have one for each place in a list, as `items`.
    if (Array.isArray(part)) return part.map(sub);
    return isObject(part) ? checkable(part) : part;
  };
  if (BY_NAME.has(key) && isObject(value))
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, sub(part)]));
  return SCHEMAS.has(key) ? sub(value) : value;
}
