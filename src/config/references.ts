import type { Finding } from "./check.ts";
import { isObject } from "./leaves.ts";
import type { Path } from "./leaves.ts";

/** A variable's value; undefined when it is not set or empty. */
export type Lookup = (name: string) => string | undefined;

export interface Resolved {
  readonly value: unknown;
  readonly errors: readonly Finding[];
  /** Text that looks like a reference and is none. */
  readonly warnings: readonly Finding[];
}

/**
 * The value with `${VAR}` replaced in every string; `$${` is the text `${`. What was written stays as it
 * is.
 */
export function resolveReferences(value: unknown, lookup: Lookup, path: Path = []): Resolved {
  const errors: Finding[] = [];
  const warnings: Finding[] = [];
  const visit = (part: unknown, here: Path): unknown => {
    if (typeof part === "string") return part.includes("${") ? resolveText(part, here) : part;
    if (Array.isArray(part)) return part.map((item, index) => visit(item, [...here, index]));
    if (!isObject(part)) return part;
    return Object.fromEntries(
      Object.entries(part).map(([name, item]) => [name, visit(item, [...here, name])]),
    );
  };
  const resolveText = (text: string, here: Path): string =>
    text.replaceAll(/\$\$\{|\$\{(?:([A-Z_][A-Z0-9_]*)\})?/g, (match, name: string | undefined) => {
      if (match === "$${") return "${";
      if (name === undefined) {
        warnings.push({
          path: here,
          message: 'keeps "${" as text: a reference is written ${NAME}, in capitals',
        });
        return match;
      }
      const found = lookup(name);
      if (found === undefined)
        errors.push({ path: here, message: `the variable ${name} is not set, or empty` });
      return found ?? "";
    });
  return { value: visit(value, path), errors, warnings };
}

/**
 * Where references find their values: the environment, then the file's own `env` section (directly
 * or under `vars`), whose values may refer to the environment only.
 */
export function createLookup(env: Readonly<Record<string, string | undefined>>, section: unknown): Lookup {
  const fromEnv: Lookup = (name) => (Object.hasOwn(env, name) ? env[name] || undefined : undefined);
  const own = isObject(section) ? section : {};
  const vars = isObject(own["vars"]) ? own["vars"] : {};
  return (name) => {
    const outer = fromEnv(name);
    if (outer !== undefined) return outer;
    const written = [vars, own].map((from) => (Object.hasOwn(from, name) ? from[name] : undefined));
    const text = written.find((value) => typeof value === "string" && value !== "");
    if (typeof text !== "string") return undefined;
    const inner = resolveReferences(text, fromEnv);
    return inner.errors.length === 0 && typeof inner.value === "string" ? inner.value : undefined;
  };
}
