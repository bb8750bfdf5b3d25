import { RpcError } from "../../contract/errors.ts";
import { type Route, sessionKeyFor } from "./keys.ts";
import type { Sessions, StoredSession } from "./sessions.ts";

/** One of these. */
export interface Sought {
  readonly key?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly label?: string | undefined;
  readonly route?: Route | undefined;
}

/**
 * The key of a session; one that a key or a route leads to need not have been made.
 *
 * @throws RpcError `invalid_params` when it is not one of the four, `not_found` for an id, a label or an
 *   agent that nobody has
 */
export function resolveSession(
  sessions: Sessions,
  sought: Sought,
): { key: string; session: StoredSession | undefined } {
  const given = Object.values(sought).filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw new RpcError(
      "invalid_params",
      "Cannot resolve session: wanted one of key, sessionId, label, route",
    );
  }
  const { sessionId, label, route } = sought;
  if (sessionId !== undefined) return found(sessions.bySessionId(sessionId), `id "${sessionId}"`);
  if (label !== undefined) return found(sessions.byLabel(label), `label "${label}"`);
  if (route?.agentId !== undefined && !sessions.isAgent(route.agentId)) {
    throw new RpcError("not_found", `Cannot resolve session: no agent "${route.agentId}" is configured`);
  }
  const key = route ? sessionKeyFor(route, sessions.keyConfig()) : sessions.canonical(sought.key ?? "");
  return { key, session: sessions.find(key) };
}

function found(session: StoredSession | undefined, what: string): { key: string; session: StoredSession } {
  if (session) return { key: session.key, session };
  throw new RpcError("not_found", `Cannot resolve session: none has the ${what}`);
}
