import type { JsonSchema } from "./shapes.ts";

type Context = {
  /** Value lists that have a name of their own: `"read" | "write" | …` is `Scope`. */
  readonly lists: readonly { readonly name: string; readonly values: readonly string[] }[];
  /** Optional keys may also be given as `undefined`: JSON leaves them out. */
  readonly undefinable: boolean;
};

/** The TypeScript type of what a JSON Schema admits, as source text. */
export function toTypeScript(schema: JsonSchema, context: Context): string {
  if (schema.$ref !== undefined) return schema.$ref.replace("#/shapes/", "");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return enumType(schema.enum, context);
  const several = schema.oneOf ?? schema.anyOf;
  if (several) return several.map((one) => toTypeScript(one, context)).join(" | ");
  const { type } = schema;
  if (typeof type === "object")
    return type.map((one) => toTypeScript({ ...schema, type: one }, context)).join(" | ");
  switch (type) {
    case "string":
    case "boolean":
    case "null":
      return type;
    case "integer":
    case "number":
      return "number";
    case "array":
      return arrayType(schema.items ?? {}, context);
    case "object":
      return objectType(schema, context);
    case undefined:
      return "unknown";
    default:
      throw new Error(`Cannot write the type "${type}": unknown to the generator`);
  }
}

/** A doc comment, or nothing for nothing to say. */
export function docComment(lines: readonly (string | undefined)[]): string {
  const said = lines.filter((line) => line !== undefined);
  if (said.length === 0) return "";
  if (said.length === 1) return `/** ${said[0]} */\n`;
  return `/**\n${said.map((line) => `${` * ${line}`.trimEnd()}\n`).join("")} */\n`;
}

function enumType(values: readonly unknown[], context: Context): string {
  const named = context.lists.find(
    (list) => list.values.length === values.length && list.values.every((value, at) => value === values[at]),
  );
  return named?.name ?? values.map((value) => JSON.stringify(value)).join(" | ");
}

function arrayType(items: JsonSchema, context: Context): string {
  const item = toTypeScript(items, context);
  return /^[\w.]+$/.test(item) ? `${item}[]` : `Array<${item}>`;
}

function objectType(schema: JsonSchema, context: Context): string {
  const required = new Set(schema.required);
  const entries = Object.entries(schema.properties ?? {});
  const extra = schema.additionalProperties;
  const extraType =
    typeof extra === "object" ? toTypeScript(extra, context) : extra === true ? "unknown" : undefined;
  if (entries.length === 0) return extraType === undefined ? "Empty" : `Record<string, ${extraType}>`;
  const documented = entries.some(([, value]) => value.description !== undefined);
  const properties = entries.map(([key, value]) => {
    const name = /^[A-Za-z_]\w*$/.test(key) ? key : JSON.stringify(key);
    const type = toTypeScript(value, context);
    const optional = !required.has(key);
    const undefinable = optional && context.undefinable && type !== "unknown" ? " | undefined" : "";
    return `${docComment([value.description])}${name}${optional ? "?" : ""}: ${type}${undefinable};`;
  });
  if (extraType !== undefined) properties.push(`[key: string]: ${extraType};`);
  const gap = documented ? "\n" : " ";
  return `{${gap}${properties.join(gap)}${gap}}`;
}
