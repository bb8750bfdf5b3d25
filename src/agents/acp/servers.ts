import type { McpServer } from "@agentclientprotocol/sdk";

import type { ToolPolicy } from "../../ports.ts";
import type { Definition } from "../mcp/definition.ts";
import { modelNames } from "../mcp/names.ts";
import { type Fields, record } from "../values.ts";

/** Servers of tools that a program may have for itself, and the names of those that it may not. */
export interface GivenServers {
  readonly given: readonly Definition[];
  readonly kept: readonly string[];
}

/**
 * An agent that is a program calls its tools past us: it is given only servers of which the policy allows
 * every tool without a question, and which run where the program does.
 */
export function giveable(servers: readonly Definition[], policy: ToolPolicy): GivenServers {
  const given = servers.filter((server) => isUnrestricted(server, policy) && isHere(server));
  return { given, kept: servers.filter((one) => !given.includes(one)).map(({ name }) => name) };
}

/** As the protocol says them; one that is reached over HTTP only for an agent that can do so. */
export function toMcpServers(servers: readonly Definition[], capabilities: Fields): McpServer[] {
  const canHttp = record(capabilities["mcpCapabilities"])["http"] === true;
  return servers.flatMap(({ name, reach }): McpServer[] => {
    if (reach.kind === "program") {
      const [command, ...args] = reach.command;
      return [{ name, command, args, env: namedValues(reach.env) }];
    }
    return canHttp ? [{ type: "http", name, url: reach.url, headers: namedValues(reach.headers) }] : [];
  });
}

function namedValues(values: Readonly<Record<string, string>>): { name: string; value: string }[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}

/** The protocol has no word for another directory. */
function isHere({ reach }: Definition): boolean {
  return reach.kind === "http" || reach.isWorkspace;
}

function isUnrestricted({ name, config }: Definition, { allow, deny, approve }: ToolPolicy): boolean {
  if (config.allow !== undefined || (config.deny ?? []).length > 0) return false;
  // What the names of all its tools begin with; a long one is not kept whole in them.
  const [prefix] = modelNames([{ server: name, tool: "" }]);
  if (prefix === undefined || !prefix.endsWith("__")) return false;
  if ([...(deny ?? []), ...(approve ?? [])].some((pattern) => mayMatch(pattern, prefix))) return false;
  return allow === undefined || allow.some((pattern) => matchesAll(pattern, prefix));
}

/** Could it match a name that begins so? */
function mayMatch(pattern: string, prefix: string): boolean {
  const star = pattern.indexOf("*");
  if (star === -1) return pattern.startsWith(prefix);
  const head = pattern.slice(0, star);
  return head.startsWith(prefix) || prefix.startsWith(head);
}

/** Does it match every name that begins so? */
function matchesAll(pattern: string, prefix: string): boolean {
  return pattern.indexOf("*") === pattern.length - 1 && prefix.startsWith(pattern.slice(0, -1));
}
