import { messageOf } from "../../contract/errors.ts";
import type { ConfigIssue } from "../issues.ts";

/** Why nothing was written. */
export class WriteRefused extends Error {
  override readonly name = "WriteRefused";
  /** `stale`: the files are not what the writer has seen. `locked`: another program writes. */
  readonly kind: "stale" | "invalid" | "locked" | "failed";
  readonly issues: readonly ConfigIssue[];

  constructor(kind: WriteRefused["kind"], message: string, issues: readonly ConfigIssue[] = []) {
    super(message);
    this.kind = kind;
    this.issues = issues;
  }
}

/** The machine did not let us. */
export function refuseFailed(error: unknown): never {
  if (error instanceof WriteRefused) throw error;
  const reason = messageOf(error);
  const message = reason.startsWith("Cannot ") ? reason : `Cannot write configuration: ${reason}`;
  throw new WriteRefused("failed", message);
}

/** Somebody else has written. */
export function stale(): WriteRefused {
  return new WriteRefused(
    "stale",
    "Cannot write configuration: it has changed since it was read; read it again",
  );
}

export function invalid(errors: readonly ConfigIssue[]): WriteRefused {
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  return new WriteRefused("invalid", `${first?.message ?? "Cannot write configuration"}${more}`, errors);
}
