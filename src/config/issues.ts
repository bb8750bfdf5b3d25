import { z } from "zod";
import { LIMITS } from "../contract/limits.ts";
import { bare, classic, quote, schemaAt } from "./leaves.ts";
import type { Path } from "./leaves.ts";

/**
 * One thing wrong with, or worth knowing about, the configuration. No message holds a value that could be
 * secret.
 */
export interface ConfigIssue {
  /** Which layer is to blame. */
  readonly layer: "file" | "env" | "flag" | "override";
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
  /** From 1. */
  readonly column?: number;
  /** The variable or flag. */
  readonly name?: string;
  /** `gateway.port`; empty where it is about the whole. */
  readonly key: string;
  readonly message: string;
}

/** `FILE:LINE:COLUMN: MESSAGE`, as far as known: what terminals and editors turn into a link. */
export function formatIssue({ file, line, column, message }: ConfigIssue): string {
  if (file === undefined) return message;
  return line === undefined ? `${file}: ${message}` : `${file}:${line}:${column ?? 1}: ${message}`;
}

export function byPlace(a: ConfigIssue, b: ConfigIssue): number {
  if (a.file !== b.file) return (a.file ?? "") < (b.file ?? "") ? -1 : 1;
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

// --- no more of them than a person reads ---

const ISSUES_MAX = LIMITS.configIssuesMax;

/** Collects issues of any number: the first of each kind are made and kept, the others counted. */
export class IssueList {
  readonly #kept: ConfigIssue[] = [];
  #count = 0;

  get size(): number {
    return this.#count;
  }

  /** @param count of all there are, where `found` is not all of it */
  add<T>(found: readonly T[], make: (one: T) => ConfigIssue, count = found.length): void {
    this.#count += count;
    for (const one of found.slice(0, ISSUES_MAX)) this.#kept.push(make(one));
  }

  toArray(order?: (a: ConfigIssue, b: ConfigIssue) => number): readonly ConfigIssue[] {
    const issues = order ? this.#kept.toSorted(order) : this.#kept;
    return bounded(issues, this.#count);
  }
}

/** As many issues as are told, none longer than its bound; the last one tells how many are left out. */
export function bounded(issues: readonly ConfigIssue[], count = issues.length): readonly ConfigIssue[] {
  if (count <= ISSUES_MAX) return issues.map(shortened);
  const told = issues.slice(0, ISSUES_MAX - 1).map(shortened);
  const { layer = "file", file } = told[0] ?? {};
  const message = `and ${count - told.length} more`;
  return [...told, { layer, ...(file !== undefined && { file }), key: "", message }];
}

function shortened(issue: ConfigIssue): ConfigIssue {
  const { key, message } = issue;
  if (key.length <= LIMITS.configKeyCharsMax && message.length <= LIMITS.configIssueCharsMax) return issue;
  return {
    ...issue,
    key: cut(key, LIMITS.configKeyCharsMax),
    message: cut(message, LIMITS.configIssueCharsMax),
  };
}

/** A text as far as it may be long. */
export function cut(text: string, charsMax: number): string {
  return text.length > charsMax ? `${text.slice(0, charsMax - 1).toWellFormed()}…` : text;
}

// --- what the schema says, in words ---

export interface Complaint {
  readonly path: Path;
  /** The state: what was wanted and what is there. */
  readonly state: string;
}

/** The first issues of a validation, told by what the schema wants at that place. */
export function toComplaints(root: z.ZodType, issues: readonly z.core.$ZodIssue[]): readonly Complaint[] {
  return issues.slice(0, ISSUES_MAX).flatMap((issue) => complaints(root, issue, []));
}

function complaints(root: z.ZodType, issue: z.core.$ZodIssue, base: Path): Complaint[] {
  // JSON has no symbols for keys.
  const path = [...base, ...issue.path.filter((step) => typeof step !== "symbol")];
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: [...path, key], state: "there is no such key" }));
  }
  if (issue.code === "invalid_union") {
    const inside = issue.errors.find(
      (branch) => branch.length > 0 && branch.every((inner) => inner.path.length > 0),
    );
    if (inside) return inside.flatMap((inner) => complaints(root, inner, path));
  }
  return [{ path, state: stateOf(schemaAt(root, path), issue) }];
}

function stateOf(schema: z.ZodType | undefined, issue: z.core.$ZodIssue): string {
  if (issue.code === "custom") return issue.message;
  if (issue.code === "too_big" || issue.code === "too_small") {
    const limit = issue.code === "too_big" ? issue.maximum : issue.minimum;
    const side = issue.code === "too_big" ? "at most" : "at least";
    if (issue.origin === "string") return `wanted ${side} ${limit} characters`;
    if (issue.origin === "array" || issue.origin === "record") return `wanted ${side} ${limit} entries`;
  }
  const wanted = schema && wantedBy(schema);
  if (wanted === undefined) return issue.message;
  const { input } = issue;
  if (input === undefined && issue.code === "invalid_type") return `it is missing, wanted ${wanted}`;
  // A number where a number belongs is no secret; any other value could be one in the wrong place.
  const isNumber = schema && typeof input === "number" && bare(schema).schema instanceof z.ZodNumber;
  if (isNumber) return `wanted ${wanted}, got ${input}`;
  const wrongKind = issue.code === "invalid_type" || issue.code === "invalid_union";
  return wrongKind ? `wanted ${wanted}, got ${kindOf(input)}` : `wanted ${wanted}`;
}

function wantedBy(wrapped: z.ZodType): string | undefined {
  const { schema } = bare(wrapped);
  if (schema instanceof z.ZodNumber) {
    const name = schema.isInt ? "a whole number" : "a number";
    return [name, bound("from", schema.minValue), bound("to", schema.maxValue)].join("");
  }
  if (schema instanceof z.ZodBoolean) return "true or false";
  if (schema instanceof z.ZodEnum) return either(schema.options.map((option) => quote(String(option))));
  if (schema instanceof z.ZodString) return "text";
  if (schema instanceof z.ZodArray) return "a list";
  if (schema instanceof z.ZodObject || schema instanceof z.ZodRecord) return "an object";
  if (!(schema instanceof z.ZodUnion)) return undefined;
  const members = schema.options.map((option) => wantedBy(classic(option)));
  return members.every((member) => member !== undefined) ? either(members) : undefined;
}

/** Bounds that are only those of exact integers are nobody's choice and not worth words. */
function bound(word: string, value: number | null): string {
  return value === null || Math.abs(value) >= Number.MAX_SAFE_INTEGER ? "" : ` ${word} ${value}`;
}

function either(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string") return "text";
  return typeof value === "object" ? "an object" : typeof value === "boolean" ? "true or false" : "a number";
}
