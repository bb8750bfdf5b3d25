import { z } from "zod";
import { LIMITS } from "../contract/limits.ts";
import { readJsonc } from "./text/document.ts";
import { fileNameOf } from "./tree/include.ts";
import { bare, ENV_PREFIX, isObject, kindOf, quote, schemaAt } from "./leaves.ts";
import type { Leaf, LeafKind, Path } from "./leaves.ts";
import { nearest } from "./nearest.ts";
import { UNUSED_ENV } from "./original.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** A command line option that sets a configuration key; text is read as in an environment variable. */
export interface Flag {
  /** `gateway.port` */
  readonly key: string;
  /** `--port`, for messages */
  readonly name: string;
  readonly value: unknown;
}

/** One leaf set from outside the file. */
export interface Given {
  readonly leaf: Leaf;
  readonly layer: "env" | "flag" | "override";
  /** The variable or the flag; empty for an override. */
  readonly name: string;
  readonly value: unknown;
  /** What is wrong with its text, if it cannot be read at all. */
  readonly error: string | undefined;
}

/** Names of the system we replace for what is called otherwise in the schema. */
const ALIASES: Readonly<Record<string, string>> = {
  CLAWDBOT_GATEWAY_TOKEN: "gateway.auth.token",
  CLAWDBOT_GATEWAY_PASSWORD: "gateway.auth.password",
};

/** Names that say where things are rather than what is set. */
const PROCESS_NAMES: readonly string[] = ["CLAWDBOT_CONFIG_PATH", "CLAWDBOT_STATE_DIR"];

/** Every environment name that sets a leaf, the leaf's own first. Throws when an alias is taken. */
export function envNames(leaves: readonly Leaf[]): ReadonlyMap<string, Leaf> {
  const names = new Map(leaves.map((leaf) => [leaf.env, leaf]));
  for (const [alias, key] of Object.entries(ALIASES)) {
    const leaf = leaves.find((candidate) => candidate.key === key);
    const taken = names.get(alias);
    if (taken) throw new Error(`Cannot use ${alias} for "${key}": it is the name of "${taken.key}"`);
    if (leaf) names.set(alias, leaf);
  }
  for (const name of PROCESS_NAMES) {
    const taken = names.get(name);
    if (taken) throw new Error(`Cannot use ${name} for "${taken.key}": it names a place`);
  }
  return names;
}

export interface FromEnvironment {
  readonly given: readonly Given[];
  /** Variables with our prefix that mean nothing. */
  readonly warnings: readonly string[];
  /** Variables of the system we replace that mean nothing here. */
  readonly unused: readonly string[];
}

/** What the environment sets. An empty variable sets nothing. */
export function fromEnvironment(names: ReadonlyMap<string, Leaf>, env: Environment): FromEnvironment {
  const given = new Map<Leaf, Given>();
  for (const [name, leaf] of names) {
    const text = Object.hasOwn(env, name) ? env[name] : undefined;
    if (text === undefined || text === "") continue;
    const earlier = given.get(leaf);
    const clash =
      earlier && env[earlier.name] !== text ? `${earlier.name} is set to something else` : undefined;
    given.set(leaf, {
      leaf,
      layer: "env",
      name,
      ...toValue(leaf.kind, text),
      ...(clash && { error: clash }),
    });
  }
  const warnings: string[] = [];
  const unused: string[] = [];
  for (const name of Object.keys(env).toSorted()) {
    if (!name.startsWith(ENV_PREFIX) || !env[name] || names.has(name) || PROCESS_NAMES.includes(name))
      continue;
    if (isUnused(name.slice(ENV_PREFIX.length))) {
      unused.push(name);
      continue;
    }
    // Nobody is told of so many, and to look for what is meant takes time.
    const isTold = warnings.length < LIMITS.configIssuesMax;
    const near = isTold ? nearest(name.slice(ENV_PREFIX.length), suffixes(names)) : undefined;
    const hint = near === undefined ? "" : `, did you mean ${ENV_PREFIX}${near}`;
    warnings.push(`Cannot use the variable ${quote(name)}: it sets nothing${hint}`);
  }
  return { given: [...given.values()], warnings, unused };
}

