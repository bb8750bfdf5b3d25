import { z } from "zod";
import { LIMITS } from "../../contract/limits.ts";
import { bare, catchallOf, classic, isObject, memberNamed, objectOption } from "../leaves.ts";
import type { Path } from "../leaves.ts";

/** What is shown in place of a secret. */
export const REDACTED = "***";

/** Ends of names that hold secrets where no schema says so. */
export const SECRET_WORDS =
  "(?:key|token|secret|password|passphrase|passcode|passwd|pwd|authorization|bearer|credential|cookie)s?";
const SECRET_NAME = new RegExp(`${SECRET_WORDS}$`, "i");
/** What people put secrets into under names of their own. */
const SECRET_MEMBERS = /^(?:env|vars|headers)$/i;

/** Every secret text in a value, for the log to hide wherever it turns up. */
export function secretValues(schema: z.ZodType | undefined, value: unknown): readonly string[] {
  const texts = new Set<string>();
  mapSecrets(schema, value, (secret) => {
    collectTexts(secret, texts);
    return secret;
  });
  return [...texts];
}

/** Adds every text in a secret that is long enough to be told from an ordinary word. */
export function collectTexts(value: unknown, found: Set<string>): void {
  if (typeof value === "string" && value.length >= LIMITS.hiddenCharsMin) found.add(value);
  if (typeof value !== "object" || value === null) return;
  for (const member of Object.values(value)) collectTexts(member, found);
}

/** A secret as a whole (text, or whatever a secret key holds) and where it is. */
export type OnSecret = (secret: unknown, path: Path) => unknown;

/**
 * A deep copy of a value with another in place of each secret: the schema says what is one, or else names
 * do.
 */
export function mapSecrets(schema: z.ZodType | undefined, value: unknown, onSecret: OnSecret): unknown {
  return visit({ schema, named: false }, value, { path: [], onSecret });
}

/** What is known of a part: its schema, or whether its name tells that it is a secret. */
interface Guard {
  readonly schema: z.ZodType | undefined;
  readonly named: boolean;
}

interface Walk {
  readonly path: Path;
  readonly onSecret: OnSecret;
}

function visit(guard: Guard, value: unknown, walk: Walk): unknown {
  const { path, onSecret } = walk;
  const known = guard.schema && bare(guard.schema);
  if (known?.meta.secret ? value !== undefined : guard.named && isTelling(path, value))
    return onSecret(value, path);
  if (typeof value === "string" && isTellingUrl(value)) return onSecret(value, path);
  if (Array.isArray(value)) {
    const element = known?.schema instanceof z.ZodArray ? precise(classic(known.schema.element)) : undefined;
    return value.map((item, index) =>
      visit({ schema: element, named: false }, item, { ...walk, path: [...path, index] }),
    );
  }
  if (!isObject(value)) return value;
  const member = memberOf(known?.schema, value);
  const allNamed = SECRET_MEMBERS.test(String(path.at(-1)));
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => {
      const schema = member(name);
      const named =
        schema === undefined && (SECRET_NAME.test(name) || (allNamed && typeof item === "string"));
      return [name, visit({ schema, named }, item, { ...walk, path: [...path, name] })];
    }),
  );
}

/** A switch is no secret whatever it is called, and a number of tokens is a count. */
function isTelling(path: Path, value: unknown): boolean {
  if (typeof value === "number") return !/tokens$/i.test(String(path.at(-1)));
  return value !== null && value !== undefined && typeof value !== "boolean";
}

const URL_WITH_USER = /^(?:https?:\/\/[^/?#\s]+|[a-z][a-z\d+.-]*:\/\/[^/?#\s:]*:[^/?#\s]+)@/i;

/** An address with a password in it, or with a parameter that is called like a secret. */
export function isTellingUrl(text: string): boolean {
  if (!text.includes("://")) return false;
  if (URL_WITH_USER.test(text)) return true;
  if (!/^[a-z][a-z\d+.-]*:\/\/\S+$/i.test(text)) return false;
  return [...text.matchAll(/[?&#]([^=?&#\s]+)=[^&#\s]/g)].some(([, name = ""]) => SECRET_NAME.test(name));
}

type Member = (name: string) => z.ZodType | undefined;

function memberOf(schema: z.ZodType | undefined, value: object): Member {
  if (schema instanceof z.ZodUnion) return memberOf(objectOption(schema, value), value);
  if (schema instanceof z.ZodRecord) {
    const entry = precise(classic(schema.valueType));
    return () => entry;
  }
  if (!(schema instanceof z.ZodObject)) return () => undefined;
  const rest = catchallOf(schema);
  const other = rest && precise(rest);
  return (name) => {
    const named = memberNamed(schema, name);
    return named ? precise(named) : other;
  };
}

/** `unknown` says nothing about a part, so that its name is what counts; unless it is said to be secret. */
function precise(wrapped: z.ZodType): z.ZodType | undefined {
  const { schema, meta } = bare(wrapped);
  const isVague = schema instanceof z.ZodUnknown || schema instanceof z.ZodAny;
  return isVague && meta.secret !== true ? undefined : wrapped;
}
