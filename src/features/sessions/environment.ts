import type { Config } from "../../config/schema.ts";
import { expandHome, toModels } from "../../config/values.ts";
import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { AgentEnvironment, ToolPolicy } from "../../ports.ts";
import { channelOf } from "./keys.ts";
import type { StoredSession } from "./stored.ts";

/** What happens to a message that arrives during a run. */
export const QUEUE_MODES = ["followup", "collect", "steer", "interrupt"] as const;
export type QueueMode = (typeof QUEUE_MODES)[number];

/** What one run may use. */
export interface RunLimits {
  readonly timeoutMs: number;
  readonly tokensMax: number;
  readonly toolCallsMax: number;
  readonly outputBytesMax: number;
}

/** What somebody gave one session, over what its agent has. */
export interface SessionSettings {
  readonly instructions?: string | undefined;
  /** Absolute. */
  readonly workspace?: string | undefined;
  /** Its values are secrets. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly tools?: ToolPolicy | undefined;
  readonly limits?: { readonly [K in keyof RunLimits]?: RunLimits[K] | undefined } | undefined;
  readonly queueMode?: QueueMode | undefined;
}

/** What is read of the configuration. */
export type EnvironmentConfig = Pick<Config, "agents" | "tools" | "messages">;

/** Everything a session's agent has and its runs may use. */
export interface SessionEnvironment {
  readonly environment: AgentEnvironment;
  /** What the model is told before every conversation. */
  readonly instructions: string | undefined;
  readonly limits: RunLimits;
  readonly queueMode: QueueMode;
}

type AgentEntry = Config["agents"]["list"][number];

const IMPLIED_AGENT = "main";

/** The workspace of the original. */
const WORKSPACE = "~/clawd";

/** An agent of the configuration; the case of ids makes no difference, as in the original. */
export function agentEntry(list: readonly AgentEntry[], id: string): AgentEntry | undefined {
  return list.find((agent) => agent.id.toLowerCase() === id.toLowerCase());
}

/** Where no agents are listed there is one nevertheless. */
function isImplied(list: readonly AgentEntry[], id: string): boolean {
  return list.length === 0 && id === IMPLIED_AGENT;
}

/**
 * What a session's agent has: its own settings over its agent's over everybody's. Denied tools, and those a
 * person is asked about, add up; of the allowed ones the nearest list counts.
 *
 * @param home the user's home directory
 * @throws RpcError `not_found` for an agent that is not configured: without its rules nothing runs;
 *   `invalid_request` for a workspace that is not absolute
 */
export function environmentOf(
  session: StoredSession,
  config: EnvironmentConfig,
  home: string,
): SessionEnvironment {
  const { defaults, list } = config.agents;
  const agent = agentEntry(list, session.agentId);
  if (!agent && !isImplied(list, session.agentId)) {
    throw new RpcError(
      "not_found",
      `Cannot run in session "${session.key}": no agent "${session.agentId}" is configured`,
    );
  }
  const { settings } = session;
  const models = session.model === undefined ? toModels(agent?.model ?? defaults.model) : [session.model];
  return {
    environment: {
      sessionKey: session.key,
      sessionId: session.sessionId,
      agentId: session.agentId,
      models,
      workspace: toWorkspace(session, settings.workspace ?? agent?.workspace ?? defaults.workspace, home),
      env: { ...defaults.env, ...agent?.env, ...settings.env },
      tools: mergeTools([config.tools, agent?.tools, settings.tools]),
      ...(session.note !== undefined && { note: session.note }),
    },
    instructions: settings.instructions ?? agent?.systemPrompt ?? defaults.systemPrompt,
    limits: limitsOf(settings, { defaults, agent }),
    queueMode: settings.queueMode ?? configuredMode(session.key, config.messages.queue),
  };
}

function toWorkspace({ key }: StoredSession, path: string = WORKSPACE, home: string): string {
  const absolute = expandHome(path, home);
  if (absolute.startsWith("/")) return absolute;
  throw new RpcError("invalid_request", `Cannot use workspace "${path}" of session "${key}": not absolute`);
}

function mergeTools(policies: readonly (ToolPolicy | undefined)[]): ToolPolicy {
  const allow = policies.findLast((policy) => policy?.allow !== undefined)?.allow;
  const all = (name: "deny" | "approve"): string[] => [
    ...new Set(policies.flatMap((policy) => policy?.[name] ?? [])),
  ];
  const [deny, approve] = [all("deny"), all("approve")];
  return {
    ...(allow !== undefined && { allow }),
    ...(deny.length > 0 && { deny }),
    ...(approve.length > 0 && { approve }),
  };
}

function limitsOf(
  { limits = {} }: SessionSettings,
  { defaults, agent }: { defaults: Config["agents"]["defaults"]; agent: AgentEntry | undefined },
): RunLimits {
  const configured = { ...defaults.limits, ...agent?.limits };
  return {
    timeoutMs: limits.timeoutMs ?? defaults.timeoutSeconds * 1_000,
    tokensMax: limits.tokensMax ?? configured.tokensMax ?? LIMITS.runTokensMax,
    toolCallsMax: limits.toolCallsMax ?? configured.toolCallsMax ?? LIMITS.runToolCallsMax,
    outputBytesMax: limits.outputBytesMax ?? configured.outputBytesMax ?? LIMITS.runBytesMax,
  };
}

/** The original's other names for `steer` are taken for it. */
function configuredMode(key: string, { mode, byChannel }: Config["messages"]["queue"]): QueueMode {
  const wanted = byChannel[channelOf(key) ?? ""] ?? mode;
  return QUEUE_MODES.find((known) => known === wanted) ?? "steer";
}