function suffixes(names: ReadonlyMap<string, Leaf>): readonly string[] {
  return [...names.keys(), ...PROCESS_NAMES].map((name) => name.slice(ENV_PREFIX.length));
}

function isUnused(suffix: string): boolean {
  return UNUSED_ENV.some((name) =>
    name.endsWith("*") ? suffix.startsWith(name.slice(0, -1)) : suffix === name,
  );
}

/** What the command line sets. Throws for a key that is no leaf: flags are ours to declare. */
export function fromFlags(leaves: readonly Leaf[], flags: readonly Flag[]): readonly Given[] {
  return flags.map(({ key, name, value }) => {
    const leaf = leaves.find((candidate) => candidate.key === key);
    if (!leaf) throw new Error(`Cannot use ${name}: there is no configuration key "${key}"`);
    const read = typeof value === "string" ? toValue(leaf.kind, value) : { value, error: undefined };
    return { leaf, layer: "flag", name, ...read };
  });
}

/** What was set while the gateway runs. Keys that are no leaf are not in it: who sets them asks first. */
export function fromOverrides(
  leaves: readonly Leaf[],
  overrides: ReadonlyMap<string, unknown>,
): readonly Given[] {
  return leaves
    .filter(({ key }) => overrides.has(key))
    .map((leaf) => ({
      leaf,
      layer: "override",
      name: "",
      value: overrides.get(leaf.key),
      error: undefined,
    }));
}

type Read = { readonly value: unknown; readonly error: string | undefined };

const BOOLEANS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  "1": true,
  false: false,
  no: false,
  off: false,
  "0": false,
};

const read = (value: unknown): Read => ({ value, error: undefined });

/**
 * What a person means by text for a key of the file: what it would mean in a variable, but a secret may also
 * say where it is, and where no schema says what is wanted, JSON is JSON and anything else is text.
 */
export function valueFromText(settings: { readonly schema: z.ZodType }, path: Path, text: string): Read {
  const wrapped = schemaAt(settings.schema, path);
  if (!wrapped) return jsonOrText(text);
  const { schema, meta } = bare(wrapped);
  if (meta.secret === true) return read(secretPlace(text) ?? text);
  if (schema instanceof z.ZodUnknown || schema instanceof z.ZodAny) return jsonOrText(text);
  return toValue(kindOf(schema), text);
}

function jsonOrText(text: string): Read {
  const reading = readJsonc(text);
  return read(reading.ok ? reading.document.value : text);
}

/** `{"$env": NAME}` or `{"$file": NAME}`. */
function secretPlace(text: string): unknown {
  if (!text.trim().startsWith("{")) return undefined;
  const reading = readJsonc(text);
  const value = reading.ok ? reading.document.value : undefined;
  if (!isObject(value)) return undefined;
  const isVariable = Object.keys(value).length === 1 && typeof value["$env"] === "string";
  return isVariable || fileNameOf(value) !== undefined ? value : undefined;
}

/** Text as the value its leaf wants. Text that is no such value stays text, for the schema to refuse. */
function toValue(kind: LeafKind, text: string): Read {
  const trimmed = text.trim();
  switch (kind) {
    case "text":
      return read(text);
    case "number":
      return read(/^-?\d{1,15}(\.\d{1,10})?$/.test(trimmed) ? Number(trimmed) : text);
    case "boolean": {
      const word = trimmed.toLowerCase();
      return read(Object.hasOwn(BOOLEANS, word) ? BOOLEANS[word] : text);
    }
    case "list":
      return trimmed.startsWith("[")
        ? readJson(trimmed)
        : read(
            trimmed
              .split(",")
              .map((item) => item.trim())
              .filter(Boolean),
          );
    case "textOrJson":
      return trimmed.startsWith("{") ? readJson(trimmed) : read(text);
    default:
      return readJson(trimmed);
  }
}

function readJson(text: string): Read {
  const reading = readJsonc(text);
  if (reading.ok) return { value: reading.document.value, error: undefined };
  return { value: undefined, error: `wanted JSON, but ${reading.errors[0]?.reason ?? "it cannot be read"}` };
}
