import type { z } from "zod";
import type { Settings } from "../judge.ts";
import { parseKey } from "../key.ts";
import { type Layer, type Provenance, type Setting, valueAt } from "../layers.ts";
import { bare, isObject, keyOf, quote, schemaAt } from "../leaves.ts";
import type { Leaf, Path, ReloadClass } from "../leaves.ts";
import { strangerProblem } from "./explain-problem.ts";
import { REDACTED, redactValue } from "./redact.ts";
import type { Config } from "../schema.ts";
import type { FilePlace } from "../tree/tree.ts";

export interface ExplainInput {
  readonly settings: Settings;
  /** The configuration in force, and where its settings are from. */
  readonly config: Config;
  readonly provenance: Provenance;
  /** Where the files say what is in force at a path; undefined where they do not. */
  readonly positionOf?: (path: Path) => FilePlace | undefined;
}

/** A setting that a stronger layer hides. */
export interface HiddenSetting {
  readonly layer: Layer;
  readonly value: unknown;
  readonly source?: FilePlace;
  /** The variable or flag. */
  readonly name?: string;
}

/** Why a setting has its value. Secrets in it are `***`. */
export interface Explained {
  readonly key: string;
  /** The value in force; undefined when nothing sets it. */
  readonly value: unknown;
  /** The layer that decides. */
  readonly layer: Layer;
  /** Where it is written, when that is in a file. */
  readonly source?: FilePlace;
  /** The variable or flag that sets it. */
  readonly name?: string;
  /** The setting this is a part of, where it is not one itself: layers and variables set that as a whole. */
  readonly partOf?: string;
  /** The variable that would set it; none for what only a file can say. */
  readonly env?: string;
  readonly default: unknown;
  /** What it hides, the strongest first. */
  readonly hidden: readonly HiddenSetting[];
  readonly reload: ReloadClass;
  readonly description: string;
}

export interface ExplainProblem {
  /** A sentence for people. */
  readonly problem: string;
}

/**
 * Tells where the value of a setting, or of a part of one, is from. A variable's name stands for its
 * setting.
 */
export function explain(input: ExplainInput, key: string): Explained | ExplainProblem {
  const { settings, config } = input;
  const parsed = settings.names.get(key)?.path ?? parseKey(key);
  const cannot = `Cannot explain ${quote(key)}`;
  if (!parsed) return { problem: `${cannot}: it is no key, which is written like gateway.port` };
  const path = named(config, parsed);
  const leaf = settings.leaves.find((one) => one.path.every((name, at) => name === String(path[at])));
  const schema = schemaAt(settings.schema, path);
  const stranger = strangerProblem(settings, config, path);
  if (stranger !== undefined) return { problem: `${cannot}: ${stranger}` };
  if (leaf) return explainLeaf(input, leaf, path);
  if (schema) return explainEntry(input, schema, path);
  return { problem: `${cannot}: there is no such key` };
}

/** Digits are a place in a list, and a name everywhere else. */
function named(config: unknown, path: Path): Path {
  return path.map((step, at) =>
    typeof step === "number" && isObject(valueAt(config, path.slice(0, at))) ? String(step) : step,
  );
}

function explainLeaf(input: ExplainInput, leaf: Leaf, path: Path): Explained {
  const { config, provenance, positionOf } = input;
  const rest = path.slice(leaf.path.length);
  const part = (value: unknown): unknown => shownPart(leaf.schema, value, rest);
  const schema = schemaAt(leaf.schema, rest);
  const meta = schema && bare(schema);
  const fallback = valueAt(leaf.default, rest) ?? meta?.default;
  const settings = provenance.get(leaf.key) ?? [];
  const [first, ...others] = settings.filter(({ layer }) => layer !== "default");
  // A layer that sets the whole may leave this part out: then the part has its default.
  const isSet = first !== undefined && (rest.length === 0 || valueAt(first.value, rest) !== undefined);
  const origin: Origin = isSet ? deciding(first, path, { leaf, positionOf }) : { layer: "default" };
  const isHidden = ({ layer, file, value }: Setting): boolean =>
    // Files are merged: the one that decides on a part can be among those that the first one hides.
    valueAt(value, rest) !== undefined &&
    !(layer === "file" && rest.length > 0 && file === origin.source?.file);
  const hidden = isSet ? others.filter(isHidden) : [];
  const hidesDefault = isSet && fallback !== undefined;
  return {
    key: keyOf(path),
    value: part(valueAt(config, leaf.path)),
    ...origin,
    ...(rest.length > 0 && { partOf: leaf.key }),
    env: leaf.env,
    default: redactValue(schema, fallback),
    hidden: [
      ...hidden.map((setting) => ({
        layer: setting.layer,
        value: part(setting.value),
        ...originOf(setting),
      })),
      ...(hidesDefault ? [{ layer: "default" as const, value: redactValue(schema, fallback) }] : []),
    ],
    reload: leaf.reload,
    description: meta?.meta.description ?? leaf.description,
  };
}

