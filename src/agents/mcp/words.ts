import { MCP } from "./bounds.ts";

/** What went wrong between us and a server, as the state of a sentence. Never a header, a path or a query. */
export function stateOf(error: unknown): string {
  const status = statusOf(error);
  if (status !== undefined) return httpState(status);
  const said = error instanceof Error ? error.message : String(error);
  if (isRefused(error)) return "it cannot be reached";
  const line = said.slice(0, MCP.wordsCharsMax).replace(/\s+/g, " ").trim();
  return line === "" ? "it failed without a word" : line.replace(/\.$/, "");
}

function httpState(status: number): string {
  if (status === 401 || status === 403) return `it answered HTTP ${status}: check its headers`;
  if (status === 404) return "it answered HTTP 404: check its url";
  if (status >= 300 && status < 400)
    return `it answered HTTP ${status}, a redirect: set its url to the target`;
  return `it answered HTTP ${status}`;
}

/** The library's errors of HTTP hold the body of the answer in their message; the number says enough. */
function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("status" in error)) return undefined;
  return typeof error.status === "number" ? error.status : undefined;
}

/** Runtimes word a failed connection each in their own way. An error that the server sent has a number. */
function isRefused(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? error.code : undefined;
  if (typeof code === "number") return false;
  return /ConnectionRefused|ECONNREFUSED|Unable to connect|fetch failed|error sending request/i.test(
    `${String(code)} ${error.message.slice(0, MCP.wordsCharsMax)}`,
  );
}
