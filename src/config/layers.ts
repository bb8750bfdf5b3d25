import { z } from "zod";
import { LIMITS } from "../contract/limits.ts";
import { checkKeys } from "./check.ts";
import { fromEnvironment, fromFlags, fromOverrides } from "./env.ts";
import type { Environment, Flag, Given } from "./env.ts";
import { byPlace, cut, IssueList, toComplaints } from "./issues.ts";
import type { Complaint, ConfigIssue } from "./issues.ts";
import { bare, isObject, keyOf, quote, schemaAt } from "./leaves.ts";
import type { Leaf, Path } from "./leaves.ts";
import { createLookup, resolveReferences, type SecretFile } from "./references.ts";
import type { Config } from "./schema.ts";
import { SECRET_NAME } from "./show/secrets.ts";
import { placeIn, placeOfSpot, type Tree, treeAt, valueOf } from "./tree/tree.ts";
import { deepFreeze } from "./values.ts";

/** From the weakest to the strongest. */
export type Layer = "default" | "file" | "env" | "flag" | "override";

/** What one layer says about one leaf, and where it says so. */
export interface Setting {
  readonly layer: Layer;
  readonly value: unknown;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  /** The variable or flag. */
  readonly name?: string;
}

/**
 * By leaf key: the setting in force, then those it hides, the strongest first. The default is always last.
 */
export type Provenance = ReadonlyMap<string, readonly [Setting, ...Setting[]]>;

export interface LayersInput {
  readonly schema: z.ZodObject;
  readonly leaves: readonly Leaf[];
  /** What each environment variable sets. */
  readonly names: ReadonlyMap<string, Leaf>;
  /** The main file's name as shown, and what the files say; no tree when there is no file. */
  readonly file: string;
  readonly tree: Tree | undefined;
  readonly secretFiles?: ReadonlyMap<string, SecretFile>;
  readonly env: Environment;
  readonly flags: readonly Flag[];
  /** Set while the gateway runs, by leaf key. */
  readonly overrides?: ReadonlyMap<string, unknown>;
}

export type Layered = { readonly warnings: readonly ConfigIssue[] } & (
  | { readonly valid: true; readonly config: Config; readonly provenance: Provenance }
  | { readonly valid: false; readonly errors: readonly ConfigIssue[] }
);

/** Lays defaults, file, environment and flags over each other and validates the whole. */
export function composeLayers(input: LayersInput): Layered {
  const { schema, leaves } = input;
  const outside = fromEnvironment(input.names, input.env);
  const given = [
    ...outside.given,
    ...fromFlags(leaves, input.flags),
    ...fromOverrides(leaves, input.overrides ?? new Map()),
  ];
  const errors = new IssueList();
  const warnings = new IssueList();
  const file = readFileLayer(input, given, { errors, warnings });
  warnings.add(outside.warnings, (message) => ({ layer: "env", key: "", message }));

  const tree = structuredClone(file.value);
  for (const one of given) {
    warnings.add(hiddenMistake(input, file.value, one), (issue) => issue);
    const state = one.error ?? overlay({ tree, leaves, warnings }, one);
    const states = state === undefined ? [] : [state];
    errors.add(states, (problem) => blame(input, { path: one.leaf.path, state: problem }, one));
  }
  warnings.add(listed(file.unused), (message) => ({ layer: "file", file: input.file, key: "", message }));
  warnings.add(listed(outside.unused), (message) => ({ layer: "env", key: "", message }));
  // A config is validated a few times in a process's life: compiled validators would cost more than they
  // save.
  const result = schema.safeParse(tree, { jitless: true, reportInput: true });
  if (!result.success) {
    const { issues } = result.error;
    const complaints = toComplaints(schema, issues);
    const blamed = (complaint: Complaint): ConfigIssue => {
      const source = given.findLast(({ leaf }) => startsWith(complaint.path, leaf.path));
      return blame(input, complaint, source);
    };
    errors.add(complaints, blamed, Math.max(complaints.length, issues.length));
  }
  const told = warnings.size > LIMITS.configIssuesMax ? warnings.toArray(mistakesFirst) : warnings.toArray();
  if (!result.success || errors.size > 0)
    return { valid: false, errors: errors.toArray(byPlace), warnings: told };
  // The core sections are part of every root schema, which is what Config says of its output.
  const config = deepFreeze(result.data) as Config;
  return { valid: true, config, provenance: provenanceOf(input, file.value, given), warnings: told };
}

