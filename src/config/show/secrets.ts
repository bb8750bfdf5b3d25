import { z } from "zod";
import { LIMITS } from "../../contract/limits.ts";
import { bare, catchallOf, classic, isObject, memberNamed, objectOption } from "../leaves.ts";
import type { Path } from "../leaves.ts";

/** What is shown in place of a secret. */
export const REDACTED = "***";

/** Ends of names that hold secrets where no schema says so. */
export const SECRET_WORDS =
  "(?:key|token|secret|password|passphrase|passcode|passwd|pwd|authorization|bearer|credential|cookie)s?";
/** Names that say so. */
export const SECRET_NAME = new RegExp(`${SECRET_WORDS}$`, "i");
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
  if (typeof value === "string") {
    for (const text of [value, optionOf(value)?.value ?? ""])
      if (text.length >= LIMITS.hiddenCharsMin) found.add(text);
  }
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
  if (typeof value === "string" && isTellingText(guard, value, path)) return onSecret(value, path);
  if (Array.isArray(value)) {
    const element = known?.schema instanceof z.ZodArray ? precise(classic(known.schema.element)) : undefined;
    return value.map((item, index) => {
      const inside = { ...walk, path: [...path, index] };
      return isOptionValue(value, index)
        ? onSecret(item, inside.path)
        : visit({ schema: element, named: false }, item, inside);
    });
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

/** Text that is a secret though nothing says that all at its place are. */
function isTellingText({ schema }: Guard, text: string, path: Path): boolean {
  const isArgument = typeof path.at(-1) === "number" && optionOf(text)?.value !== undefined;
  if (isArgument || isTellingUrl(text)) return true;
  if (schema || !text.includes("://")) return false;
  const names = path.filter((step) => typeof step === "string").slice(-2);
  return names.some((name) => /webhook/i.test(name));
}

// --- arguments of programs ---

const OPTION = new RegExp(`^(-{0,2}(?!-)[\\w.-]*?${SECRET_WORDS})(?:(?:=|:\\s)\\s*(.*))?$`, "is");

/** `--api-key`, `--api-key=VALUE`, `API_KEY=VALUE` or `Authorization: VALUE`. */
function optionOf(text: string): { readonly name: string; readonly value: string | undefined } | undefined {
  const [, name, value] = OPTION.exec(text) ?? [];
  if (name === undefined || (value && isCount(name, value))) return undefined;
  return { name, value: value || undefined };
}

/** The option before an element of a list, if what follows it is a secret. */
export function optionBefore(list: readonly unknown[], index: number): string | undefined {
  const before = list[index - 1];
  if (typeof before !== "string" || !before.startsWith("-")) return undefined;
  const option = optionOf(before);
  return option?.value === undefined ? option?.name : undefined;
}

/** Whether an element of a list is what the option before it takes, and not the next option. */
function isOptionValue(list: readonly unknown[], index: number): boolean {
  const item = list[index];
  const isValue = typeof item === "number" || (typeof item === "string" && !item.startsWith("--"));
  const option = isValue ? optionBefore(list, index) : undefined;
  return option !== undefined && !isCount(option, String(item));
}

function isCount(name: string, value: string): boolean {
  return /tokens$/i.test(name) && /^\d+$/.test(value);
}

// --- addresses ---

const URL_WITH_USER = /^(?:https?:\/\/[^/?#\s]+|[a-z][a-z\d+.-]*:\/\/[^/?#\s:]*:[^/?#\s]+)@/i;

/** Addresses that let in whoever knows them. */
const SECRET_PATHS = [
  /^https?:\/\/hooks\.[^/?#\s]+\/[^?#\s]*[^/?#\s]{6}/i,
  /^https?:\/\/(?:[^/?#@\s]*\.)?discord(?:app)?\.com\/api\/(?:v\d+\/)?webhooks\/./i,
  /^https?:\/\/[^?#\s]*?\/(?:file\/)?bot\d+:[\w-]/i,
  /^https?:\/\/[^?#\s]*?\/(?:web)?hooks?(?:b\d)?\/(?=[^?#\s]{0,200}\d)[^?#\s]{16}/i,
];

/** An address with a password in it or in its path, or with a parameter that is called like a secret. */
export function isTellingUrl(text: string): boolean {
  if (!text.includes("://")) return false;
  if (URL_WITH_USER.test(text)) return true;
  if (!/^[a-z][a-z\d+.-]*:\/\/\S+$/i.test(text)) return false;
  if (SECRET_PATHS.some((secret) => secret.test(text))) return true;
  return [...text.matchAll(/[?&#]([^=?&#\s]+)=[^&#\s]/g)].some(([, name = ""]) => SECRET_NAME.test(name));
}

type Member = (name: string) => z.ZodType | undefined;

function memberOf(schema: z.ZodType | undefined, value: object): Member {
  if (schema instanceof z.ZodUnion) return memberOf(objectOption(schema, value), value);
  if (schema instanceof z.ZodRecord) {
    // Not before there is one: what entries are is made when it is first looked at.
    return () => precise(classic(schema.valueType));
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
