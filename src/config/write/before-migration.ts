import type { Snapshot } from "../store.ts";
import type { Intent, Rewritten } from "./rewrite.ts";

/** A text that is kept for good, while backups come and go. */
export interface Original {
  readonly path: string;
  readonly text: string;
}

/** The main file as it was when its old keys were moved, where nothing else keeps it. */
export function originalOf(
  { path, source }: Snapshot,
  intent: Intent,
  { texts, changes }: Rewritten,
): Original | undefined {
  const [main] = source?.files ?? [];
  if (!main || changes.length === 0 || !texts.has(path)) return undefined;
  // Who asks for nothing but that keeps the JSON5 himself.
  if (intent.kind === "convert" && main.text !== main.document.text) return undefined;
  return { path: `${path}.before-migration`, text: main.text };
}
