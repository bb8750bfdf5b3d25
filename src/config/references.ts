import { LIMITS } from "../contract/limits.ts";
import type { Finding } from "./check.ts";
import { fileNameOf } from "./tree/include.ts";
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

/** What a secret's own file says, or why it cannot be read. */
export type SecretFile = { readonly text: string } | { readonly error: string };

export interface Sources {
  readonly variable: Lookup;
  /** By the name in `{"$file": NAME}`; every one there is has been read. */
  readonly secretFile?: (name: string) => SecretFile | undefined;
  /** Only a secret may be written as an object that names where it is. */
  readonly isSecret?: (path: Path) => boolean;
}

const TOO_LONG = `what all references put in is more than ${LIMITS.configReferenceCharsMax} characters`;

/**
 * The value with `${VAR}` replaced in every string, and every secret that is `{"$env": NAME}` or
 * `{"$file": NAME}` fetched; `$${` is the text `${`. What was written stays as it is.
 */
export function resolveReferences(value: unknown, sources: Sources, path: Path = []): Resolved {
  const { variable: lookup, isSecret = () => false } = sources;
  const errors: Finding[] = [];
  const warnings: Finding[] = [];
  let charsLeft: number = LIMITS.configReferenceCharsMax;
  const visit = (part: unknown, here: Path): unknown => {
    if (typeof part === "string") return part.includes("${") ? resolveText(part, here) : part;
    if (Array.isArray(part)) return part.map((item, index) => visit(item, [...here, index]));
    if (!isObject(part)) return part;
    const fetched = isSecret(here) ? fetchSecret(part, sources) : undefined;
    if (fetched && "error" in fetched) errors.push({ path: here, message: fetched.error });
    // Text in its place: one thing wrong with it is told, not two.
    if (fetched) return "text" in fetched ? fetched.text : "";
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
      if (charsLeft < 0) return "";
      const found = lookup(name);
      if (found === undefined)
        errors.push({ path: here, message: `the variable ${name} is not set, or empty` });
      charsLeft -= found?.length ?? 0;
      // Told once: what names a long value too often may name it a million times.
      if (charsLeft < 0) errors.push({ path: here, message: TOO_LONG });
      return found ?? "";
    });
  return { value: visit(value, path), errors, warnings };
}

/** A secret that is written as an object; undefined when it is another kind of object. */
function fetchSecret(part: Record<string, unknown>, sources: Sources): SecretFile | undefined {
  const file = fileNameOf(part);
  if (file !== undefined) {
    const read = sources.secretFile?.(file) ?? { error: "it has not been read" };
    if ("error" in read) return { error: `its file cannot be read: ${read.error}` };
    const text = read.text.replace(/\r?\n$/, "");
    return text === "" ? { error: "its file is empty" } : { text };
  }
  const { $env: name, ...rest } = part;
  if (typeof name !== "string" || Object.keys(rest).length > 0) return undefined;
  if (!/^[A-Z_][A-Z0-9_]*$/.test(name)) return { error: "the variable's name is not written in capitals" };
  const text = sources.variable(name);
  return text === undefined ? { error: `the variable ${name} is not set, or empty` } : { text };
}

/**
 * Where references find their values: the environment, then the file's own `env` section (directly
 * or under `vars`), whose values may refer to the environment only.
 */
export function createLookup(env: Readonly<Record<string, string | undefined>>, section: unknown): Lookup {
  const fromEnv: Lookup = (name) => (Object.hasOwn(env, name) ? env[name] || undefined : undefined);
  const own = isObject(section) ? section : {};
  const vars = isObject(own["vars"]) ? own["vars"] : {};
  // Each is worked out once, however often it is named.
  const known = new Map<string, string | undefined>();
  return (name) => {
    if (!known.has(name)) known.set(name, find(name));
    return known.get(name);
  };

  function find(name: string): string | undefined {
    const outer = fromEnv(name);
    if (outer !== undefined) return outer;
    const written = [vars, own].map((from) => (Object.hasOwn(from, name) ? from[name] : undefined));
    const text = written.find((value) => typeof value === "string" && value !== "");
    if (typeof text !== "string") return undefined;
    const inner = resolveReferences(text, { variable: fromEnv });
    return inner.errors.length === 0 && typeof inner.value === "string" ? inner.value : undefined;
  }
}
