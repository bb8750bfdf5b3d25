import { LIMITS } from "../../contract/limits.ts";
import { RESERVED_KEYS } from "../../contract/reserved-keys.ts";
import { isObject, keyOf, quote } from "../leaves.ts";
import type { Path } from "../leaves.ts";

/** An edit that cannot be made; the message names the key and never a value. */
export class EditError extends Error {
  override readonly name = "EditError";
}

/** Throws for the keys that would reach a prototype. */
export function refuseKey(key: string, what: string): void {
  if (RESERVED_KEYS.has(key)) throw new EditError(`${what}: the key ${quote(key)} is not allowed`);
}

/** `Cannot set "gateway.port"`, the first half of a message. */
export function cannot(verb: string, path: Path): string {
  return `Cannot ${verb} ${path.length === 0 ? "the whole file" : quote(keyOf(path))}`;
}

/** Throws where a path has a key that is refused or an index that is none. */
export function checkPath(path: Path, what: string): void {
  for (const name of path) {
    if (typeof name === "string") refuseKey(name, what);
    else if (!Number.isSafeInteger(name) || name < 0) throw new EditError(`${what}: ${name} is no index`);
  }
  checkDepth(path.length, what);
}

/** Throws for what JSON cannot say, and for more nesting than a file may have. */
export function checkValue(value: unknown, levels: number, what: string): void {
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number" && Number.isFinite(value)) return;
  checkDepth(levels + 1, what);
  if (Array.isArray(value)) {
    // Not forEach, which passes over holes.
    for (const item of value) checkValue(item, levels + 1, what);
    return;
  }
  if (!isPlain(value)) throw new EditError(`${what}: JSON has no way to write ${kindOf(value)}`);
  for (const [key, member] of Object.entries(value)) {
    refuseKey(key, what);
    checkValue(member, levels + 1, what);
  }
}

/** Throws where this many objects and lists inside each other are more than a file may have. */
export function checkDepth(levels: number, what: string): void {
  if (levels <= LIMITS.jsonDepthMax) return;
  throw new EditError(`${what}: there would be more than ${LIMITS.jsonDepthMax} levels of nesting`);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function kindOf(value: unknown): string {
  if (typeof value === "number") return String(value);
  if (value === undefined) return "undefined";
  return typeof value === "object" ? "this kind of object" : `a ${typeof value}`;
}
