import { RpcError } from "../../contract/errors.ts";
import type { AgentEnvironment, AgentRuntime, Clock, Files } from "../../ports.ts";
import { type AcpProvider, type Env, splitModel } from "../providers.ts";
import type { ConnectionPorts } from "./connection.ts";
import type { Definition } from "../mcp/definition.ts";
import { Places } from "./places.ts";
import { giveable } from "./servers.ts";
import { AcpSession } from "./session.ts";

export interface AcpOptions extends ConnectionPorts {
  readonly clock: Clock;
  readonly files: Pick<Files, "stat" | "ensurePrivateDir">;
  /** Our own; what programs need of it is passed on. */
  readonly env: Env;
  /** Servers of tools that are configured for an agent. */
  toolServers?(environment: AgentEnvironment): Promise<readonly Definition[]>;
  /** Programs without work are ended after that. */
  readonly idleMs?: number;
  /** Programs that run at the same time. */
  readonly programsMax?: number;
}

const IDLE_MS = 10 * 60_000;
const PROGRAMS_MAX = 8;

/** Agents look after their own windows: this only keeps others from doing it for them. */
const CONTEXT_WINDOW = 1_000_000;

/** Sessions remembered: those without a program are nothing but their notes, which come back with them. */
const SESSIONS_KEPT_MAX = 256;

type Kept = { readonly session: AcpSession; readonly madeOf: string };

function forgetDormant(sessions: Map<string, Map<string, Kept>>): void {
  for (const [key, own] of sessions) {
    if (sessions.size <= SESSIONS_KEPT_MAX) return;
    if ([...own.values()].every(({ session }) => session.isDormant)) sessions.delete(key);
  }
}

function tellWithheld(
  { log }: AcpOptions,
  fields: { readonly session: string; readonly agent: string },
  servers: readonly string[],
): void {
  const reason = "some of their tools are restricted or they run elsewhere, which a program would pass by";
  log.info("servers of tools not given to agent", { ...fields, servers: servers.join(" "), reason });
}

/** Agents that are programs of their own, one for each session that has asked it something. */
export function createAcpAgents(options: AcpOptions) {
  const { idleMs = IDLE_MS, programsMax = PROGRAMS_MAX } = options;
  const ports = { ...options, idleMs, places: new Places(programsMax) };
  /** By session and provider: a session may fall back from one agent to another. */
  const sessions = new Map<string, Map<string, Kept>>();
  let isStopped = false;

  /** Never rejects. Those let go of end beside us: what comes next does not wait for them. */
  const closeAll = async (kept: Iterable<Kept>): Promise<void> => {
    await Promise.all(Array.from(kept, ({ session }) => session.close()));
  };

  return {
    /** The agent of this session; its program is started by the first prompt. */
    async open(ref: string, provider: AcpProvider, environment: AgentEnvironment): Promise<AgentRuntime> {
      const { given, kept: withheld } = giveable(
        (await options.toolServers?.(environment)) ?? [],
        environment.tools,
      );
      if (isStopped) throw new RpcError("unavailable", `Cannot open model "${ref}": the gateway is stopping`);
      const { provider: name } = splitModel(ref);
      const { sessionKey, sessionId, workspace, env } = environment;
      const own = sessions.get(sessionKey) ?? new Map<string, Kept>();
      // The one opened last is the last to be forgotten.
      sessions.delete(sessionKey);
      sessions.set(sessionKey, own);
      forgetDormant(sessions);
      const madeOf = JSON.stringify([provider, sessionId, workspace, env, given.map(({ key }) => key)]);
      let kept = own.get(name);
      if (kept?.madeOf !== madeOf) {
        if (kept) void closeAll([kept]);
        if (withheld.length > 0) tellWithheld(options, { session: sessionKey, agent: name }, withheld);
        const session = new AcpSession({ ports, name, provider, environment, servers: given });
        kept = { session, madeOf };
        own.set(name, kept);
      }
      const { session } = kept;
      return {
        contextWindow: CONTEXT_WINDOW,
        keepsHistory: true,
        prompt: (turn, signal) => session.prompt(ref, turn, signal),
      };
    },

    /** Ends the session's programs. Resolves when they have ended. */
    async close(sessionKey: string): Promise<void> {
      const own = sessions.get(sessionKey);
      sessions.delete(sessionKey);
      await closeAll(own?.values() ?? []);
    },

    /** Ends all programs, and starts none any more. */
    async stop(): Promise<void> {
      isStopped = true;
      await closeAll([...sessions.values()].flatMap((own) => [...own.values()]));
      sessions.clear();
    },
  };
}
