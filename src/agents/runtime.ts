import { RpcError } from "../contract/errors.ts";
import type { AgentEnvironment, AgentRuntime, Clock, Log, Runner, Timers } from "../ports.ts";
import { createAnthropicProvider } from "./anthropic.ts";
import { CoolDowns } from "./cooldowns.ts";
import type { DetectedModel } from "./detect.ts";
import { createEchoRuntime, ECHO_MODEL } from "./echo.ts";
import type { ChatProvider } from "./endpoint.ts";
import type { FetchLike } from "./exchange.ts";
import { type Candidate, createFallbackRuntime } from "./fallback.ts";
import { createLoopRuntime } from "./loop.ts";
import { createOpenAiProvider } from "./openai.ts";
import {
  type AcpProvider,
  type AgentsConfigView,
  type Backend,
  type Env,
  type ModelConfig,
  modelConfig,
  splitModel,
  toBackend,
} from "./providers.ts";
import type { ToolSource } from "./tools.ts";
import { knownWindow, WINDOW_TOKENS_DEFAULT } from "./windows.ts";

/** Agents that are programs beside us, one for each session. */
export type AcpAgents = {
  open(ref: string, provider: AcpProvider, environment: AgentEnvironment): Promise<AgentRuntime>;
  close(sessionKey: string): Promise<void>;
};

/** Agents that plugins bring, used as `ID/anything`. */
export type PluginAgents = {
  has(id: string): boolean;
  /** @throws RpcError */
  open(id: string, environment: AgentEnvironment & { readonly model: string }): Promise<AgentRuntime>;
};

export type RunnerOptions = {
  /** The configuration now in force; read each time a model is opened. */
  config(): AgentsConfigView;
  readonly env: Env;
  /** Asked when no model is named. */
  detect(): Promise<DetectedModel>;
  readonly acp: AcpAgents;
  readonly plugins: PluginAgents;
  readonly tools: ToolSource & { close?(sessionKey: string): Promise<void> };
  /** What one call of a tool may take; an hour where it is not said: sources have shorter deadlines. */
  readonly toolMs?: number;
  readonly fetch: FetchLike;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly log: Log;
};

/** Providers remembered over changes of the configuration; an older one is made again when it returns. */
const PROVIDERS_KEPT_MAX = 32;

/** The agents behind `provider/model`, by the configuration of the moment. */
export function createRunner(options: RunnerOptions): Runner {
  const { acp, tools, timers, log, toolMs } = options;
  const finder = new Finder(options);
  const coolDowns = new CoolDowns(options.clock);
  return {
    async open(environment) {
      const [first = (await options.detect()).model, ...rest] = environment.models;
      const found = [...new Set([first, ...rest])].map((ref) => finder.find(ref));
      const usable = found.find((one) => !(one.backend instanceof RpcError));
      // One that can be opened is enough; the others say so when it is their turn.
      if (usable === undefined) throw errorOf(found);
      // It alone is asked how much it reads and what it keeps.
      const only = found.length === 1 ? await openWhole(options, usable, environment) : undefined;
      const { contextWindow, keepsHistory } = only ?? {
        contextWindow: windowOfAll(found, usable),
        keepsHistory: false,
      };
      return createFallbackRuntime({
        candidates: only
          ? [{ kind: "whole", ref: first, open: () => only }]
          : found.map((one) => finder.candidate(one, environment)),
        contextWindow,
        keepsHistory,
        coolDowns,
        log,
        loop: (model) =>
          createLoopRuntime({
            model,
            contextWindow,
            policy: environment.tools,
            timers,
            toolMs,
            openTools: () => tools.open(environment),
          }),
      });
    },
    async close(sessionKey) {
      await Promise.all([acp.close(sessionKey), tools.close?.(sessionKey)]);
    },
  };
}

type Echo = { readonly api: "echo" };
type OfPlugin = { readonly api: "plugin"; readonly id: string; readonly model: string };

/** A model reference, and what is behind it or why nothing is. */
type Found = {
  readonly ref: string;
  readonly backend: Backend | Echo | OfPlugin | RpcError;
  /** If it is known. */
  readonly contextWindow: number | undefined;
  readonly settings: ModelConfig | undefined;
};

/**
 * What the first usable one reads. A program that is an agent says so only once it runs: beside it that is
 * the least that any of the models is known to read, as any of them may have to.
 */
