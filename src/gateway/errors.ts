import { messageOf } from "../contract/errors.ts";
/** Exit codes of the program. @source sysexits.h for 69, 75, 77, 78 */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 69,
  busy: 75,
  refused: 77,
  config: 78,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Why the gateway cannot start, one sentence a line, and what the program answers its caller. */
export class StartError extends Error {
  override readonly name = "StartError";
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, lines: readonly string[]) {
    super(lines.join("\n"));
    this.exitCode = exitCode;
  }
}

/** For what the machine may refuse: a failure ends the start with its own sentence and no stack. */
export async function orEnd<T>(exitCode: ExitCode, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new StartError(exitCode, [messageOf(error)]);
  }
}
