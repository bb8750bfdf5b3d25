import { findNodeAtLocation, type Node, parseTree } from "jsonc-parser";
import type { z } from "zod";
import { readDocument } from "../text/document.ts";
import { isObject } from "../leaves.ts";
import type { Path } from "../leaves.ts";
import { hideInComments, isInside, type Replacement, restoreComments, type Span } from "./redact-comments.ts";
import { matchLists } from "./redact-lists.ts";
import { collectTexts, mapSecrets, REDACTED } from "./secrets.ts";

export { REDACTED };

/**
 * A deep copy in which every secret is `***`. What only names a secret (`${NAME}` alone, `{"$env": …}`,
 * `{"$file": …}`) stays, and so does text that is empty.
 */
export function redactValue(schema: z.ZodType | undefined, value: unknown): unknown {
  return mapSecrets(schema, value, (secret) => (isOpen(secret) ? secret : REDACTED));
}

/** Nothing is lost by showing it. */
function isOpen(secret: unknown): boolean {
  if (secret === null || secret === "") return true;
  if (typeof secret === "string") return /^\$\{[A-Z_][A-Z0-9_]*\}$/.test(secret);
  if (!isObject(secret)) return false;
  const [[kind, name] = [], ...others] = Object.entries(secret);
  if (others.length > 0 || typeof name !== "string") return false;
  return kind === "$file" || (kind === "$env" && /^[A-Z_][A-Z0-9_]*$/.test(name));
}

// --- text ---

/**
 * A file's text with `"***"` in place of every secret, inside comments too; undefined for text that cannot
 * be read.
 */
export function redactText(text: string, schema: z.ZodType | undefined): string | undefined {
  const read = readSpans(text);
  if (!read) return undefined;
  const values: Replacement[] = [];
  const secrets = new Set<string>();
  mapSecrets(schema, read.value, (secret, path) => {
    const span = read.spanOf(path);
    if (!span || isOpen(secret)) return secret;
    values.push({ ...span, text: JSON.stringify(REDACTED) });
    collectTexts(secret, secrets);
    return secret;
  });
  const comments = hideInComments(text, [...secrets]);
  const outside = comments.filter((comment) => !values.some((value) => isInside(comment, value)));
  return replaceAll(text, [...values, ...outside]);
}

interface Spans {
  readonly value: unknown;
  /** Where the value at a path is written. */
  spanOf(path: Path): Span | undefined;
}

function readSpans(text: string): Spans | undefined {
  const reading = readDocument(text);
  if (!reading.ok) return undefined;
  const start = text.startsWith("\uFEFF") ? 1 : 0;
  const root: Node | undefined = parseTree(text.slice(start), [], { allowTrailingComma: true });
  return {
    value: reading.document.value,
    spanOf(path) {
      const node = root && findNodeAtLocation(root, [...path]);
      return node && { start: node.offset + start, end: node.offset + node.length + start };
    },
  };
}

function replaceAll(text: string, replacements: readonly Replacement[]): string {
  let result = "";
  let at = 0;
  for (const { start, end, text: put } of replacements.toSorted((a, b) => a.start - b.start)) {
    result += text.slice(at, start) + put;
    at = end;
  }
  return result + text.slice(at);
}

// --- the way back ---

export interface Restored {
  readonly value: unknown;
  /** Where `***` stands for nothing that was there before; it is still in the value. */
  readonly missing: readonly Path[];
}

/**
 * Puts back what `***` hides: the value that `before` has at the same path. Elements of lists are those with
 * the same `id`; without one those that are equal but for what is hidden, else those at the same place of a
 * list that is as long.
 */
export function restoreRedacted(next: unknown, before: unknown): Restored {
  const missing: Path[] = [];
  const value = restore({ next, before }, { path: [], from: [] }, (hidden) => {
    if (hidden.value !== undefined) return hidden.value;
    missing.push(hidden.path);
    return REDACTED;
  });
  return { value, missing };
}

export type RestoredText =
  { readonly ok: true; readonly text: string } | { readonly ok: false; readonly paths: readonly Path[] };

/**
 * The same on texts: the old value's own source text goes in, in comments too, and nothing else changes.
 * A text that cannot be read comes back as it is, for its reader to say why.
 */
export function restoreRedactedText(nextText: string, beforeText: string): RestoredText {
  const next = readSpans(nextText);
  if (!next) return { ok: true, text: nextText };
  const before = readSpans(beforeText);
  const paths: Path[] = [];
  const put: Replacement[] = [];
  const hidden: Span[] = [];
  restore({ next: next.value, before: before?.value }, { path: [], from: [] }, ({ path, from, value }) => {
    const to = next.spanOf(path);
    const source = value === undefined ? undefined : before?.spanOf(from);
    if (!to || !source) {
      paths.push(path);
      return REDACTED;
    }
    put.push({ ...to, text: beforeText.slice(source.start, source.end) });
    hidden.push(source);
    return REDACTED;
  });
  if (paths.length > 0) return { ok: false, paths };
  return { ok: true, text: replaceAll(nextText, [...put, ...restoreComments(nextText, beforeText, hidden)]) };
}

interface Pair {
  readonly next: unknown;
  readonly before: unknown;
}

interface Places {
  readonly path: Path;
  /** Where that was before. */
  readonly from: Path;
}

/** One `***`, with what it stands for; undefined if for nothing. */
interface Hidden extends Places {
  readonly value: unknown;
}

function restore({ next, before }: Pair, places: Places, onHidden: (hidden: Hidden) => unknown): unknown {
  const below = (pair: Pair, step: string | number, fromStep = step): unknown =>
    restore(pair, { path: [...places.path, step], from: [...places.from, fromStep] }, onHidden);
  if (next === REDACTED) return onHidden({ ...places, value: before });
  if (Array.isArray(next)) {
    const list: readonly unknown[] = Array.isArray(before) ? before : [];
    const matches = matchLists(next, list);
    return next.map((item, index) => {
      const match = matches[index];
      return below({ next: item, before: match === undefined ? undefined : list[match] }, index, match);
    });
  }
  if (!isObject(next)) return next;
  const old = isObject(before) ? before : {};
  return Object.fromEntries(
    Object.entries(next).map(([name, item]) => [
      name,
      below({ next: item, before: Object.hasOwn(old, name) ? old[name] : undefined }, name),
    ]),
  );
}
