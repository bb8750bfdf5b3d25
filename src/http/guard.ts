import { RpcError } from "../contract/errors.ts";
import { ipv6Groups, isIpv4, isInNetwork, normalizeAddress } from "../rpc/address.ts";
import type { Credentials } from "../rpc/auth.ts";

/** `name`, `1.2.3.4` or `[::1]`, and a port; nothing else may stand in a Host header. */
const HOST = /^(?:([a-z0-9](?:[a-z0-9._-]{0,252}))|\[([0-9a-f:.]{2,45})\])(?::(\d{1,5}))?$/i;

export interface HostParts {
  /** Lower case, without brackets and final dot. */
  readonly name: string;
  readonly isAddress: boolean;
}

/** @returns undefined for anything that is not exactly one host: a list, user info, spaces, markup */
export function parseHost(header: string | null): HostParts | undefined {
  const match = header === null ? null : HOST.exec(header);
  if (!match) return undefined;
  const [, name, bracketed] = match;
  if (bracketed !== undefined)
    return ipv6Groups(bracketed) ? { name: bracketed.toLowerCase(), isAddress: true } : undefined;
  const bare = (name ?? "").toLowerCase().replace(/\.$/, "");
  return { name: bare, isAddress: isIpv4(bare) };
}

/**
 * A page on another site can make its own name point at this machine. It cannot make an address or
 * `localhost` do so: those pass, and the names the owner has listed.
 *
 * @source THREATS T14, T15
 */
export function checkHost(header: string | null, allowedHosts: readonly string[]): RpcError | undefined {
  const host = parseHost(header);
  if (!host) return new RpcError("invalid_request", "Cannot serve request: its Host header is not one host");
  if (
    host.isAddress ||
    host.name === "localhost" ||
    allowedHosts.some((name) => name.toLowerCase() === host.name)
  )
    return undefined;
  return new RpcError(
    "forbidden",
    `Cannot serve request for host "${host.name}": not listed in gateway.allowedHosts`,
  );
}

/**
 * Browsers say where a page comes from, programs do not. A page may talk to us if we served it or the
 * owner has listed its origin.
 *
 * @source THREATS T2; RFC 6454 §6
 */
export function checkOrigin(headers: Headers, allowedOrigins: readonly string[]): RpcError | undefined {
  const origin = headers.get("origin");
  if (origin === null || allowedOrigins.includes(origin)) return undefined;
  const host = headers.get("host");
  const isOwn = host !== null && (origin === `http://${host}` || origin === `https://${host}`);
  if (isOwn) return undefined;
  return new RpcError(
    "forbidden",
    "Cannot serve this origin: not the gateway's own and not listed in gateway.allowedOrigins",
  );
}

const SECRET_PARAMETERS = ["token", "auth", "access_token", "password", "api_key"];

/** Addresses are logged, shared and sent on as referrers: no secret is taken from one. @source THREATS T23 */
export function checkQuery(url: string): RpcError | undefined {
  const query = url.indexOf("?");
  if (query < 0) return undefined;
  const names = url
    .slice(query + 1)
    .split("&")
    .map((pair) => pair.split("=")[0]?.toLowerCase() ?? "");
  const secret = names.find((name) => SECRET_PARAMETERS.includes(name));
  if (!secret) return undefined;
  return new RpcError(
    "invalid_request",
    `Cannot take "${secret}" from the address: send it in the Authorization header or in connect`,
  );
}

/** @source RFC 6750 §2.1 */
export function bearerOf(headers: Headers): string | undefined {
  const match = /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "");
  return match?.[1];
}

/** The bearer as whatever the gateway asks for; undefined when none was sent. */
export function credentialsOf(headers: Headers): Credentials | undefined {
  if (!headers.has("authorization")) return undefined;
  const bearer = bearerOf(headers);
  return { token: bearer, password: bearer };
}

/**
 * Who limits count: the direct peer, or behind a proxy the owner has listed what that proxy says,
 * read from the right past further listed proxies. An address never grants anything.
 *
 * @source THREATS T3
 */
export function clientAddress(peer: string, headers: Headers, trustedProxies: readonly string[]): string {
  const isTrusted = (address: string): boolean =>
    trustedProxies.some((network) => isInNetwork(address, network));
  const hops = (headers.get("x-forwarded-for") ?? "")
    .split(",")
    .map((hop) => hop.trim())
    .filter(Boolean);
  let address = peer;
  while (isTrusted(address)) {
    const hop = hops.pop();
    if (hop === undefined || normalizeAddress(hop) === undefined) return address;
    address = hop;
  }
  return address;
}
