import { z } from "zod";
import { LIMITS } from "../contract/limits.ts";
import { bare, catchallOf, classic, isObject, keyOf, memberNamed, objectOption, quote } from "./leaves.ts";
import type { Leaf, Meta, Path } from "./leaves.ts";
import { nearest } from "./nearest.ts";

export interface Finding {
  readonly path: Path;
  readonly message: string;
}

/** A value with only what the schema knows, and what became of the rest. */
export interface Checked {
  readonly value: unknown;
  /** Keys that mean nothing: mistyped, or moved elsewhere. */
  readonly errors: readonly Finding[];
  /** Left out because it cannot be used, with the reason. */
  readonly warnings: readonly Finding[];
  /** Keys of the system we replace, left out in silence; listed together. */
  readonly unused: readonly Path[];
}

interface CheckOptions {
  /** All settings, to find the one a misplaced key meant. */
  readonly leaves: readonly Leaf[];
  /** Where the value stands in the whole. */
  readonly path?: Path;
}

/**
 * Sorts the keys of a value into known, not used here, and wrong. Values are looked at by the schema
 * itself.
 */
export function checkKeys(schema: z.ZodType, value: unknown, { leaves, path = [] }: CheckOptions): Checked {
  const walk: Walk = { leaves, errors: [], warnings: [], unused: [] };
  const { errors, warnings, unused } = walk;
  return { value: visit(walk, schema, { value, path }), errors, warnings, unused };
}

interface Walk {
  readonly leaves: readonly Leaf[];
  readonly errors: Finding[];
  readonly warnings: Finding[];
  readonly unused: Path[];
}

interface Part<T = unknown> {
  readonly value: T;
  readonly path: Path;
}

function visit(walk: Walk, wrapped: z.ZodType, { value, path }: Part): unknown {
  const { schema } = bare(wrapped);
  if (schema instanceof z.ZodArray && Array.isArray(value)) {
    const element = classic(schema.element);
    return value.map((item, index) => visit(walk, element, { value: item, path: [...path, index] }));
  }
  if (!isObject(value)) return value;
  if (schema instanceof z.ZodUnion) {
    const option = objectOption(schema, value);
    return option ? visit(walk, option, { value, path }) : value;
  }
  if (schema instanceof z.ZodRecord) return visitRecord(walk, classic(schema.valueType), { value, path });
  return schema instanceof z.ZodObject ? visitObject(walk, wrapped, { value, path }) : value;
}

type Entries = Part<Record<string, unknown>>;

function visitRecord(walk: Walk, member: z.ZodType, { value, path }: Entries): unknown {
  const kept: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value)) {
    const at = [...path, name];
    const reason = bare(member).meta.skip?.(item, name);
    if (reason === undefined) kept[name] = visit(walk, member, { value: item, path: at });
    else leaveOut(walk, at, reason);
  }
  return kept;
}

function leaveOut({ warnings }: Walk, path: Path, reason: string): void {
  warnings.push({ path, message: `${quote(keyOf(path))} is not used here: ${reason}` });
}

function visitObject(walk: Walk, wrapped: z.ZodType, { value, path }: Entries): unknown {
  const { schema: object, meta } = bare(wrapped);
  if (!(object instanceof z.ZodObject)) return value;
  const kept: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value)) {
    // Tells an editor where the schema is; means nothing to anyone else.
    if (name === "$schema" && path.length === 0) continue;
    const at = [...path, name];
    const member = memberNamed(object, name);
    const rest = catchallOf(object);
    const note = member ? bare(member).meta.skip?.(item, name) : own(meta.unusedNotes, name);
    if (note !== undefined) leaveOut(walk, at, note);
    else if (member) kept[name] = visit(walk, member, { value: item, path: at });
    else if (meta.unused?.includes(name)) walk.unused.push(at);
    else if (rest) {
      kept[name] = visit(walk, rest, { value: item, path: at });
      const meant = meta.tolerant ? nearest(name, Object.keys(object.shape)) : undefined;
      if (meant !== undefined) walk.warnings.push({ path: at, message: mayMean(at, meant) });
    } else notKnown(walk, at, { object, meta });
  }
  return kept;
}

function mayMean(path: Path, meant: string): string {
  return `${quote(keyOf(path))} is for a plugin of that name, did you mean ${quote(keyOf([...path.slice(0, -1), meant]))}`;
}

interface Owner {
  readonly object: z.ZodObject;
  readonly meta: Meta;
}

function notKnown(walk: Walk, path: Path, owner: Owner): void {
  const state = unknownKey(walk, path, owner);
  if (owner.meta.tolerant) leaveOut(walk, path, state);
  else walk.errors.push({ path, message: `Cannot use ${quote(keyOf(path))}: ${state}` });
}

function unknownKey({ leaves, errors, warnings }: Walk, path: Path, { object, meta }: Owner): string {
  const name = String(path.at(-1));
  // Nobody is told of so many, and to look for what is meant takes time.
  if (errors.length + warnings.length >= LIMITS.configIssuesMax) return "there is no such key";
  const moved = own(meta.moved, name);
  if (moved !== undefined) return `it is called ${quote(moved)} now`;
  const known = Object.keys(object.shape);
  const sibling = nearest(name, known);
  if (sibling !== undefined) {
    return `there is no such key, did you mean ${quote(keyOf([...path.slice(0, -1), sibling]))}`;
  }
  const elsewhere = leaves.find((leaf) => leaf.path.at(-1)?.toLowerCase() === name.toLowerCase());
  if (elsewhere) return `there is no such key, did you mean ${quote(elsewhere.key)}`;
  return `there is no such key; known here: ${known.join(", ")}`;
}

/** `toString` is nobody's entry. */
function own(entries: Readonly<Record<string, string>> | undefined, name: string): string | undefined {
  return entries && Object.hasOwn(entries, name) ? entries[name] : undefined;
}
