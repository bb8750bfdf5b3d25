import type { z } from "zod";

const ISSUES_TOLD = 10;

/** What does not fit a schema, each with its place. */
export function wordsOfEach(error: z.ZodError): string[] {
  return error.issues
    .slice(0, ISSUES_TOLD)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`));
}

/** The same in one line. */
export function wordsOf(error: z.ZodError): string {
  return wordsOfEach(error).join("; ");
}
