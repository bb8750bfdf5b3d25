import { z } from "zod";

/** A JSON Schema (draft 2020-12) as zod writes it: only the keywords we read. */
export type JsonSchema = {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly oneOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly propertyNames?: JsonSchema;
  readonly items?: JsonSchema;
  readonly description?: string;
};

/** Turns zod schemas into JSON Schemas that refer to named shapes instead of repeating them. */
export type ShapeBook = {
  /** `input`: what a client may send. `output`: what it gets. */
  add(schema: z.ZodType, direction: "input" | "output"): JsonSchema;
  /** Every named shape that was referred to, by name. */
  readonly shapes: ReadonlyMap<string, JsonSchema>;
};

/** What zod notes about a schema, with our name for it. Leaves zod's own, process-wide notes alone. */
class NamedSchemas extends z.core.$ZodRegistry<z.core.GlobalMeta> {
  readonly #names: ReadonlyMap<unknown, string>;

  constructor(names: ReadonlyMap<unknown, string>) {
    super();
    this.#names = names;
  }

  override get<S extends z.core.$ZodType>(schema: S): z.core.$replace<z.core.GlobalMeta, S> | undefined {
    const meta = z.globalRegistry.get(schema);
    const name = this.#names.get(schema);
    return name === undefined ? meta : { ...meta, id: name };
  }
}

/** @param modules modules whose exported schemas are the named shapes, under their export names */
export function createShapeBook(modules: readonly Readonly<Record<string, unknown>>[]): ShapeBook {
  const names = new Map<unknown, string>();
  for (const [name, value] of modules.flatMap((module) => Object.entries(module))) {
    // A type's name on a function: a schema that is made when it is first asked for.
    const schema = /^[A-Z]/.test(name) && isMaker(value) ? value() : undefined;
    if (schema instanceof z.ZodType && !(schema instanceof z.ZodString)) names.set(schema, name);
  }
  const registry = new NamedSchemas(names);
  const shapes = new Map<string, JsonSchema>();
  const add: ShapeBook["add"] = (schema, direction) => {
    // Zod types its result more loosely than the keywords it writes.
    const json = z.toJSONSchema(schema, { metadata: registry, io: direction }) as JsonSchema;
    const { $defs, ...own } = retarget(json) as JsonSchema;
    for (const [name, shape] of Object.entries($defs ?? {})) {
      const known = shapes.get(name);
      if (known && JSON.stringify(known) !== JSON.stringify(shape)) {
        throw new Error(`Cannot name the shape "${name}": two different shapes have that name`);
      }
      shapes.set(name, shape);
    }
    return own;
  };
  return { add, shapes };
}

function isMaker(value: unknown): value is () => unknown {
  return typeof value === "function" && value.length === 0;
}

/** The integers JSON can carry exactly: a bound zod writes for every integer, which says nothing. */
const NOISE: Readonly<Record<string, unknown>> = {
  minimum: Number.MIN_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
};

/** Points references at the shared shapes and drops what every schema says. */
function retarget(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(retarget);
  if (typeof node !== "object" || node === null) return node;
  return Object.fromEntries(
    Object.entries(node)
      .filter(([key, value]) => key !== "$schema" && !(key in NOISE && NOISE[key] === value))
      .map(([key, value]) => [
        key,
        key === "$ref" ? String(value).replace("#/$defs/", "#/shapes/") : retarget(value),
      ]),
  );
}
