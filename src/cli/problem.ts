/** Something wrong with the configuration, as the gateway tells it. */
export interface PlacedProblem {
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
  readonly message: string;
}

/** `FILE:LINE:COLUMN: MESSAGE`, as far as known: what terminals and editors turn into a link. */
export function formatProblem({ file, line, column, message }: PlacedProblem): string {
  if (file === undefined) return message;
  return line === undefined ? `${file}: ${message}` : `${file}:${line}:${column ?? 1}: ${message}`;
}
