import { createScanner } from "jsonc-parser";
import { readDocument } from "../text/document.ts";
import { EditError, type TextChange } from "../text/edit.ts";
import { isEqual } from "../equal.ts";
import { valueAt } from "../layers.ts";
import { isObject, keyOf, quote } from "../leaves.ts";
import type { Path } from "../leaves.ts";
import { migrateDraft, migrateLegacyConfig } from "../migrations/migrate.ts";
import { changesOf, droppedKeys, mergePatch } from "./patch.ts";
import { restoreRedacted, restoreRedactedText } from "../show/redact.ts";
import { textDraft } from "../tree/text-draft.ts";
import type { SourceFile } from "../tree/tree.ts";

/** What somebody wants the configuration to be. */
export type Intent =
  /** One key's value; `drop` as for `replace`. */
  | { readonly kind: "set"; readonly path: Path; readonly value: unknown; readonly drop: readonly Path[] }
  | { readonly kind: "unset"; readonly path: Path }
  /** RFC 7396; lists of things with an id by id. */
  | { readonly kind: "patch"; readonly patch: unknown }
  /** The whole: its text if that has comments or includes files or nothing is there yet, else its meaning. */
  | {
      readonly kind: "replace";
      readonly text: string;
      /** The text in any case: it is the main file's own, edited. */
      readonly isVerbatim?: boolean;
      /** Keys that may go. */
      readonly drop: readonly Path[];
      /** Takes out of the meaning what was only shown and is not meant to be written. */
      readonly strip?: (value: unknown) => unknown;
    }
  /** Nothing but what reading it has to convert. */
  | { readonly kind: "convert" };

export interface Rewritten {
  /** Texts that are not what they were, by path. */
  readonly texts: ReadonlyMap<string, string>;
  /** What was moved or converted on the way, in words. */
  readonly changes: readonly string[];
}

type Files = readonly [SourceFile, ...SourceFile[]];

/**
 * The texts that say what is wanted and are otherwise as their author left them.
 *
 * @param files as read, the main one first; an empty main one when there is none yet
 * @throws EditError saying why it cannot be
 */
export function rewrite(files: Files, intent: Intent): Rewritten {
  const draft = textDraft(files);
  const before = migrated(draft.value());
  if (intent.kind === "replace" && isText(intent, before)) return replaced(files, intent, before);
  const converted = files.filter(({ text, document }) => text !== "" && text !== document.text);
  const changes = [...converted.map(({ path }) => `converted "${path}" from JSON5`), ...migrateDraft(draft)];
  if (!isEqual(draft.value(), before)) throw forbidden("its old keys are written in several files");
  const { after, mayGo } = wanted(intent, before);
  refuseOldNames(intent, after);
  refuseDrops(before, after, mayGo);
  for (const change of fewEnough(changesOf(before, after), draft.texts)) draft.change(change);
  if (!isEqual(draft.value(), after))
    throw forbidden("it is put together from files in a way that forbids it");
  return { texts: changedTexts(files, draft.texts), changes };
}

function forbidden(reason: string): EditError {
  return new EditError(`Cannot change the configuration: ${reason}`);
}

/** What a value means today; what is read is judged as that. */
function migrated(value: unknown): unknown {
  return isObject(value) ? migrateLegacyConfig(value).config : value;
}

type Replacement = Extract<Intent, { readonly kind: "replace" }>;

/** The main file's text is another one. The included files stay as they are, old keys in them too. */
function replaced(files: Files, intent: Replacement, before: unknown): Rewritten {
  const [main, ...included] = files;
  const text = restoredText(intent.text, main.document.text);
  const next = textDraft([{ ...main, text, document: documentOf(text) }, ...included]);
  refuseDrops(before, migrated(next.value()), intent.drop);
  return { texts: changedTexts(files, new Map([[main.path, text]])), changes: [] };
}

/** Each change reads the files again, while nothing else happens: so much text at most, in characters. */
const READ_CHARS_MAX = 4 * 1024 * 1024;

function fewEnough(
  changes: readonly TextChange[],
  texts: ReadonlyMap<string, string>,
): readonly TextChange[] {
  const size = [...texts.values()].reduce((sum, text) => sum + text.length, 0);
  if (changes.length * size <= READ_CHARS_MAX) return changes;
  throw new EditError(
    `Cannot write configuration: ${changes.length} changes at once are too many for files of this size`,
  );
}

interface Wanted {
  readonly after: unknown;
  /** Keys whose loss is part of the wish. */
  readonly mayGo: readonly Path[];
}

function wanted(intent: Intent, before: unknown): Wanted {
  switch (intent.kind) {
    case "set": {
      const { value, missing } = restoreRedacted(assigned(before, intent.path, intent.value), before);
      refuseMissing(missing);
      return { after: value, mayGo: intent.drop };
    }
    case "unset":
      return { after: assigned(before, intent.path, undefined), mayGo: [intent.path] };
    case "patch": {
      const { value, missing } = restoreRedacted(mergePatch(before, intent.patch), before);
      refuseMissing(missing);
      return { after: value, mayGo: nullsOf(intent.patch, []) };
    }
    case "replace": {
      const next = migrated(documentOf(intent.text).value);
      const { value, missing } = restoreRedacted(intent.strip?.(next) ?? next, before);
      refuseMissing(missing);
      return { after: value, mayGo: intent.drop };
    }
    case "convert":
      return { after: before, mayGo: [] };
  }
}

