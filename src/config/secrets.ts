import { z } from "zod";
import { LIMITS } from "../contract/limits.ts";
import { bare, catchallOf, classic, isObject, memberNamed, objectOption } from "./leaves.ts";

/** Names that hold secrets where no schema says so. */
const SECRET_NAME = /(?:key|token|secret|password|passphrase|authorization|credential|cookie)s?$/i;

/** Every secret text in a value, for the log to hide wherever it turns up. */
export function secretValues(schema: z.ZodType | undefined, value: unknown): readonly string[] {
  const texts = new Set<string>();
  walk(schema, value, (secret) => collectTexts(secret, texts));
  return [...texts];
}

function collectTexts(value: unknown, found: Set<string>): void {
  if (typeof value === "string" && value.length >= LIMITS.hiddenCharsMin) found.add(value);
  if (typeof value !== "object" || value === null) return;
  for (const member of Object.values(value)) collectTexts(member, found);
}

/** Walks a value beside its schema and hands every secret in it to `found`. */
function walk(wrapped: z.ZodType | undefined, value: unknown, found: (secret: unknown) => void): void {
  const known = wrapped && bare(wrapped);
  if (known?.meta.secret && value !== undefined) return found(value);
  if (Array.isArray(value)) {
    const element = known?.schema instanceof z.ZodArray ? classic(known.schema.element) : undefined;
    for (const item of value) walk(element, item, found);
  }
  if (!isObject(value)) return;
  const member = memberOf(known?.schema, value);
  for (const [name, item] of Object.entries(value)) {
    const schema = member(name);
    const isSecret = schema === undefined && SECRET_NAME.test(name) && item !== null;
    if (isSecret) found(item);
    else walk(schema, item, found);
  }
}

type Member = (name: string) => z.ZodType | undefined;

function memberOf(schema: z.ZodType | undefined, value: object): Member {
  if (schema instanceof z.ZodUnion) return memberOf(objectOption(schema, value), value);
  if (schema instanceof z.ZodRecord) return () => classic(schema.valueType);
  if (!(schema instanceof z.ZodObject)) return () => undefined;
  const rest = catchallOf(schema);
  // `unknown` says nothing about a member, so that its name is what counts.
  const other = rest instanceof z.ZodUnknown || rest instanceof z.ZodAny ? undefined : rest;
  return (name) => memberNamed(schema, name) ?? other;
}