/** What is wrong in the file stays wrong when something stronger hides it, and comes out when that goes. */
function hiddenMistake(input: LayersInput, fileValue: unknown, { leaf }: Given): ConfigIssue[] {
  const value = valueAt(fileValue, leaf.path);
  const result = value === undefined ? undefined : leaf.schema.safeParse(value, { reportInput: true });
  if (!result || result.success) return [];
  return toComplaints(leaf.schema, result.error.issues).map(({ path, state }) =>
    blame(input, { path: [...leaf.path, ...path], state }, undefined),
  );
}

/** Whether a warning tells of such a mistake. */
export function isMistake({ layer, message }: ConfigIssue): boolean {
  return layer === "file" && message.startsWith("Cannot use ");
}

/** A writer looks for them among the warnings, so they are never among those that are not told. */
function mistakesFirst(a: ConfigIssue, b: ConfigIssue): number {
  return Number(isMistake(b)) - Number(isMistake(a));
}

const LISTED_MAX = 50;
const LISTED_CHARS_MAX = 200;

/** One message for all names, as far as they fit; none where there are none. */
function listed(names: readonly string[]): readonly string[] {
  if (names.length === 0) return [];
  const shown: string[] = [];
  let chars = 0;
  for (const name of names.slice(0, LISTED_MAX).map((one) => cut(one, LISTED_CHARS_MAX))) {
    chars += name.length + 2;
    if (chars > LIMITS.configIssueCharsMax - 100) break;
    shown.push(name);
  }
  const more = names.length - shown.length;
  return [`Not used here: ${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`];
}

interface FileLayer {
  readonly value: Record<string, unknown>;
  readonly unused: readonly string[];
}

type Issues = Readonly<Record<"errors" | "warnings", IssueList>>;

/** What the file says: known keys only, references resolved. */
function readFileLayer(input: LayersInput, given: readonly Given[], { errors, warnings }: Issues): FileLayer {
  const { schema, leaves, file, tree, env, secretFiles } = input;
  if (!tree) return { value: {}, unused: [] };
  const checked = checkKeys(schema, valueOf(tree), { leaves });
  const written = valueAt(checked.value, ["env"]);
  const vars = given.findLast(({ leaf }) => leaf.key === "env.vars");
  const section =
    isObject(written) && vars ? { ...written, vars: vars.value } : (written ?? { vars: vars?.value });
  const resolved = resolveReferences(checked.value, {
    variable: createLookup(env, section),
    secretFile: (name) => secretFiles?.get(name),
    isSecret: (path) => isSecretAt(schema, path),
  });
  const issue = (path: Path, of: "key" | "value", message: string): ConfigIssue => ({
    layer: "file",
    file,
    ...placeIn(tree, path, of),
    key: keyOf(path),
    message,
  });
  errors.add(checked.errors, ({ path, message }) => issue(path, "key", message));
  errors.add(resolved.errors, ({ path, message }) =>
    issue(path, "value", `Cannot use ${quote(keyOf(path))}: ${message}`),
  );
  warnings.add(checked.warnings, ({ path, message }) => issue(path, "key", message));
  warnings.add(resolved.warnings, ({ path, message }) =>
    issue(path, "value", `${quote(keyOf(path))} ${message}`),
  );
  warnings.add(autoBind(checked.value), (message) => issue(["gateway", "bind"], "value", message));
  const value = isObject(resolved.value) ? resolved.value : {};
  return { value, unused: checked.unused.map(keyOf) };
}

