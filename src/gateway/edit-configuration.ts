import { RpcError } from "../contract/errors.ts";
import type { Caller } from "../feature.ts";
import type { Dispatcher } from "../rpc/dispatch.ts";

export interface Change {
  /** `plugins.entries.hello.enabled` */
  readonly key: string;
  /** `undefined` takes it out. */
  readonly value: unknown;
}

/** Somebody may have written in between. */
const TRIES = 3;

/**
 * Writes settings into the user's file by the gateway's own methods, all or none; resolves when they are in
 * force.
 *
 * @throws RpcError as `config.patch` does
 */
export async function editConfiguration(
  dispatcher: Pick<Dispatcher, "dispatch">,
  changes: readonly Change[],
): Promise<void> {
  for (let left = TRIES; ; left--) {
    const { hash } = (await ask(dispatcher, "config.get", {})) as { readonly hash: string };
    try {
      return void (await ask(dispatcher, "config.patch", { raw: patchOf(changes), baseHash: hash }));
    } catch (error) {
      if (left === 1 || !(error instanceof RpcError) || error.code !== "conflict") throw error;
    }
  }
}

/** As a merge patch. @source RFC 7396 */
function patchOf(changes: readonly Change[]): string {
  const patch: Record<string, unknown> = {};
  for (const { key, value } of changes) {
    const path = key.split(".");
    const last = path.pop() ?? "";
    let place = patch;
    for (const name of path) {
      const inside: Record<string, unknown> = { ...(place[name] as object | undefined) };
      place[name] = inside;
      place = inside;
    }
    place[last] = value ?? null;
  }
  return JSON.stringify(patch);
}

async function ask(
  { dispatch }: Pick<Dispatcher, "dispatch">,
  method: string,
  params: object,
): Promise<unknown> {
  const reply = await dispatch(method, params, CALLER);
  if (reply.ok) return reply.result;
  const { code, message, data } = reply.error;
  const { details, retryAfterMs } = data;
  throw new RpcError(code, message, {
    ...(details && { details }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** The gateway itself. */
const CALLER: Caller = {
  connId: "gateway",
  subject: "gateway",
  name: "gateway",
  scopes: ["read", "write", "admin"],
  connectedMs: 0,
  onGone: () => () => {},
};
