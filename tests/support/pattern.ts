/**
 * Does `value` fit `pattern`? A pattern is JSON in which `"<string>"`, `"<number>"` and `"<any>"` stand
 * for any such value, `"<string NAME>"` for a text that {@link named} finds again, and an object with the key
 * `"..."` may have more keys than it names.
 *
 * @returns where and why it does not, undefined if it does
 */
export function mismatch(value: unknown, pattern: unknown, at = "$"): string | undefined {
  if (pattern === "<any>") return value === undefined ? `${at}: missing` : undefined;
  if (isText(pattern)) return typeof value === "string" ? undefined : `${at}: no text`;
  if (pattern === "<number>") return typeof value === "number" ? undefined : `${at}: no number`;
  if (typeof pattern !== "object" || pattern === null)
    return Object.is(value, pattern) ? undefined : `${at}: ${JSON.stringify(value)}`;
  if (typeof value !== "object" || value === null) return `${at}: ${JSON.stringify(value)}`;
  if (Array.isArray(pattern) !== Array.isArray(value)) return `${at}: not of one kind`;
  if (Array.isArray(pattern) && Array.isArray(value) && pattern.length !== value.length)
    return `${at}: ${value.length} items`;
  const wanted = Object.entries(pattern).filter(([key]) => key !== "...");
  const isOpen = "..." in pattern;
  const extra = Object.keys(value).find((key) => !isOpen && !Object.hasOwn(pattern, key));
  if (extra !== undefined) return `${at}.${extra}: not expected`;
  for (const [key, inner] of wanted) {
    const found = mismatch((value as Record<string, unknown>)[key], inner, `${at}.${key}`);
    if (found) return found;
  }
  return undefined;
}

/** The texts that a pattern gives names to, in a value that fits it. */
export function named(value: unknown, pattern: unknown): [name: string, text: string][] {
  const name = typeof pattern === "string" ? TEXT.exec(pattern)?.[1] : undefined;
  if (name !== undefined) return [[name, String(value)]];
  if (typeof pattern !== "object" || pattern === null || typeof value !== "object" || value === null)
    return [];
  // Both fit: what one has under a key, the other has too.
  return Object.entries(pattern).flatMap(([key, inner]) =>
    named((value as Record<string, unknown>)[key], inner),
  );
}

const TEXT = /^<string(?: (\w+))?>$/;

function isText(pattern: unknown): boolean {
  return typeof pattern === "string" && TEXT.test(pattern);
}
