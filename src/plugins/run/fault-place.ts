import { messageOf, RpcError } from "../../contract/errors.ts";

/**
 * The error with its place in the plugin's folder behind its message, as far as that is known:
 * `not today (index.ts:6:40)`.
 *
 * @param directory the plugin's, absolute and without links
 */
export function placed(error: unknown, directory: string): Error {
  const first = firstOf(error);
  if (first) return withRest(placed(first.error, directory), first.others);
  const place = placeOf(error, directory);
  // Its codes are for clients, and so are its words.
  if (error instanceof RpcError || place === undefined)
    return error instanceof Error ? error : new Error(messageOf(error));
  const told = new Error(`${messageOf(error)} (${place})`, { cause: error });
  if (error instanceof Error && error.stack !== undefined) told.stack = error.stack;
  return told;
}

/** What a compiler says of several mistakes is their number: the first one is of more use. */
function firstOf(error: unknown): { readonly error: unknown; readonly others: number } | undefined {
  if (!(error instanceof AggregateError)) return undefined;
  const errors: readonly unknown[] = error.errors;
  return errors.length === 0 ? undefined : { error: errors[0], others: errors.length - 1 };
}

function withRest(error: Error, others: number): Error {
  if (others === 0 || error instanceof RpcError) return error;
  return new Error(`${error.message}, and ${others} more`, { cause: error });
}

function placeOf(error: unknown, directory: string): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  return placeOfText(error, directory) ?? placeInStack(error, directory);
}

/** Of code that cannot be read: there is no stack yet. */
function placeOfText(error: object, directory: string): string | undefined {
  if (!("position" in error) || typeof error.position !== "object" || error.position === null)
    return undefined;
  const { position } = error;
  if (!("file" in position && "line" in position && "column" in position)) return undefined;
  const file = String(position.file);
  return `${within(file, directory) ?? file}:${String(position.line)}:${String(position.column)}`;
}

/** The innermost place that is the plugin's own. */
function placeInStack(error: object, directory: string): string | undefined {
  if (!("stack" in error) || typeof error.stack !== "string") return undefined;
  for (const [, file = "", line = "", column = ""] of error.stack.matchAll(
    /[( ](?:file:\/\/)?(\/[^\n()]+?):(\d+):(\d+)/g,
  )) {
    const own = within(file, directory);
    if (own !== undefined && !own.startsWith("node_modules/")) return `${own}:${line}:${column}`;
  }
  return undefined;
}

function within(file: string, directory: string): string | undefined {
  return file.startsWith(`${directory}/`) ? file.slice(directory.length + 1) : undefined;
}
