import { RESERVED_KEYS } from "../contract/reserved-keys.ts";
import type { Path } from "./leaves.ts";

/**
 * The path that a key names, as `keyOf` writes it: names between dots, in JSON's quotes where one has a dot
 * or a space itself. Digits are a place in a list, `list[0]` is `list.0`. Undefined where it is no key.
 */
export function parseKey(text: string): Path | undefined {
  const steps: (string | number)[] = [];
  // A name, then the dot behind it or the end; an index in brackets needs no dot before it.
  const step = /(?:"((?:[^"\\]|\\.)*)"|([^\s."[\]]+)|\[(\d{1,9})\])(?:\.(?=[^.[])|(?=\[)|$)/y;
  while (step.lastIndex < text.length) {
    const match = step.exec(text);
    if (!match) return undefined;
    const [, quoted, bare, index] = match;
    const name = quoted === undefined ? (bare ?? index ?? "") : unquote(quoted);
    if (name === undefined || RESERVED_KEYS.has(name)) return undefined;
    // Only a list has an index: the same digits in quotes are a name.
    steps.push(quoted === undefined && /^(?:0|[1-9]\d{0,8})$/.test(name) ? Number(name) : name);
  }
  return steps.length === 0 || typeof steps[0] === "number" ? undefined : steps;
}

function unquote(inner: string): string | undefined {
  try {
    const name: unknown = JSON.parse(`"${inner}"`);
    return typeof name === "string" ? name : undefined;
  } catch {
    // An escape that JSON does not have, or a control character.
    return undefined;
  }
}
