import { RpcError } from "../../contract/errors.ts";
import type { Confirmation } from "./confirmation.ts";

/** Says to clients that it is no conflict that goes away by reading again. */
const UNCONFIRMED = { details: { unconfirmed: true } };

/** While a change waits, another one would be undone with it, and nobody would know. */
export function refuseWaiting({ waiting, leftMs }: Pick<Confirmation, "waiting" | "leftMs">): void {
  if (!waiting) return;
  const time = leftMs === undefined ? "wait" : `wait ${Math.ceil(leftMs / 1_000)} s`;
  const how = `call config.confirm from a new connection, or ${time} until it is undone`;
  throw conflict(`a change waits for its confirmation; ${how}`);
}

/** What is to be confirmed together is undone as one; an edit by hand in between would go with it. */
export function refuseEdited({ waiting }: Pick<Confirmation, "waiting">, hash: string): void {
  if (!waiting || hash === waiting.hash) return;
  throw conflict(
    "a change waits for its confirmation, and the files were edited since; call config.confirm first",
  );
}

function conflict(state: string): RpcError {
  return new RpcError("conflict", `Cannot write configuration: ${state}`, UNCONFIRMED);
}
