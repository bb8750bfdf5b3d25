/** Reading what came over the wire, where nothing is taken for granted. */

export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** The text, empty for anything else. */
export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The object, empty for anything else. */
export function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
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