/** The text has to say more than its meaning; or there is nothing to keep. */
function isText(intent: Replacement, before: unknown): boolean {
  const isEmpty = isObject(before) && Object.keys(before).length === 0;
  return (
    isEmpty || intent.isVerbatim === true || intent.text.includes('"$include"') || hasComment(intent.text)
  );
}

function hasComment(text: string): boolean {
  const scanner = createScanner(text);
  for (;;) {
    scanner.scan();
    const start = scanner.getTokenOffset();
    if (start >= text.length) return false;
    if (text[start] === "/") return true;
  }
}

function documentOf(text: string) {
  const reading = readDocument(text);
  if (reading.ok) return reading.document;
  const { line = 1, column = 1, reason = "" } = reading.errors[0] ?? {};
  throw new EditError(`Cannot read the new configuration: line ${line}, column ${column}: ${reason}`);
}

function restoredText(text: string, before: string): string {
  documentOf(text);
  const restored = restoreRedactedText(text, before);
  if (!restored.ok) refuseMissing(restored.paths);
  return restored.ok ? restored.text : text;
}

function refuseMissing(paths: readonly Path[]): void {
  const [first] = paths;
  if (!first) return;
  throw new EditError(
    `Cannot write ${quote(keyOf(first))}: *** stands for a hidden secret, and there is none to keep`,
  );
}

function refuseDrops(before: unknown, after: unknown, mayGo: readonly Path[]): void {
  const dropped = droppedKeys(before, after).filter(
    (path) => !mayGo.some((start) => startsWith(path, start)),
  );
  if (dropped.length === 0) return;
  const names = dropped.map((path) => quote(keyOf(path)));
  const rest = names.length > 5 ? ` and ${names.length - 5} more` : "";
  throw new EditError(
    `Cannot write configuration: it would drop ${names.slice(0, 5).join(", ")}${rest}, which nobody named`,
  );
}

/** What is written by an old name would be moved away, or ignored, the next time it is read. */
function refuseOldNames(intent: Intent, after: unknown): void {
  if ((intent.kind !== "set" && intent.kind !== "patch") || !isObject(after)) return;
  const named = intent.kind === "set" ? [intent.path] : leavesOf(intent.patch, []);
  const { config, changes } = migrateLegacyConfig(after);
  const gone = droppedKeys(after, config)
    // An element is not gone because its id is said otherwise, and empty text takes a choice back.
    .filter((path) => typeof path.at(-1) === "string" && valueAt(after, path) !== "")
    .flatMap((path) => named.flatMap((one) => innerOf(path, one)));
  const [old] = gone;
  if (!old) return;
  const key = quote(keyOf(old));
  const change = changes.find((one) => one.includes(key)) ?? changes[0] ?? "it would be ignored";
  throw new EditError(`Cannot set ${key}: it is an old name, ${change}`);
}

/** The one of two paths that is in the other; none where they are apart. */
function innerOf(a: Path, b: Path): Path[] {
  if (startsWith(a, b)) return [a];
  return startsWith(b, a) ? [b] : [];
}

function leavesOf(patch: unknown, path: Path): Path[] {
  if (!isObject(patch)) return patch === null ? [] : [path];
  return Object.entries(patch).flatMap(([name, value]) => leavesOf(value, [...path, name]));
}

function startsWith(path: Path, start: Path): boolean {
  return start.length <= path.length && start.every((step, index) => String(path[index]) === String(step));
}

/** What a merge patch takes away by name. */
function nullsOf(patch: unknown, path: Path): Path[] {
  if (patch === null) return [path];
  if (!isObject(patch)) return [];
  return Object.entries(patch).flatMap(([name, value]) => nullsOf(value, [...path, name]));
}

/** A copy with another value at a path; undefined takes it away. */
function assigned(root: unknown, path: Path, value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (Array.isArray(root)) {
    const index = Number(step);
    const isPlace = Number.isInteger(index) && index >= 0 && index <= root.length;
    if (!isPlace)
      throw new EditError(`Cannot change element ${quote(String(step))}: the list has ${root.length}`);
    const items: unknown[] = root.slice();
    const item = assigned(items[index], rest, value);
    items.splice(index, 1, ...(item === undefined ? [] : [item]));
    return items;
  }
  const own = isObject(root) ? root : {};
  const { [step]: old, ...others } = own;
  const item = value === undefined && old === undefined ? undefined : assigned(old, rest, value);
  if (item === undefined) return others;
  return { ...own, [step]: item };
}

function changedTexts(files: Files, texts: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const old = new Map(files.map(({ path, text }) => [path, text]));
  return new Map([...texts].filter(([path, text]) => old.get(path) !== text));
}
