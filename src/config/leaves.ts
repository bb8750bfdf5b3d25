import { z } from "zod";

/** What a changed value needs: nothing (read at use), its feature started anew, or the process. */
export type ReloadClass = "live" | "feature" | "process";

declare module "zod" {
  interface GlobalMeta {
    reload?: ReloadClass;
    /** Never shown: `***` in every copy that leaves the process. */
    secret?: boolean;
    /** Of an object: keys of the system we replace that are kept in the file and not used here. */
    unused?: readonly string[];
    /** Of an object: what ignoring such a key means, where that matters. */
    unusedNotes?: Readonly<Record<string, string>>;
    /** Of an object: old keys whose meaning lives elsewhere; ignoring them would change behaviour. */
    moved?: Readonly<Record<string, string>>;
    /** Of a member of an object or a record: why it cannot be used, or undefined. It is kept and left out. */
    skip?: (value: unknown, name: string) => string | undefined;
    /** Of an object: a key nobody knows is kept and left out with a word, and stops nothing. */
    tolerant?: boolean;
  }
}

export type Meta = z.GlobalMeta;
export type Path = readonly (string | number)[];

/** How the text of an environment variable or flag becomes a value. */
export type LeafKind = "text" | "number" | "boolean" | "list" | "json" | "textOrJson";

/** One setting: the finest grain of layers, environment names and reload classes. */
export interface Leaf {
  /** `gateway.auth.token` */
  readonly key: string;
  readonly path: readonly string[];
  /** `CLAWDBOT_GATEWAY_AUTH_TOKEN` */
  readonly env: string;
  readonly kind: LeafKind;
  readonly schema: z.ZodType;
  readonly default: unknown;
  readonly secret: boolean;
  readonly reload: ReloadClass;
  readonly description: string;
}

export interface Bare {
  readonly schema: z.ZodType;
  readonly meta: Meta;
  readonly default: unknown;
}

const bared = new WeakMap<z.ZodType, Bare>();

/** The schema below its wrappers (`default`, `optional`, …), with what they say. */
export function bare(wrapped: z.ZodType): Bare {
  let found = bared.get(wrapped);
  if (!found) bared.set(wrapped, (found = unwrap(wrapped)));
  return found;
}

function unwrap(wrapped: z.ZodType): Bare {
  let schema = wrapped;
  let meta: Meta = {};
  let fallback: unknown;
  for (;;) {
    meta = { ...schema.meta(), ...meta };
    if (schema instanceof z.ZodDefault) fallback = schema.def.defaultValue;
    if (!isWrapper(schema)) return { schema, meta, default: fallback };
    schema = classic(schema.unwrap());
  }
}

/** Members of classic schemas are classic, though their types promise less; so this is a check that holds. */
export function classic(schema: unknown): z.ZodType {
  if (schema instanceof z.ZodType) return schema;
  throw new Error("Cannot read a configuration schema: it was not made with zod's own functions");
}

type Wrapper = z.ZodLazy | z.ZodDefault | z.ZodPrefault | z.ZodOptional | z.ZodNullable | z.ZodReadonly;

function isWrapper(schema: z.ZodType): schema is Wrapper {
  return (
    schema instanceof z.ZodLazy ||
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodReadonly
  );
}

/** Every setting of the schema, in its order. Throws when two of them share an environment name. */
export function leavesOf(root: z.ZodObject): readonly Leaf[] {
  const leaves: Leaf[] = [];
  collect(root, [], leaves);
  const byEnv = new Map<string, string>();
  for (const { env, key } of leaves) {
    const other = byEnv.get(env);
    if (other !== undefined)
      throw new Error(`Cannot derive ${env}: both "${other}" and "${key}" have that name`);
    byEnv.set(env, key);
  }
  return leaves;
}

