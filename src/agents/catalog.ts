import { messageOf, RpcError } from "../contract/errors.ts";
import type { Clock, Timers } from "../ports.ts";
import { ECHO_MODEL } from "./echo.ts";
import type { FetchLike } from "./exchange.ts";
import { listAt, type ListedModel } from "./model-list.ts";
import {
  type AgentsConfigView,
  type Backend,
  BUILT_IN,
  type Env,
  isProvider,
  type ModelConfig,
  type ModelCost,
  modelConfig,
  partsOf,
  PROGRAM_MODEL,
  providerConfig,
  toProvider,
} from "./providers.ts";
import { familyWindow } from "./windows.ts";

/** A model that can be named in `agents.defaults.model`. */
export type CatalogModel = {
  /** `provider/model` */
  readonly id: string;
  readonly name: string;
  readonly provider: string;
  readonly contextWindow?: number;
  readonly reasoning?: boolean;
  /** The configuration says something of it. */
  readonly isConfigured: boolean;
};

export type ModelList = {
  readonly models: CatalogModel[];
  /** Providers that could not be asked, and why in words. */
  readonly failed: { readonly provider: string; readonly message: string }[];
};

export type CatalogOptions = {
  /** The configuration now in force. */
  config(): AgentsConfigView;
  /** The models that agents are configured with. */
  named(): readonly string[];
  readonly env: Env;
  readonly fetch: FetchLike;
  readonly timers: Timers;
  readonly clock: Clock;
};

/** Who can be asked, and what it costs. */
export type Catalog = {
  /** Never rejects. */
  listModels(): Promise<ModelList>;
  /** What the configuration says a model costs. */
  priceOf(ref: string): ModelCost | undefined;
};

/** New models appear seldom; a server that was down may be back in a moment. */
const KEPT_MS = 600_000;
const FAILURE_KEPT_MS = 30_000;

/** More than any client can show; some routers list several hundred. */
const MODELS_MAX = 2_000;

type Source = {
  readonly provider: string;
  readonly backend: Backend | RpcError;
  readonly isOptional: boolean;
};
type Answer = { readonly listed: readonly ListedModel[] } | { readonly message: string };
type Kept = { readonly answer: Promise<Answer>; untilMs: number };

export function createCatalog(options: CatalogOptions): Catalog {
  const { clock } = options;
  const kept = new Map<string, Kept>();

  function answerOf({ backend }: Source): Promise<Answer> {
    if (backend instanceof RpcError) return Promise.resolve({ message: backend.message });
    // What else it has it says when it runs, and it is not started for a list.
    if (backend.api === "acp") return Promise.resolve({ listed: [{ id: PROGRAM_MODEL }] });
    const key = keyOf(backend);
    const known = kept.get(key);
    if (known !== undefined && known.untilMs > clock.elapsed()) return known.answer;
    const answer = ask(backend, options);
    // Whoever asks while it is being asked waits for the same answer.
    const mine: Kept = { answer, untilMs: Infinity };
    kept.set(key, mine);
    return answer.then((got) => {
      mine.untilMs = clock.elapsed() + ("message" in got ? FAILURE_KEPT_MS : KEPT_MS);
      return got;
    });
  }

  return {
    async listModels() {
      const config = options.config();
      const sources = sourcesOf(config, options.env);
      const wanted = new Set(sources.flatMap(({ backend }) => keysOf(backend)));
      for (const key of kept.keys()) if (!wanted.has(key)) kept.delete(key);
      const answers = await Promise.all(sources.map(answerOf));
      return collect(sources, answers, { config, named: options.named() });
    },
    priceOf: (ref) => modelConfig(ref, options.config())?.cost,
  };
}

function keysOf(backend: Backend | RpcError): string[] {
  return backend instanceof RpcError || backend.api === "acp" ? [] : [keyOf(backend)];
}

type Listing = Exclude<Backend, { api: "acp" }>;

function keyOf({ api, endpoint }: Listing): string {
  return JSON.stringify([api, endpoint]);
}

