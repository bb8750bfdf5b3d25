import type { PluginRequestHead } from "../api.ts";

/** What a template can name. */
export interface Facts extends Pick<PluginRequestHead, "headers" | "query" | "path"> {
  readonly payload: unknown;
  readonly now: string;
}

/** What says who somebody is goes into no text. */
const SECRET_HEADER = /^(?:authorization|cookie|proxy-authorization|.*(?:token|secret|signature|api-key).*)$/;

/** Characters of one value, and of all values of a text together. */
const VALUE_CHARS_MAX = 100_000;
const VALUES_CHARS_MAX = 200_000;

/**
 * `{{payload.list[0].name}}`, `{{headers.x-event}}`, `{{query.x}}`, `{{path}}`, `{{now}}`; without one of
 * these names it is of the payload. What is not there is nothing. `show` says how a value stands in the text.
 */
export function render(template: string, facts: Facts, show: (value: string) => string): string {
  const headers = Object.entries(facts.headers).filter(([name]) => !SECRET_HEADER.test(name));
  const known = { ...facts, headers: Object.fromEntries(headers) };
  let left = VALUES_CHARS_MAX;
  return template.replace(/\{\{([^{}]*)\}\}/g, (_, name: string) => {
    const value = left > 0 ? textOf(find(name.trim(), known)) : "";
    const cut = value.slice(0, Math.min(left, VALUE_CHARS_MAX));
    left -= cut.length;
    return cut === "" ? "" : show(cut);
  });
}

function find(name: string, facts: Facts): unknown {
  const steps = name.split(/[.[\]]+/).filter((step) => step !== "");
  const [first = ""] = steps;
  if (first === "") return undefined;
  let value: unknown = Object.hasOwn(facts, first) ? facts : facts.payload;
  for (const step of steps) {
    // Own keys only: what every object inherits is not the sender's.
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[step];
  }
  return value;
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value);
  } catch {
    // Its lists are in each other so deep that nothing can be said of it.
    return "";
  }
}
