import { readJsonc } from "./document.ts";
import { ENV_PREFIX, quote } from "./leaves.ts";
import type { Leaf } from "./leaves.ts";
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
  readonly layer: "env" | "flag";
  /** The variable or the flag. */
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
    given.set(leaf, { leaf, layer: "env", name, ...toValue(leaf, text), ...(clash && { error: clash }) });
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
    const near = nearest(name.slice(ENV_PREFIX.length), suffixes(names));
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
    const read = typeof value === "string" ? toValue(leaf, value) : { value, error: undefined };
    return { leaf, layer: "flag", name, ...read };
  });
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

/** Text as the value its leaf wants. Text that is no such value stays text, for the schema to refuse. */
function toValue(leaf: Leaf, text: string): Read {
  const trimmed = text.trim();
  switch (leaf.kind) {
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