/** Those of the configuration, then those that need none: vendors with a key, Ollama if it answers. */
function sourcesOf(config: AgentsConfigView, env: Env): Source[] {
  const configured = Object.keys(config.models?.providers ?? {});
  const builtIn = BUILT_IN.filter((name) => name !== "echo" && !configured.includes(name));
  return [
    ...configured.map((provider) => ({ provider, isOptional: false })),
    ...builtIn.map((provider) => ({ provider, isOptional: true })),
  ].flatMap((one) => {
    const backend = look(one.provider, config, env);
    return one.isOptional && backend instanceof RpcError ? [] : [{ ...one, backend }];
  });
}

function look(provider: string, config: AgentsConfigView, env: Env): Backend | RpcError {
  try {
    return toProvider(provider, { config, env, doing: `list models of "${provider}"` });
  } catch (error) {
    if (error instanceof RpcError) return error;
    throw error;
  }
}

async function ask(backend: Listing, options: CatalogOptions): Promise<Answer> {
  try {
    return { listed: await listAt(backend, { ...options, modelsMax: MODELS_MAX }) };
  } catch (error) {
    return { message: messageOf(error) };
  }
}

type Configured = { readonly config: AgentsConfigView; readonly named: readonly string[] };

/** Those of the providers' own lists, and those that agents are to use. */
function configuredModels(sources: readonly Source[], { config, named }: Configured): CatalogModel[] {
  const described = sources.flatMap(({ provider }) =>
    (providerConfig(provider, config)?.models ?? []).map((model) => ({ provider, model })),
  );
  const used = [...new Set(named)].flatMap((ref) => {
    const { provider, model: id } = partsOf(ref) ?? {};
    // What nobody can open is told where it is configured.
    if (provider === undefined || id === undefined || !isProvider(provider, config)) return [];
    return modelConfig(ref, config) === undefined ? [{ provider, model: { id } }] : [];
  });
  return [...described, ...used].map(({ provider, model }) =>
    toModel(provider, model, { isConfigured: true }),
  );
}

function collect(sources: readonly Source[], answers: readonly Answer[], configured: Configured): ModelList {
  const { config } = configured;
  const models = new Map(configuredModels(sources, configured).map((model) => [model.id, model]));
  const failed: { provider: string; message: string }[] = [];
  if (!models.has(ECHO_MODEL))
    models.set(ECHO_MODEL, toModel("echo", { id: "echo" }, { isConfigured: false }));
  for (const [place, { provider, isOptional }] of sources.entries()) {
    const answer = answers[place] ?? { listed: [] };
    if ("message" in answer) {
      if (!isOptional || provider !== "ollama") failed.push({ provider, message: answer.message });
      continue;
    }
    for (const listed of answer.listed) {
      const id = `${provider}/${listed.id}`;
      const known = models.get(id);
      if (known === undefined && models.size >= MODELS_MAX) continue;
      const settings = known && modelConfig(id, config);
      models.set(
        id,
        toModel(provider, { ...listed, ...given(settings) }, { isConfigured: known !== undefined }),
      );
    }
  }
  return { models: [...models.values()], failed };
}

/** Without what is not said, which would hide what the server says. */
function given(settings: ModelConfig | undefined): Partial<ModelConfig> {
  return Object.fromEntries(Object.entries(settings ?? {}).filter(([, value]) => value !== undefined));
}

function toModel(
  provider: string,
  model: Pick<ModelConfig, "id" | "name" | "contextWindow" | "reasoning">,
  { isConfigured }: Pick<CatalogModel, "isConfigured">,
): CatalogModel {
  const { id, name = id, reasoning } = model;
  const contextWindow = model.contextWindow ?? (provider === "ollama" ? undefined : familyWindow(id));
  return {
    id: `${provider}/${id}`,
    name,
    provider,
    ...(contextWindow !== undefined && { contextWindow }),
    ...(reasoning !== undefined && { reasoning }),
    isConfigured,
  };
}