type Origin = Pick<Explained, "layer" | "source" | "name">;

interface Places {
  readonly leaf: Leaf;
  readonly positionOf: ExplainInput["positionOf"];
}

/** The layer that decides, and the innermost place in a file that says so. */
function deciding(setting: Setting, path: Path, { leaf, positionOf }: Places): Origin {
  const { layer } = setting;
  if (layer === "file") {
    for (let length = path.length; length > leaf.path.length; length -= 1) {
      const source = positionOf?.(path.slice(0, length));
      if (source) return { layer, source };
    }
  }
  return { layer, ...originOf(setting) };
}

function originOf({ file, line, column, name }: Setting): Pick<HiddenSetting, "source" | "name"> {
  return {
    ...(file !== undefined && line !== undefined && { source: { file, line, column: column ?? 1 } }),
    ...(name !== undefined && { name }),
  };
}

/** One of the names a section takes besides those it knows: `env.OPENAI_KEY`. Only files say such. */
function explainEntry(input: ExplainInput, schema: z.ZodType, path: Path): Explained {
  const value = valueAt(input.config, path);
  const source = value === undefined ? undefined : input.positionOf?.(path);
  const { meta, default: fallback } = bare(schema);
  return {
    key: keyOf(path),
    value: redactValue(schema, value),
    layer: value === undefined ? "default" : "file",
    ...(source && { source }),
    default: redactValue(schema, fallback),
    hidden: [],
    reload: meta.reload ?? "process",
    description: meta.description ?? "",
  };
}

/** A part of a setting as it may be shown: hidden where the whole around it is. */
function shownPart(schema: z.ZodType, whole: unknown, rest: Path): unknown {
  let shown = redactValue(schema, whole);
  for (const step of rest) {
    if (shown === REDACTED) return REDACTED;
    shown = valueAt(shown, [step]);
  }
  return shown;
}

// --- in words ---

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
}

const ON_CHANGE: Readonly<Record<ReloadClass, string>> = {
  live: "takes effect at once",
  feature: "its part starts anew",
  process: "the gateway restarts when no run is active",
};

/** An explanation for a terminal, without an end of line. */
export function describeExplained(explained: Explained, { bold, dim }: Style): string {
  const { key, value, hidden, env, partOf, reload, description } = explained;
  const whole = partOf === undefined ? "" : `, for all of ${printable(partOf)}`;
  const rows: [string, string][] = [["set by", originText(explained)]];
  for (const [index, one] of hidden.entries()) {
    rows.push([index === 0 ? "hides" : "", `${originText(one)} ${valueText(one.value)}`]);
  }
  if (env !== undefined) rows.push(["variable", env + whole]);
  rows.push(["on change", ON_CHANGE[reload]]);
  const lines = rows.map(([label, text]) => `  ${dim(label.padEnd(9))}  ${text}`);
  const title =
    value === undefined ? `${bold(printable(key))} is not set` : `${bold(printable(key))} = ${block(value)}`;
  return [title, ...lines, ...(description === "" ? [] : [`  ${printable(description)}`])].join("\n");
}

function originText({ layer, source, name }: Pick<HiddenSetting, "layer" | "source" | "name">): string {
  const place = source && printable(`${source.file}:${source.line}:${source.column}`);
  if (layer === "file") return place === undefined ? "file" : `file ${place}`;
  if (layer === "env") return name === undefined ? "environment" : `variable ${printable(name)}`;
  if (layer === "flag") return name === undefined ? "option" : `option ${printable(name)}`;
  return layer === "override" ? "override, until the gateway stops" : "default";
}

const LINE_CHARS_MAX = 90;

function valueText(value: unknown): string {
  return printable(JSON.stringify(value) ?? "nothing");
}

/** What does not fit a line is broken into several. */
function block(value: unknown): string {
  const line = valueText(value);
  return line.length <= LINE_CHARS_MAX ? line : printable(JSON.stringify(value, undefined, 2));
}

// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const UNPRINTABLE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Text from elsewhere without what could move the cursor or turn the reading direction. */
function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
