import { z } from "zod";
import type { Settings } from "../judge.ts";
import { bare, catchallOf, classic, keyOf } from "../leaves.ts";
import type { Bare, Leaf, Meta, ReloadClass } from "../leaves.ts";
import { UNUSED_APIS } from "../original.ts";

/** What a form or an editor tells about one setting. */
export interface Hint {
  readonly label: string;
  readonly help?: string;
  /** The section it belongs to, in words. */
  readonly group: string;
  /** Ascending in the order of the schema. */
  readonly order: number;
  /** Its value is a secret. */
  readonly sensitive?: boolean;
  /** What holds where nothing is set. */
  readonly placeholder?: string;
  readonly reload?: ReloadClass;
  /** The variable that sets it. */
  readonly env?: string;
}

export interface ConfigJsonSchema {
  /** JSON Schema 2020-12 of a configuration file. */
  readonly schema: object;
  /** By dotted path, `*` for any entry of a list or a table of names. */
  readonly uiHints: Readonly<Record<string, Hint>>;
}

/**
 * The configuration file for editors and forms. It allows what the gateway takes: `$include` in place of
 * members, references in place of secrets, and what it keeps of the system we replace.
 */
export function configJsonSchema(settings: Settings): ConfigJsonSchema {
  const root: Node = z.toJSONSchema(settings.schema, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => adapt(jsonSchema, bare(classic(zodSchema)).meta),
  });
  const properties = { $schema: { type: "string" }, ...root.properties };
  const schema = { ...root, title: "Gateway configuration", properties, $defs: DEFINITIONS };
  return { schema, uiHints: hintsOf(settings) };
}

// --- schema ---

/** A JSON Schema with what our own metadata adds to it. */
type Node = z.core.JSONSchema.BaseSchema;

const DEFINITIONS = {
  include: {
    description: "Files whose content belongs here, named from this one; the keys beside it win",
    type: ["string", "array"],
    items: { type: "string" },
  },
  unused: { description: "Kept in the file, not used here" },
} as const;

const INCLUDE: Node = { $ref: "#/$defs/include" };
const UNUSED: Node = { $ref: "#/$defs/unused" };

const PRIVATE = [
  "unused",
  "unusedNotes",
  "moved",
  "reload",
  "secret",
  "skip",
  "tolerant",
] as const satisfies (keyof Meta)[];

/** Turns one schema, in place, from what is in force into what may be written. */
function adapt(node: Node, { unused = [], unusedNotes = {}, secret, skip, tolerant }: Meta): void {
  for (const name of PRIVATE) delete node[name];
  if (secret === true && node.type === "string") allowReference(node);
  else if (node.type === "array") allowIncludedList(node);
  else if (node.type === "object") {
    const members: Record<string, Node> = skip ? skippedMembers(node, skip) : {};
    for (const name of unused) members[name] = UNUSED;
    for (const [name, note] of Object.entries(unusedNotes))
      members[name] = { description: `${DEFINITIONS.unused.description}: ${note}` };
    allowMembers(node, members);
    if (tolerant) delete node.additionalProperties;
  }
}

/** Types as a list, the usual one first: editors take both, and a form shows the first. */
function allowReference(node: Node): void {
  node.type = ["string", "object"];
  node.properties = {
    $env: { description: "Variable of the environment that has it", type: "string", minLength: 1 },
    $file: { description: "File that has it and nothing else", type: "string", minLength: 1 },
  };
  node.additionalProperties = false;
  node.minProperties = 1;
  node.maxProperties = 1;
}

function allowIncludedList(node: Node): void {
  node.type = ["array", "object"];
  node.properties = { $include: INCLUDE };
  node.required = ["$include"];
  node.additionalProperties = false;
}

function allowMembers(node: Node, more: Record<string, Node>): void {
  node.properties = { ...node.properties, ...more, $include: INCLUDE };
  // That a section may be left out is said by its not being required.
  if (JSON.stringify(node.default) === "{}") delete node.default;
  if (!node.required) return;
  // What is included may have what is missing here.
  node.anyOf = [{ required: node.required }, { required: ["$include"] }];
  delete node.required;
}