/** The one value of the system we replace that is taken to mean less than it did. */
function autoBind(value: unknown): readonly string[] {
  if (valueAt(value, ["gateway", "bind"]) !== "auto") return [];
  return [
    '"gateway.bind" is "auto", which listens on loopback only here; write "lan" or an IP address for more',
  ];
}

interface Target {
  readonly tree: Record<string, unknown>;
  readonly leaves: readonly Leaf[];
  readonly warnings: IssueList;
}

/** Puts a value from outside into the tree. @returns what is wrong with it, if its keys already are */
function overlay({ tree, leaves, warnings }: Target, one: Given): string | undefined {
  const { leaf, layer, name } = one;
  const checked = checkKeys(leaf.schema, one.value, { leaves, path: leaf.path });
  warnings.add(checked.warnings, ({ path, message }) => ({ layer, name, key: keyOf(path), message }));
  let at = tree;
  for (const step of leaf.path.slice(0, -1)) {
    const next = Object.hasOwn(at, step) ? at[step] : (at[step] = {});
    // Something else is in the way, which validation is about to say better.
    if (!isObject(next)) return undefined;
    at = next;
  }
  at[leaf.path.at(-1) ?? ""] = checked.value;
  return checked.errors[0]?.message.replace(/^Cannot use /, "");
}

function blame(input: LayersInput, { path, state }: Complaint, source: Given | undefined): ConfigIssue {
  const key = keyOf(path);
  if (!source) {
    const place = placeIn(input.tree, path, "value");
    return { layer: "file", file: input.file, ...place, key, message: `Cannot use ${quote(key)}: ${state}` };
  }
  const { layer, name, leaf } = source;
  if (layer === "override") return { layer, key, message: `Cannot set ${quote(key)}: ${state}` };
  const where = path.length > leaf.path.length ? `${name} (${key})` : name;
  return { layer, name, key, message: `Cannot use ${where}: ${state}` };
}

/** As the schema says, or, where plugins have settings that no schema of ours knows, as the name does. */
function isSecretAt(root: z.ZodType, path: Path): boolean {
  const found = schemaAt(root, path);
  const known = found && bare(found);
  if (!known || known.schema instanceof z.ZodUnknown) return SECRET_NAME.test(String(path.at(-1)));
  return known.meta.secret === true;
}

function startsWith(path: Path, start: Path): boolean {
  return start.every((step, index) => path[index] === step);
}

function provenanceOf(input: LayersInput, fileValue: unknown, given: readonly Given[]): Provenance {
  return new Map(
    input.leaves.map((leaf) => {
      const settings: [Setting, ...Setting[]] = [{ layer: "default", value: leaf.default }];
      settings.unshift(...writtenAt(input.tree, leaf.path, fileValue));
      for (const { layer, name, value } of given.filter((one) => one.leaf === leaf)) {
        settings.unshift({ layer, ...(name !== "" && { name }), value });
      }
      return [leaf.key, settings];
    }),
  );
}

/** What the files say about one leaf, the place in force first. */
function writtenAt(tree: Tree | undefined, path: Path, fileValue: unknown): Setting[] {
  const written = treeAt(tree, path);
  if (!written) return [];
  const place = written.spot && placeOfSpot(written.spot);
  const others = written.hidden.flatMap((hidden) => {
    const at = hidden.spot && placeOfSpot(hidden.spot);
    return at ? [{ layer: "file" as const, value: valueOf(hidden), ...at }] : [];
  });
  return [{ layer: "file", value: valueAt(fileValue, path), ...place }, ...others];
}

export function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const step of path) {
    if (Array.isArray(at)) at = at[Number(step)];
    else at = isObject(at) && Object.hasOwn(at, step) ? at[step] : undefined;
  }
  return at;
}
