import { type ErrorCode, messageOf, RpcError } from "../../contract/errors.ts";
import { listOf, record, textOf } from "../values.ts";
import { oneLine } from "./texts.ts";

/** @source Agent Client Protocol, errors */
const AUTH_REQUIRED = -32000;

/** Characters of an agent's own words in our message. */
const WORDS_CHARS_MAX = 300;

/** Why there is no connection any more. */
export class Broken extends Error {
  override readonly name = "Broken";
}

/** Makes the errors of one agent, named as its model reference. */
export class Failures {
  readonly ref: string;
  readonly #hide: (text: string) => string;

  constructor(ref: string, hide: (text: string) => string) {
    this.ref = ref;
    this.#hide = hide;
  }

  /** An error that says why the agent cannot be used. */
  of(code: ErrorCode, state: string, retryAfterMs?: number): RpcError {
    return new RpcError(code, `Cannot use model "${this.ref}": ${state}`, {
      details: { model: this.ref },
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }

  /** What the agent answered a request with, or how its connection ended, in our words. */
  from(error: unknown): RpcError {
    if (error instanceof RpcError) return error;
    const { code, data } = record(error);
    const words = this.words(messageOf(error), data);
    if (error instanceof Broken) return this.of("unavailable", words);
    if (code === AUTH_REQUIRED) return this.of("forbidden", `the agent wants to be logged in (${words})`);
    return this.of("unavailable", `the agent failed: ${words}`);
  }

  words(message: string, data?: unknown): string {
    // Agents put what really happened beside a general message.
    const { details, message: inner } = record(data);
    const more = textOf(data) ?? textOf(details) ?? textOf(inner);
    const all = more === undefined || message.includes(more) ? message : `${message}: ${more}`;
    return oneLine(this.#hide(all), WORDS_CHARS_MAX) || "it did not say why";
  }
}

/** Names in an error about one that is not there. */
const NAMES_SHOWN_MAX = 8;

export function shownNames(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN_MAX).map((name) => oneLine(name, 60));
  return `${shown.join(", ")}${names.length > NAMES_SHOWN_MAX ? " and more" : ""}`;
}

/** How an agent says that one can log in, for people. */
export function loginWords(methods: unknown): string {
  const names = listOf(methods).map((method) => {
    const { name, description } = record(method);
    return textOf(description) ?? textOf(name) ?? "";
  });
  return shownNames(names.filter((name) => name !== ""));
}
