import { z } from "zod";
import { bare, catchallOf, classic, isObject, memberNamed, objectOption } from "./leaves.ts";

export const HIDDEN = "***";

/** Shorter text would hide ordinary words wherever it occurs, and keeps no one out. */
const SECRET_CHARS_MIN = 6;

/** Names that hold secrets where no schema says so. */
const SECRET_NAME = /(?:key|token|secret|password|passphrase|authorization|credential|cookie)s?$/i;

/**
 * A copy of a value with every secret replaced by `***`. What the schema does not know is judged by its
 * name.
 */
export function redact(schema: z.ZodType | undefined, value: unknown): unknown {
  return copy(schema, value, () => HIDDEN);
}

/** Every secret text in a value, for the log to hide wherever it turns up. */
export function secretValues(schema: z.ZodType | undefined, value: unknown): readonly string[] {
  const found = new Set<string>();
  copy(schema, value, (secret) => {
    collectTexts(secret, found);
    return HIDDEN;
  });
  return [...found];
}

function collectTexts(value: unknown, found: Set<string>): void {
  if (typeof value === "string" && value.length >= SECRET_CHARS_MIN) found.add(value);
  if (typeof value !== "object" || value === null) return;
  for (const member of Object.values(value)) collectTexts(member, found);
}

type Hide = (secret: unknown) => unknown;

function copy(wrapped: z.ZodType | undefined, value: unknown, hide: Hide): unknown {
  const known = wrapped && bare(wrapped);
  if (known?.meta.secret && value !== undefined) return hide(value);
  if (Array.isArray(value)) {
    const element = known?.schema instanceof z.ZodArray ? classic(known.schema.element) : undefined;
    return value.map((item) => copy(element, item, hide));
  }
  if (!isObject(value)) return value;
  const member = memberOf(known?.schema, value);
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => {
      const schema = member(name);
      const hidden = schema === undefined && SECRET_NAME.test(name) && item !== null;
      return [name, hidden ? hide(item) : copy(schema, item, hide)];
    }),
  );
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
