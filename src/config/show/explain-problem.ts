import { z } from "zod";
import type { Settings } from "../judge.ts";
import { valueAt } from "../layers.ts";
import { bare, catchallOf, isObject, keyOf, memberNamed, quote, schemaAt } from "../leaves.ts";
import type { Path } from "../leaves.ts";
import { nearest } from "../nearest.ts";

const LISTED_MAX = 20;

/** Half a sentence why a key is no setting, or undefined where it is one or a part of one. */
export function strangerProblem(settings: Settings, config: unknown, path: Path): string | undefined {
  for (const at of path.keys()) {
    const before = path.slice(0, at);
    const around = schemaAt(settings.schema, before);
    if (!around) return noSuchKey(settings, path);
    const { schema } = bare(around);
    // Anything may be inside, so what is there is what there is to explain.
    if (schema instanceof z.ZodUnknown || schema instanceof z.ZodAny)
      return valueAt(config, path) === undefined ? `there is no ${quote(keyOf(path))}` : undefined;
    const problem =
      schema instanceof z.ZodObject
        ? unknownMember(settings, path, at)
        : missingEntry(schema, valueAt(config, before), path.slice(0, at + 1));
    if (problem !== undefined) return problem;
  }
  const wrapped = schemaAt(settings.schema, path);
  if (!wrapped) return noSuchKey(settings, path);
  if (!(bare(wrapped).schema instanceof z.ZodObject)) return undefined;
  const inside = settings.leaves.filter((leaf) => path.every((step, at) => leaf.path[at] === String(step)));
  if (inside.length === 0) return undefined;
  return `it is a section; its settings: ${listed(inside.map(({ key }) => key))}`;
}

/** What is wrong with a name in an object: of the system we replace, moved, or nobody's. */
function unknownMember(settings: Settings, whole: Path, at: number): string | undefined {
  const path = whole.slice(0, at + 1);
  const around = schemaAt(settings.schema, whole.slice(0, at));
  if (!around) return undefined;
  const { schema: object, meta } = bare(around);
  const name = String(path.at(-1));
  if (!(object instanceof z.ZodObject) || memberNamed(object, name)) return undefined;
  const moved = own(meta.moved, name);
  if (moved !== undefined) return `it is called ${quote(moved)} now`;
  const note = own(meta.unusedNotes, name);
  if (note !== undefined) return `it is kept in the file and not used here: ${note}`;
  if (meta.unused?.includes(name)) return "it is kept in the file and not used here";
  if (catchallOf(object)) return undefined;
  const sibling = nearest(name, Object.keys(object.shape));
  if (sibling === undefined) return noSuchKey(settings, whole);
  const meant = [...path.slice(0, -1), sibling];
  const wholly = [...meant, ...whole.slice(path.length)];
  return didYouMean(keyOf(schemaAt(settings.schema, wholly) ? wholly : meant));
}

function noSuchKey({ leaves }: Settings, path: Path): string {
  const key = keyOf(path);
  const name = String(path.at(-1)).toLowerCase();
  const same = leaves.find((leaf) => leaf.path.at(-1)?.toLowerCase() === name)?.key;
  const near =
    same ??
    nearest(
      key,
      leaves.map((leaf) => leaf.key),
    );
  return near === undefined ? "there is no such key" : didYouMean(near);
}

function didYouMean(key: string): string {
  return `there is no such key, did you mean ${quote(key)}`;
}

/** An entry of a list or of a table of names that is not there. */
function missingEntry(schema: z.ZodType, entries: unknown, path: Path): string | undefined {
  const isTable = schema instanceof z.ZodRecord;
  if (!isTable && !(schema instanceof z.ZodArray)) return undefined;
  const step = path.at(-1) ?? "";
  const isThere = (isTable || typeof step === "number") && valueAt(entries, [step]) !== undefined;
  if (isThere) return undefined;
  const there = `there is no ${quote(keyOf(path))}`;
  if (Array.isArray(entries)) return `${there}, the list has ${entries.length} entries, counted from 0`;
  const names = isObject(entries) ? Object.keys(entries) : [];
  const around = path.slice(0, -1);
  return names.length === 0
    ? `${there}, and nothing else is set there either`
    : `${there}; known: ${listed(names.map((name) => keyOf([...around, name])))}`;
}

function listed(names: readonly string[]): string {
  const more = names.length - LISTED_MAX;
  return names.slice(0, LISTED_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** `toString` is nobody's entry. */
function own(entries: Readonly<Record<string, string>> | undefined, name: string): string | undefined {
  return entries && Object.hasOwn(entries, name) ? entries[name] : undefined;
}
