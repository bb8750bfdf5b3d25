/** What went wrong, without the sentence that names the file: that is said around it. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^Cannot \w+ file "[^"]*": /, "");
}
