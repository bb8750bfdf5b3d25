/** Keys that nothing from outside may have: on an object of JavaScript they would reach its prototype. */
export const RESERVED_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);
