import type { ExitCode } from "../gateway/errors.ts";

/** Why a command ends otherwise than well: what is said on standard error, and the exit code. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: ExitCode;
  /** What the person can do about it. */
  readonly hint: string | undefined;
  /** The gateway's error code, where one is behind it. */
  readonly code: string | undefined;

  constructor(exitCode: ExitCode, message: string, extra: { hint?: string | undefined; code?: string } = {}) {
    super(message);
    this.exitCode = exitCode;
    this.hint = extra.hint;
    this.code = extra.code;
  }
}
