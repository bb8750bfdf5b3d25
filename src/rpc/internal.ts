import { errorText, RpcError } from "../contract/errors.ts";
import type { Crypto, Log, LogFields } from "../ports.ts";

/** What could not be done: for the log, and in the words a client hears. */
export interface Failure {
  readonly logged: string;
  readonly fields?: LogFields;
  /** `Cannot VERB THING "VALUE"`: the state is added here. */
  readonly said: string;
}

/** An error nobody expected: whole in the log, to the client no more than where to find it there. */
export function internalError(
  { crypto, log }: { readonly crypto: Crypto; readonly log: Log },
  { logged, fields, said }: Failure,
  error: unknown,
): RpcError {
  const ref = crypto.id().slice(0, 8);
  log.error(logged, { ...fields, ref, error: errorText(error) });
  return new RpcError("internal", `${said}: internal error`, { ref });
}