/**
 * Members whose words are wider than what can be used: an entry with another of them is skipped, not
 * refused.
 */
function skippedMembers(node: Node, skip: NonNullable<Meta["skip"]>): Record<string, Node> {
  const members: Record<string, Node> = {};
  for (const [name, member] of Object.entries(node.properties ?? {})) {
    if (typeof member === "boolean" || !member.enum) continue;
    const skipped = UNUSED_APIS.filter((word) => skip({ [name]: word }, name) !== undefined);
    members[name] = { ...member, enum: [...new Set([...member.enum, ...skipped])] };
  }
  return members;
}

// --- hints ---

interface HintWalk {
  readonly leaves: ReadonlyMap<string, Leaf>;
  readonly hints: Record<string, Hint>;
}

/** Where a hint belongs: the names down to it, and the setting it is a part of. */
interface Place {
  readonly names: readonly string[];
  readonly leaf: Leaf | undefined;
}

function hintsOf({ schema, leaves }: Settings): Record<string, Hint> {
  const walk: HintWalk = { leaves: new Map(leaves.map((leaf) => [leaf.key, leaf])), hints: {} };
  addHints(walk, schema, { names: [], leaf: undefined });
  return walk.hints;
}

function addHints(walk: HintWalk, wrapped: z.ZodType, { names, leaf: around }: Place): void {
  const known = bare(wrapped);
  const key = names.map((name) => (name === ANY ? ANY : keyOf([name]))).join(".");
  const own = walk.leaves.get(key);
  const leaf = around ?? own;
  // One hint a key: the members of an object are looked into once, whatever else a value may be.
  if (names.length > 0 && walk.hints[key] === undefined)
    walk.hints[key] = hintOf(known, { names, own, leaf, order: Object.keys(walk.hints).length + 1 });
  for (const [name, member] of membersOf(known.schema))
    addHints(walk, member, { names: [...names, name], leaf });
}

const ANY = "*";

function membersOf(schema: z.ZodType): readonly (readonly [string, z.ZodType])[] {
  if (schema instanceof z.ZodArray) return [[ANY, classic(schema.element)]];
  if (schema instanceof z.ZodRecord) return [[ANY, classic(schema.valueType)]];
  if (schema instanceof z.ZodUnion)
    return schema.options.flatMap((option) => membersOf(bare(classic(option)).schema));
  if (!(schema instanceof z.ZodObject)) return [];
  const rest = catchallOf(schema);
  const named = Object.entries<unknown>(schema.shape).map(
    ([name, member]) => [name, classic(member)] as const,
  );
  return rest ? [...named, [ANY, rest]] : named;
}

interface HintPlace {
  readonly names: readonly string[];
  /** The setting at this key, and the one it is or is a part of. */
  readonly own: Leaf | undefined;
  readonly leaf: Leaf | undefined;
  readonly order: number;
}

function hintOf({ meta, default: fallback }: Bare, { names, own, leaf, order }: HintPlace): Hint {
  const { description: help, secret } = meta;
  const reload = leaf?.reload ?? meta.reload;
  const isShown =
    secret !== true && fallback !== undefined && !/^(?:\[\]|\{\})$/.test(JSON.stringify(fallback));
  return {
    label: labelOf(names),
    ...(help !== undefined && { help }),
    group: labelOf(names.slice(0, 1)),
    order,
    ...(secret === true && { sensitive: true }),
    ...(isShown && { placeholder: typeof fallback === "string" ? fallback : JSON.stringify(fallback) }),
    ...(reload && { reload }),
    ...(own && { env: own.env }),
  };
}

/** `frameBytesMax` → `Frame bytes max`; an entry is called after what it is in. */
function labelOf(names: readonly string[]): string {
  const name = names.findLast((one) => one !== ANY) ?? "";
  const words = name.replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
  const label = words.charAt(0).toUpperCase() + words.slice(1);
  return names.at(-1) === ANY ? `${label}: entry` : label;
}
