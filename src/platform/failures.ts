/** `ENOENT` and its like, where the system said no. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error && "code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** `EACCES: permission denied, open '/a'` without what our own sentence says. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return /^E[A-Z0-9]+: ([^,]+), /.exec(error.message)?.[1] ?? error.message;
}
