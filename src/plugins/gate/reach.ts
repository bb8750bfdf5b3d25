import { RpcError } from "../../contract/errors.ts";
import type { Scope } from "../../contract/define.ts";
import type { Capabilities } from "../api.ts";

/** A call as it is judged. */
interface Asked {
  readonly id: string;
  readonly grants: Capabilities;
  readonly method: string;
  /** The plugin answers it itself. */
  readonly isOwn: boolean;
  readonly params: Readonly<Record<string, unknown>>;
  /** Key of the session a run belongs to; undefined where there is no such run. */
  readonly sessionOfRun: (runId: string) => string | undefined;
}

/** How a method says which sessions it is about. */
interface Named {
  /** Names one. Has to be there: without it the method is about others, or all. */
  readonly by: string;
  /** It is a list of several. */
  readonly isList?: true;
  /** Names one in another way, which could be anybody's. */
  readonly not?: readonly string[];
}

const bySessionKey: Named = { by: "sessionKey" };
const byKey: Named = { by: "key" };

/** The methods about sessions that name them in their params. */
const NAMED: ReadonlyMap<string, Named> = new Map([
  ["agent", { by: "sessionKey", not: ["sessionId"] }],
  ["chat.send", bySessionKey],
  ["chat.history", bySessionKey],
  ["chat.image", bySessionKey],
  ["chat.abort", bySessionKey],
  ["chat.retry", bySessionKey],
  ["chat.inject", bySessionKey],
  ["runs.list", bySessionKey],
  ["sessions.get", byKey],
  ["sessions.resolve", { by: "key", not: ["sessionId", "label", "route"] }],
  ["sessions.create", byKey],
  ["sessions.reset", byKey],
  ["sessions.delete", byKey],
  ["sessions.compact", byKey],
  ["sessions.preview", { by: "keys", isList: true }],
  ["sessions.search", byKey],
  ["sessions.export", byKey],
  ["sessions.import", byKey],
]);

/** The methods that reach no session. */
const APART: ReadonlySet<string> = new Set([
  "health",
  "status",
  "system-presence",
  "agents.list",
  "models.list",
  "channels.status",
  "plugins.list",
  "plugins.info",
  "usage.status",
  "usage.cost",
  "voicewake.get",
  "voicewake.set",
]);

const SCOPES: readonly Scope[] = ["read", "write"];

/** A note in a session that the plugin may talk in is no more than a message there. */
const SCOPES_OF: ReadonlyMap<string, readonly Scope[]> = new Map([["chat.inject", [...SCOPES, "admin"]]]);

/** The scopes a plugin calls a method with. */
export function scopesFor(method: string): readonly Scope[] {
  return SCOPES_OF.get(method) ?? SCOPES;
}

/** Sessions with such keys are the plugin's own. */
export function ownPrefix(id: string): string {
  return `plugin:${id}:`;
}

/**
 * Why a plugin may not make a call, beside its scopes; undefined when it may.
 *
 * With the grant `sessions` it may call whatever `read` and `write` allow. Without it: methods that reach no
 * session; its own; those that name sessions, when all of them are its own, `plugin:ID:…`; and `agent.wait`
 * for a run in such a one. Everything else is refused, known or not: a method that somebody adds, here or in
 * another plugin, may talk in sessions for whoever calls it, and sending over a channel talks to people.
 * What has another scope (the configuration and its secrets, approvals, pairing) is never reached.
 */
export function refusalOf(asked: Asked): RpcError | undefined {
  const { id, grants, method, params, sessionOfRun } = asked;
  if (grants.sessions === true || asked.isOwn || APART.has(method)) return undefined;
  const refuse = (state: string): RpcError =>
    new RpcError("forbidden", `Cannot call "${method.slice(0, 100)}": ${state}`, {
      details: { missingGrant: "sessions" },
    });
  const prefix = ownPrefix(id);
  const isOwnKey = (key: unknown): boolean => typeof key === "string" && key.startsWith(prefix);
  if (method === "agent.wait") {
    const { runId } = params;
    // The same words for no run and for another's: which there are is nobody's business.
    const key = typeof runId === "string" ? sessionOfRun(runId) : undefined;
    return isOwnKey(key) ? undefined : refuse("no such run in a session of its own");
  }
  const named = NAMED.get(method);
  if (!named) return refuse('it needs the grant "sessions"');
  const given = params[named.by];
  const keys: readonly unknown[] = named.isList && Array.isArray(given) ? given : [given];
  const isFree = (named.not ?? []).every((name) => params[name] === undefined);
  if (isFree && keys.length > 0 && keys.every(isOwnKey)) return undefined;
  return refuse(`without the grant "sessions" ${named.by} has to begin with "${prefix}"`);
}
