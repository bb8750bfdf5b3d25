import type { Definition } from "../agents/mcp/definition.ts";
import type { AcpAgents } from "../agents/runtime.ts";
import { NO_TOOLS, type ToolSource } from "../agents/tools.ts";
import type { ConfigStore } from "../config/store.ts";
import type { Lifetime } from "../feature.ts";
import type { AgentEnvironment, Log, Platform } from "../ports.ts";

/** What agents have beside their models: programs that are agents themselves, and servers of tools. */
export interface Helpers {
  readonly acp: AcpAgents;
  readonly tools: ToolSource & { close(sessionKey: string): Promise<void> };
}

interface HelperParts {
  readonly store: ConfigStore;
  readonly log: Log;
  readonly lifetime: Lifetime;
}

/** Loaded by the first agent that has one: most gateways never need the code. */
export function createHelpers(platform: Platform, { store, log, lifetime }: HelperParts): Helpers {
  const { process, timers, clock } = platform;
  const parts = {
    ...platform,
    timers,
    clock,
    log,
    fetch,
    env: process.env,
    startProgram: process.startProgram.bind(process),
  };

  const hasServers = (): boolean => {
    const { mcp: section, agents } = store.current();
    return section.servers !== undefined || agents.list.some((agent) => agent.mcp?.servers);
  };
  const toolServers = async (environment: AgentEnvironment): Promise<readonly Definition[]> => {
    if (!hasServers()) return [];
    const { definitionsFor } = await import("../agents/mcp/definition.ts");
    return definitionsFor(store.current(), environment, process.env);
  };
  const acp = lazily(lifetime, async () => {
    const { createAcpAgents } = await import("../agents/acp/agents.ts");
    return createAcpAgents({ ...parts, toolServers });
  });
  const mcp = lazily(lifetime, async () => {
    const { createMcpTools } = await import("../agents/mcp/tools.ts");
    return createMcpTools({ ...parts, config: () => store.current() });
  });

  return {
    acp: {
      open: async (ref, provider, environment) => (await acp.get()).open(ref, provider, environment),
      close: async (sessionKey) => (await acp.made())?.close(sessionKey),
    },
    tools: {
      open: async (environment) => (hasServers() ? (await mcp.get()).open(environment) : NO_TOOLS),
      close: async (sessionKey) => (await mcp.made())?.close(sessionKey),
    },
  };
}

/** A thing made when it is first wanted, and stopped at the end if it was. */
function lazily<T extends { stop(): Promise<void> }>(lifetime: Lifetime, make: () => Promise<T>) {
  let making: Promise<T> | undefined;
  const made = async (): Promise<T | undefined> => making;
  lifetime.onStop(async () => (await made())?.stop());
  return {
    made,
    get: () =>
      (making ??= make().catch((error: unknown) => {
        making = undefined;
        throw error;
      })),
  };
}
