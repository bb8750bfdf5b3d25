/** Reading what came over the wire, where nothing is taken for granted. */

import { isObject } from "../rpc/json.ts";

export type Fields = Readonly<Record<string, unknown>>;

export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** The text, empty for anything else. */
export function text(value: unknown): string {
  return textOf(value) ?? "";
}

export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The list, empty for anything else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The object, empty for anything else. */
export function record(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {};
}

export function isJson(said: string): boolean {
  try {
    JSON.parse(said);
    return true;
  } catch {
    // The question was whether it throws.
    return false;
  }
}
