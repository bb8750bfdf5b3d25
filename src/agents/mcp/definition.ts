import { expandHome } from "../../config/values.ts";
import type { AgentEnvironment } from "../../ports.ts";
import { canonicalJson } from "../../rpc/json.ts";
import type { Env } from "../providers.ts";

/** One entry of `mcp.servers`: a program, or an address. */
export interface McpServerConfig {
  readonly command?: string | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
  readonly url?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly enabled?: boolean | undefined;
  readonly allow?: readonly string[] | undefined;
  readonly deny?: readonly string[] | undefined;
  readonly timeoutSeconds?: number | undefined;
}

type Servers = { readonly servers?: Readonly<Record<string, McpServerConfig>> | undefined };

/** What is read of the configuration. */
export interface McpConfigView {
  readonly mcp?: Servers | undefined;
  readonly agents?: {
    readonly list?: readonly { readonly id: string; readonly mcp?: Servers | undefined }[] | undefined;
  };
}

/** How a server is reached. */
export type Reach =
  | {
      readonly kind: "program";
      readonly command: readonly [string, ...string[]];
      readonly directory: string;
      readonly isWorkspace: boolean;
      readonly env: Readonly<Record<string, string>>;
    }
  | { readonly kind: "http"; readonly url: string; readonly headers: Readonly<Record<string, string>> };

/** One server as one agent uses it. */
export interface Definition {
  readonly name: string;
  readonly config: McpServerConfig;
  readonly reach: Reach;
  /** The same for agents that share the server. */
  readonly key: string;
  /** Values that no line of ours may hold. */
  readonly secrets: readonly string[];
}

/** What a program needs of our own environment; the rest may be secrets of other things. */
const INHERITED = `
  PATH HOME USER LOGNAME SHELL LANG LC_ALL LC_CTYPE TZ TERM TMPDIR
  XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_RUNTIME_DIR
  HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy
  SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS
`
  .trim()
  .split(/\s+/);

/** Servers of one agent by name, its own in place of the common ones. */
export function definitionsFor(
  config: McpConfigView,
  environment: Pick<AgentEnvironment, "agentId" | "workspace" | "env">,
  env: Env,
): Definition[] {
  const agentId = environment.agentId.toLowerCase();
  const own = config.agents?.list?.find(({ id }) => id.toLowerCase() === agentId)?.mcp?.servers;
  const servers = new Map([...Object.entries(config.mcp?.servers ?? {}), ...Object.entries(own ?? {})]);
  return [...servers].flatMap(([name, server]) => {
    const reach = server.enabled === false ? undefined : reachOf(server, environment, env);
    if (reach === undefined) return [];
    const key = canonicalJson([name, reach]);
    return [{ name, config: server, reach, key, secrets: secretsOf(server, environment.env) }];
  });
}

function secretsOf({ env, headers, url }: McpServerConfig, agentEnv: AgentEnvironment["env"]): string[] {
  // Some put their key into the address.
  const inUrl = url !== undefined && URL.canParse(url) ? new URL(url).searchParams.values() : [];
  return [env, headers, agentEnv].flatMap((values) => Object.values(values ?? {})).concat(...inUrl);
}

/** Does the configuration still have this server, for whichever agent? */
export function isConfigured(config: McpConfigView, { name, config: server }: Definition): boolean {
  const places = [config.mcp, ...(config.agents?.list ?? []).map((agent) => agent.mcp)];
  const wanted = waysTo(server);
  return places.some((place) => {
    const servers = place?.servers ?? {};
    const found = Object.hasOwn(servers, name) ? servers[name] : undefined;
    return found !== undefined && found.enabled !== false && waysTo(found) === wanted;
  });
}

/** What of a definition needs another program, or another connection, when it changes. */
function waysTo({ command, args, env, cwd, url, headers }: McpServerConfig): string {
  return canonicalJson({ command, args, env, cwd, url, headers });
}

function reachOf(
  server: McpServerConfig,
  { workspace, env: agentEnv }: Pick<AgentEnvironment, "workspace" | "env">,
  ours: Env,
): Reach | undefined {
  if (server.url !== undefined) return { kind: "http", url: server.url, headers: server.headers ?? {} };
  if (server.command === undefined) return undefined;
  const home = ours["HOME"] ?? "";
  return {
    kind: "program",
    command: [expandHome(server.command, home), ...(server.args ?? [])],
    directory: directoryOf(server.cwd, { workspace, home }),
    isWorkspace: server.cwd === undefined,
    env: { ...inherited(ours), ...agentEnv, ...server.env },
  };
}

function directoryOf(cwd: string | undefined, at: { workspace: string; home: string }): string {
  if (cwd === undefined) return at.workspace;
  const path = expandHome(cwd, at.home);
  return path.startsWith("/") ? path : `${at.workspace}/${path}`;
}

function inherited(env: Env): Record<string, string> {
  return Object.fromEntries(
    INHERITED.flatMap((name) => {
      const value = env[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}
