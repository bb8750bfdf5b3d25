import type { Held } from "../../ports.ts";
import { isObject } from "../../rpc/json.ts";

/** What a process says that it is kept from; nothing else that it may have said. */
export function heldOf(said: unknown): readonly Held[] {
  if (!Array.isArray(said)) return [];
  return said.flatMap((held: unknown) => {
    if (!isObject(held)) return [];
    const { capability, by, isHeld } = held;
    if (capability !== "network" && capability !== "exec" && capability !== "files") return [];
    return [{ capability, by: String(by), isHeld: isHeld === true }];
  });
}
