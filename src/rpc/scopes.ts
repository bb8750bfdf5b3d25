import { SCOPES, type Scope } from "../contract/define.ts";

const IMPLIED: Readonly<Record<Scope, readonly Scope[]>> = {
  read: ["read"],
  write: ["read", "write"],
  admin: ["read", "write", "admin"],
  pairing: ["pairing"],
  approvals: ["approvals"],
};

/** Every scope there is: what the owner's own token or password allows. */
export const ALL_SCOPES: readonly Scope[] = SCOPES;

/**
 * What a client gets: what it asked for, as far as its credential allows it.
 *
 * @param asked names as sent, `operator.read` counting as `read`, unknown ones as nothing; undefined asks
 * for all
 */
export function grantScopes(
  allowed: readonly Scope[],
  asked: readonly string[] | undefined,
): readonly Scope[] {
  const allowedAll = expand(allowed);
  if (asked === undefined) return SCOPES.filter((scope) => allowedAll.has(scope));
  const askedAll = expand(asked.map(toScope).filter((scope) => scope !== undefined));
  return SCOPES.filter((scope) => allowedAll.has(scope) && askedAll.has(scope));
}

function expand(scopes: readonly Scope[]): ReadonlySet<Scope> {
  return new Set(scopes.flatMap((scope) => IMPLIED[scope]));
}

function toScope(name: string): Scope | undefined {
  const bare = name.startsWith("operator.") ? name.slice("operator.".length) : name;
  return SCOPES.find((scope) => scope === bare);
}

/** A scope as one bit, for the check that runs once for each client and event. */
export function scopeBit(scope: Scope): number {
  return 1 << SCOPES.indexOf(scope);
}

export function scopeMask(scopes: readonly Scope[]): number {
  return scopes.reduce((mask, scope) => mask | scopeBit(scope), 0);
}
