import { RpcError } from "../contract/errors.ts";
import type { AgentRuntime, Clock, Log, Runner, Timers } from "../ports.ts";
import type { DetectedModel } from "./detect.ts";
import { createEchoRuntime, ECHO_MODEL } from "./echo.ts";
import type { FetchLike } from "./exchange.ts";
import { createFallbackRuntime } from "./fallback.ts";
import { createOpenAiProvider } from "./openai.ts";
import { type AgentsConfigView, type Env, splitModel, toEndpoint } from "./providers.ts";

export type RunnerOptions = {
  /** The configuration now in force; read each time a model is opened. */
  config(): AgentsConfigView;
  readonly env: Env;
  /** Asked when no model is named. */
  detect(): Promise<DetectedModel>;
  readonly fetch: FetchLike;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly log: Log;
};

/** Providers remembered over changes of the configuration; an older one is made again when it returns. */
const PROVIDERS_KEPT_MAX = 32;

type Provider = ReturnType<typeof createOpenAiProvider>;

/** The agents behind `provider/model`, by the configuration of the moment. */
export function createRunner(options: RunnerOptions): Runner {
  const kept = new Map<string, Provider>();
  const runtimeOf = (ref: string): AgentRuntime => {
    const { provider, model } = splitModel(ref);
    if (provider === "echo") return echoOf(model, options.timers);
    const endpoint = toEndpoint(ref, options.config(), options.env);
    return keep(kept, JSON.stringify(endpoint), () => createOpenAiProvider(endpoint, options))(model);
  };
  return {
    open: async (models) => {
      const [first = (await options.detect()).model, ...rest] = models;
      if (rest.length === 0) return { model: first, runtime: runtimeOf(first) };
      const candidates = [first, ...rest].map((model) => ({ model, open: () => runtimeOf(model) }));
      return { model: first, runtime: createFallbackRuntime(candidates, options.log) };
    },
  };
}

function echoOf(model: string, timers: Timers): AgentRuntime {
  if (model === "echo") return createEchoRuntime(timers);
  throw new RpcError("not_found", `Cannot open model "echo/${model}": its provider has only ${ECHO_MODEL}`);
}

/** The value of this key, made when it is missing; past the bound the oldest is forgotten. */
function keep(kept: Map<string, Provider>, key: string, make: () => Provider): Provider {
  const known = kept.get(key);
  if (known) return known;
  const [oldest] = kept.keys();
  if (kept.size >= PROVIDERS_KEPT_MAX && oldest !== undefined) kept.delete(oldest);
  const made = make();
  kept.set(key, made);
  return made;
}
