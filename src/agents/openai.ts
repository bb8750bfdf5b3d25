import type {
  ChatCompletionChunk,
  ChatCompletionCreateParamsStreaming,
} from "openai/resources/chat/completions";
import { Answer, type AnswerState } from "./answer.ts";
import {
  type ChatProvider,
  type Endpoint,
  type EndpointPorts,
  LIBRARY_TIMEOUT_MS,
  type ModelSettings,
  NO_KEY,
  RETRIES,
} from "./endpoint.ts";
import { Exchange } from "./exchange.ts";
import { refusesStreamOptions, refusesTools, type Target } from "./failures.ts";
import { hear, type OwnState } from "./hear.ts";
import type { ModelEvent, ModelRequest } from "./model.ts";
import { toOpenAiMessages } from "./openai-messages.ts";

/** Models of one server that are remembered to take no tools. */
const TOOLLESS_MAX = 1_000;

/** @returns the models of one server, by its own name for the model */
export function createOpenAiProvider(endpoint: Endpoint, ports: EndpointPorts): ChatProvider {
  const { provider, baseUrl, apiKey } = endpoint;
  const { host } = new URL(baseUrl);
  const server: ServerState = { endpoint, ports, takesStreamOptions: true, toolless: new Set() };
  return (settings) => {
    const ref = `${provider}/${settings.model}`;
    const target: Target = { model: ref, host, apiKey };
    return {
      ref,
      contextWindow: settings.contextWindow,
      complete: (request, signal) => complete({ server, settings, target }, request, signal),
    };
  };
}

type ServerState = {
  readonly endpoint: Endpoint;
  readonly ports: EndpointPorts;
  /** Until it has refused them once. */
  takesStreamOptions: boolean;
  /** Models that have refused tools once. */
  readonly toolless: Set<string>;
};

/** Which model, and where. */
type Asked = { readonly server: ServerState; readonly settings: ModelSettings; readonly target: Target };

async function* complete(
  asked: Asked,
  request: ModelRequest,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent> {
  if (signal.aborted) return;
  const { server, target } = asked;
  const { ports, endpoint } = server;
  // Loaded by the first prompt: it costs a tenth of a second and 18 MB. A failure here is our own.
  const { OpenAI } = await import("openai");
  const { apiKey } = endpoint;
  const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  const exchange = new Exchange(signal, { ...ports, headers });
  const opener = createClient(OpenAI, endpoint, exchange);
  const answer = new Answer(`call_${request.messages.length}`);
  yield* hear({
    exchange,
    answer,
    target,
    clock: ports.clock,
    signal,
    hasEnded: () => exchange.isDone,
    open: () => openStream(asked, opener, request),
  });
}

type Library = typeof import("openai").OpenAI;
type Opener = { readonly client: InstanceType<Library>; readonly signal: AbortSignal };

function createClient(OpenAI: Library, endpoint: Endpoint, exchange: Exchange): Opener {
  const client = new OpenAI({
    baseURL: endpoint.baseUrl,
    apiKey: endpoint.apiKey ?? NO_KEY,
    // Said, because the library reads what is missing from the environment.
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    logLevel: "off",
    fetch: exchange.fetch,
    maxRetries: RETRIES,
    timeout: LIBRARY_TIMEOUT_MS,
  });
  return { client, signal: exchange.signal };
}

type Chunks = AsyncIterable<ChatCompletionChunk>;

/** Asks once more without what a server has refused, and remembers. */
async function openStream(asked: Asked, opener: Opener, request: ModelRequest): Promise<Chunks> {
  const { server, settings } = asked;
  for (;;) {
    try {
      const body = bodyOf(asked, request);
      return await opener.client.chat.completions.create(body, { signal: opener.signal });
    } catch (error) {
      if (server.takesStreamOptions && refusesStreamOptions(error)) server.takesStreamOptions = false;
      else if (offersTools(asked, request) && refusesTools(error)) rememberToolless(server, settings.model);
      else throw error;
    }
  }
}

function bodyOf(asked: Asked, request: ModelRequest): ChatCompletionCreateParamsStreaming {
  const { server, settings, target } = asked;
  const { model, seesImages, maxTokens } = settings;
  const states = request.states
    // Ours are the only ones with this model's name: see `hear`.
    .map((state) => state as OwnState<AnswerState>)
    .filter(({ ref }) => ref === target.model)
    .map(({ said }) => said);
  // OpenAI's newer models refuse the older name, most other servers know no other.
  const bound = target.host === "api.openai.com" ? "max_completion_tokens" : "max_tokens";
  return {
    model,
    messages: toOpenAiMessages(request.messages, { states, seesImages }),
    stream: true,
    ...(server.takesStreamOptions && { stream_options: { include_usage: true } }),
    ...(maxTokens !== undefined && { [bound]: maxTokens }),
    ...(offersTools(asked, request) && {
      tools: request.tools.map(({ name, description, inputSchema }) => ({
        type: "function" as const,
        function: { name, description, parameters: { ...inputSchema } },
      })),
    }),
  };
}

function offersTools({ server, settings }: Asked, request: ModelRequest): boolean {
  return request.tools.length > 0 && !server.toolless.has(settings.model);
}

function rememberToolless({ toolless }: ServerState, model: string): void {
  const [oldest] = toolless;
  if (toolless.size >= TOOLLESS_MAX && oldest !== undefined) toolless.delete(oldest);
  toolless.add(model);
}