function windowOfAll(found: readonly Found[], first: Found): number {
  const isWhole = ({ backend }: Found): boolean =>
    !(backend instanceof RpcError) && (backend.api === "acp" || backend.api === "plugin");
  const counted = found.some(isWhole) ? found.filter((one) => !isWhole(one)) : [first];
  const known = counted.flatMap(({ contextWindow }) => contextWindow ?? []);
  return known.length === 0 ? WINDOW_TOKENS_DEFAULT : Math.min(...known);
}

/** Finds what is behind a reference, and keeps what its servers were found to refuse. */
class Finder {
  readonly #options: RunnerOptions;
  readonly #kept = new Map<string, ChatProvider>();
  readonly #echo: AgentRuntime;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#echo = createEchoRuntime(options.timers);
  }

  find(ref: string): Found {
    try {
      const backend = this.#backend(ref);
      const settings = modelConfig(ref, this.#options.config());
      const { provider, model } = splitModel(ref);
      const known = knownWindow(provider, model, settings?.contextWindow);
      const contextWindow = backend.api === "echo" ? this.#echo.contextWindow : known;
      return { ref, backend, settings, contextWindow };
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      return { ref, backend: error, settings: undefined, contextWindow: undefined };
    }
  }

  candidate({ ref, backend, contextWindow, settings }: Found, environment: AgentEnvironment): Candidate {
    if (backend instanceof RpcError) {
      return {
        kind: "chat",
        ref,
        open() {
          // Refused as it is configured, not as it was asked: the next one is tried.
          if (backend.code === "invalid_request") throw new RpcError("not_found", backend.message);
          throw backend;
        },
      };
    }
    if (backend.api === "echo") return { kind: "whole", ref, open: () => this.#echo };
    if (backend.api === "acp" || backend.api === "plugin") {
      const whole = backend;
      return {
        kind: "whole",
        ref,
        open: () => openOther(this.#options, { ref, backend: whole }, environment),
      };
    }
    const { model } = splitModel(ref);
    const seesImages = settings?.input?.includes("image") ?? true;
    const chat = {
      model,
      contextWindow: contextWindow ?? WINDOW_TOKENS_DEFAULT,
      maxTokens: settings?.maxTokens,
      seesImages,
    };
    return { kind: "chat", ref, open: () => this.#provider(backend)(chat) };
  }

  #backend(ref: string): Backend | Echo | OfPlugin {
    const { provider, model } = splitModel(ref);
    if (this.#options.plugins.has(provider)) return { api: "plugin", id: provider, model };
    if (provider !== "echo") return toBackend(ref, this.#options.config(), this.#options.env);
    if (model === "echo") return { api: "echo" };
    throw new RpcError("not_found", `Cannot open model "${ref}": its provider has only ${ECHO_MODEL}`);
  }

  /** Past the bound the oldest is forgotten. */
  #provider({ api, endpoint }: Exclude<Backend, { api: "acp" }>): ChatProvider {
    const key = JSON.stringify([api, endpoint]);
    const known = this.#kept.get(key);
    if (known) return known;
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= PROVIDERS_KEPT_MAX && oldest !== undefined) this.#kept.delete(oldest);
    const create = api === "anthropic-messages" ? createAnthropicProvider : createOpenAiProvider;
    const made = create(endpoint, this.#options);
    this.#kept.set(key, made);
    return made;
  }
}

type Other = { readonly ref: string; readonly backend: Extract<Backend, { api: "acp" }> | OfPlugin };

/** An agent that is not ours: a program beside us, or a plugin's. */
function openOther({ acp, plugins }: RunnerOptions, { ref, backend }: Other, environment: AgentEnvironment) {
  if (backend.api === "acp") return acp.open(ref, backend.program, environment);
  return plugins.open(backend.id, { ...environment, model: backend.model });
}

async function openWhole(
  options: RunnerOptions,
  { ref, backend }: Found,
  environment: AgentEnvironment,
): Promise<AgentRuntime | undefined> {
  if (backend instanceof RpcError || (backend.api !== "acp" && backend.api !== "plugin")) return undefined;
  return openOther(options, { ref, backend }, environment);
}

function errorOf([first]: readonly Found[]): Error {
  return first?.backend instanceof RpcError ? first.backend : new Error("no model to open");
}
