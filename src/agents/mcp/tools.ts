import type { AgentEnvironment, Log, Stop } from "../../ports.ts";
import { isObject } from "../../rpc/json.ts";
import { isAllowed } from "../policy.ts";
import type { Env } from "../providers.ts";
import type { ToolAnswer, ToolCall, ToolSet, ToolSource, ToolSpec } from "../tools.ts";
import { MCP } from "./bounds.ts";
import { type Definition, definitionsFor, isConfigured, type McpConfigView } from "./definition.ts";
import type { ListedTool } from "./listing.ts";
import { modelNames } from "./names.ts";
import { McpServer, type McpStatus, type ServerPorts } from "./server.ts";

export interface McpToolsOptions extends ServerPorts {
  /** The configuration now in force, another object when it is another; looked at while servers run. */
  config(): McpConfigView;
  /** Our own environment: the few variables that programs need are taken from it. */
  readonly env: Env;
}

/** The tools of the servers in the configuration. */
export interface McpTools extends ToolSource {
  /** Stops the servers that are not in the configuration any more; else that happens within two seconds. */
  reload(): void;
  /** A session lets go of its servers. Resolves when those that nobody else uses have ended. */
  close(sessionKey: string): Promise<void>;
  /** Ends all of them, for good. */
  stop(): Promise<void>;
  /** Those that have been used, in the order of their first use. */
  status(): readonly McpStatus[];
}

/** A server as one agent uses it. */
interface Used {
  readonly server: McpServer;
  readonly definition: Definition;
}

/** One tool as one agent may use it. */
interface Offered {
  readonly used: Used;
  readonly tool: ListedTool;
  readonly spec: ToolSpec;
}

export function createMcpTools(options: McpToolsOptions): McpTools {
  const servers = new Map<string, McpServer>();
  const stopping = new Set<Promise<void>>();
  let seen = options.config();
  let isStopped = false;
  let stopLooking: Stop | undefined;

  function serverOf(definition: Definition): McpServer {
    const known = servers.get(definition.key);
    if (known !== undefined) return known;
    const made = new McpServer(definition, options);
    servers.set(definition.key, made);
    // A server that was taken out may have nobody left who would notice.
    stopLooking ??= options.timers.every(MCP.lookMs, look);
    return made;
  }

  function look(): void {
    if (options.config() !== seen) reload();
  }

  function drop(key: string, server: McpServer): void {
    servers.delete(key);
    const stopped = server.stop("it was taken out of the configuration", MCP.drainMs);
    stopping.add(stopped);
    void stopped.finally(() => stopping.delete(stopped));
  }

  function reload(): void {
    seen = options.config();
    for (const [key, server] of servers) if (!isConfigured(seen, server.definition)) drop(key, server);
    if (servers.size > 0) return;
    stopLooking?.();
    stopLooking = undefined;
  }

  return {
    reload,
    async open(environment) {
      if (isStopped) return toolSet([], environment, options.log);
      look();
      const definitions = definitionsFor(seen, environment, options.env);
      const used = definitions.map((definition) => ({ server: serverOf(definition), definition }));
      await Promise.all(used.map(({ server }) => server.use(environment.sessionKey)));
      return toolSet(used, environment, options.log);
    },
    async close(sessionKey) {
      await Promise.all([...servers.values()].map((server) => server.release(sessionKey)));
    },
    async stop() {
      isStopped = true;
      stopLooking?.();
      const all = [...servers.values()].map((server) => server.stop("the gateway stops", 0));
      await Promise.all([...all, ...stopping]);
    },
    status: () => [...servers.values()].map((server) => server.status()),
  };
}

/** What is listed now counts: a server that is late joins, and one that changes its tools is believed. */
function toolSet(used: readonly Used[], environment: AgentEnvironment, log: Log): ToolSet {
  let lists: readonly (readonly ListedTool[])[] = [];
  let offered: ReadonlyMap<string, Offered> = new Map();
  let specs: readonly ToolSpec[] = [];
  const look = (): void => {
    const now = used.map(({ server }) => server.tools);
    if (now.length === lists.length && now.every((list, index) => list === lists[index])) return;
    lists = now;
    offered = offer(used, environment, log);
    specs = [...offered.values()].map(({ spec }) => spec);
  };
  return {
    get specs() {
      look();
      return specs;
    },
    call(call) {
      look();
      const found = offered.get(call.name);
      if (found !== undefined) return callOffered(found, call);
      return Promise.resolve({
        text: `Cannot call tool "${call.name}": there is no such tool`,
        isError: true,
      });
    },
  };
}

function offer(
  used: readonly Used[],
  { tools: policy, agentId }: AgentEnvironment,
  log: Log,
): Map<string, Offered> {
  const all = used.flatMap((one) => one.server.tools.map((tool) => ({ used: one, tool })));
  // Named before they are chosen: what an agent may not use changes no name.
  const names = modelNames(all.map((one) => ({ server: one.used.definition.name, tool: one.tool.name })));
  const offered = new Map<string, Offered>();
  let left = 0;
  for (const [index, { used: from, tool }] of all.entries()) {
    const name = names[index];
    if (name === undefined || !isAllowed(from.definition.config, tool.name) || !isAllowed(policy, name))
      continue;
    if (offered.size === MCP.toolsMax) {
      left += 1;
      continue;
    }
    const { description, inputSchema } = tool;
    offered.set(name, { used: from, tool, spec: { name, description, inputSchema } });
  }
  if (left > 0) log.warn("more tools than an agent can have", { agent: agentId, most: MCP.toolsMax, left });
  return offered;
}

function callOffered({ used: { server, definition }, tool }: Offered, call: ToolCall): Promise<ToolAnswer> {
  const args = readArgs(call.args);
  if (args === undefined) {
    return Promise.resolve({
      text: `Cannot call tool "${call.name}": its arguments are no JSON object`,
      isError: true,
    });
  }
  const { timeoutSeconds } = definition.config;
  return server.call({
    tool: tool.name,
    args,
    timeoutMs: timeoutSeconds === undefined ? MCP.callMs : timeoutSeconds * 1_000,
    signal: call.signal,
    onUpdate: (text) => call.onUpdate(text),
  });
}

/** Models leave the arguments of a tool without any empty. */
function readArgs(text: string): Record<string, unknown> | undefined {
  if (text.trim() === "") return {};
  try {
    const args: unknown = JSON.parse(text);
    return isObject(args) ? args : undefined;
  } catch {
    // The model is told, and writes it anew.
    return undefined;
  }
}