function collect(object: z.ZodObject, path: readonly string[], leaves: Leaf[]): void {
  for (const [name, member] of Object.entries<unknown>(object.shape)) {
    const wrapped = classic(member);
    const { schema, meta, default: fallback } = bare(wrapped);
    const here = path.concat(name);
    if (schema instanceof z.ZodObject) {
      collect(schema, here, leaves);
      continue;
    }
    leaves.push({
      key: keyOf(here),
      path: here,
      env: envName(here),
      kind: kindOf(schema),
      schema: wrapped,
      default: fallback,
      secret: meta.secret === true,
      reload: meta.reload ?? "process",
      description: meta.description ?? "",
    });
  }
}

/** @param schema without its wrappers */
export function kindOf(schema: z.ZodType): LeafKind {
  if (schema instanceof z.ZodNumber) return "number";
  if (schema instanceof z.ZodBoolean) return "boolean";
  if (schema instanceof z.ZodArray) return "list";
  if (schema instanceof z.ZodUnion) return "textOrJson";
  if (schema instanceof z.ZodString || schema instanceof z.ZodStringFormat) return "text";
  if (schema instanceof z.ZodEnum || schema instanceof z.ZodLiteral) return "text";
  return "json";
}

export const ENV_PREFIX = "CLAWDBOT_";

/** `["gateway", "limits", "frameBytesMax"]` → `CLAWDBOT_GATEWAY_LIMITS_FRAME_BYTES_MAX` */
export function envName(path: readonly string[]): string {
  const words = path.map((name) => name.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase());
  return ENV_PREFIX + words.join("_");
}

/** `["models", "providers", "my.ai", "api"]` → `models.providers."my.ai".api` */
export function keyOf(path: Path): string {
  return path.map((name) => (/^[\w$@/:-]{1,100}$/.test(String(name)) ? name : quote(String(name)))).join(".");
}

/** A key as text for people: cut, quoted, control characters escaped. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

/** An object's named keys; one that is not there is undefined, whatever it is called. */
export function memberNamed(object: z.ZodObject, name: string): z.ZodType | undefined {
  const shape: Readonly<Record<string, unknown>> = object.shape;
  return Object.hasOwn(shape, name) ? classic(shape[name]) : undefined;
}

/** What an object takes besides its named keys: a schema, or undefined for nothing. */
export function catchallOf(object: z.ZodObject): z.ZodType | undefined {
  const rest = object.def.catchall;
  return rest === undefined || rest instanceof z.ZodNever ? undefined : classic(rest);
}

/** The member of a union that an object is meant for: the one that knows most of its keys. */
export function objectOption(union: z.ZodUnion, value: object): z.ZodType | undefined {
  let best: z.ZodType | undefined;
  let bestCount = -1;
  for (const option of union.options) {
    const { schema } = bare(classic(option));
    if (!(schema instanceof z.ZodObject || schema instanceof z.ZodRecord)) continue;
    const shape = schema instanceof z.ZodObject ? schema.shape : {};
    const count = Object.keys(value).filter((key) => Object.hasOwn(shape, key)).length;
    if (count > bestCount) [best, bestCount] = [schema, count];
  }
  return best;
}

/** The schema at a path, as far as it is known. */
export function schemaAt(root: z.ZodType, path: Path): z.ZodType | undefined {
  let at: z.ZodType | undefined = root;
  for (const name of path) {
    if (!at) return undefined;
    at = memberOf(bare(at).schema, name);
  }
  return at;
}

function memberOf(schema: z.ZodType, name: string | number): z.ZodType | undefined {
  if (schema instanceof z.ZodArray) return classic(schema.element);
  if (schema instanceof z.ZodRecord) return classic(schema.valueType);
  if (schema instanceof z.ZodUnion) {
    const option = objectOption(schema, { [name]: true });
    return option && memberOf(option, name);
  }
  if (!(schema instanceof z.ZodObject)) return undefined;
  return memberNamed(schema, String(name)) ?? catchallOf(schema);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What an element of a list is known by, if it has a name of its own. */
export function idOf(element: unknown): string | undefined {
  return isObject(element) && typeof element["id"] === "string" ? element["id"] : undefined;
}
