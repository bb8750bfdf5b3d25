import type { z } from "zod";
import { type Document, readDocument, type Span } from "../text/document.ts";
import { isObject } from "../leaves.ts";
import type { Path } from "../leaves.ts";
import { hideInComments, outsideOf, type Replacement, restoreComments } from "./redact-comments.ts";
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
  if (typeof secret === "string") return /^(?:[\w.-]+=)?\$\{[A-Z_][A-Z0-9_]*\}$/.test(secret);
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
  const document = read(text);
  if (!document) return undefined;
  const values: Replacement[] = [];
  const secrets = new Set<string>();
  mapSecrets(schema, document.value, (secret, path) => {
    const span = document.span(path);
    if (!span || isOpen(secret)) return secret;
    values.push({ ...span, text: JSON.stringify(REDACTED) });
    collectTexts(secret, secrets);
    return secret;
  });
  const comments = hideInComments(text, [...secrets]);
  return replaceAll(text, [...values, ...outsideOf(comments, values)]);
}

function read(text: string): Document | undefined {
  const reading = readDocument(text);
  return reading.ok ? reading.document : undefined;
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
  const next = read(nextText);
  if (!next) return { ok: true, text: nextText };
  const before = read(beforeText);
  const paths: Path[] = [];
  const put: Replacement[] = [];
  const hidden: Span[] = [];
  restore({ next: next.value, before: before?.value }, { path: [], from: [] }, ({ path, from, value }) => {
    const to = next.span(path);
    const source = value === undefined ? undefined : before?.span(from);
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
