import type { RawMessageStreamEvent } from "@anthropic-ai/sdk/resources/messages";
import { AnthropicAnswer } from "./anthropic-answer.ts";
import { type SaidBlocks, toConversation } from "./anthropic-messages.ts";
import { Exchange } from "./exchange.ts";
import type { Target } from "./failures.ts";
import { hear, type OwnState } from "./hear.ts";
import type { ModelEvent, ModelRequest } from "./model.ts";
import {
  type ChatProvider,
  type Endpoint,
  type EndpointPorts,
  LIBRARY_TIMEOUT_MS,
  type ModelSettings,
  NO_KEY,
  RETRIES,
} from "./endpoint.ts";
import { answerTokens } from "./windows.ts";

/** The version of the interface that we speak. */
const VERSION = "2023-06-01";

/** What one model of the server is asked with. */
type Asked = {
  readonly endpoint: Endpoint;
  readonly ports: EndpointPorts;
  readonly settings: ModelSettings;
  readonly target: Target;
};

/** @returns the models of one server that speaks Anthropic's messages */
export function createAnthropicProvider(endpoint: Endpoint, ports: EndpointPorts): ChatProvider {
  const { provider, baseUrl, apiKey } = endpoint;
  const { host } = new URL(baseUrl);
  return (settings) => {
    const ref = `${provider}/${settings.model}`;
    const asked: Asked = { endpoint, ports, settings, target: { model: ref, host, apiKey } };
    return {
      ref,
      contextWindow: settings.contextWindow,
      complete: (request, signal) => complete(asked, request, signal),
    };
  };
}

/** What the interface wants in every request: the credential, if there is one, and its version. */
export function anthropicHeaders(apiKey: string | undefined): Readonly<Record<string, string>> {
  return { "anthropic-version": VERSION, ...(apiKey !== undefined && { "x-api-key": apiKey }) };
}

/** Both forms of the address are met, with the version's path and without. */
export function anthropicRoot(baseUrl: string): string {
  return baseUrl.replace(/\/+$/, "").replace(/\/v1$/, "");
}

type Events = AsyncIterable<RawMessageStreamEvent>;

async function* complete(
  asked: Asked,
  request: ModelRequest,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent> {
  if (signal.aborted) return;
  const { ports, endpoint, target } = asked;
  // Loaded by the first prompt: it costs 50 ms and 13 MiB. A failure here is our own.
  const { Anthropic } = await import("@anthropic-ai/sdk");
  const exchange = new Exchange(signal, { ...ports, headers: anthropicHeaders(endpoint.apiKey) });
  const client = createClient(Anthropic, endpoint, exchange);
  const answer = new AnthropicAnswer();
  yield* hear({
    exchange,
    answer,
    target,
    clock: ports.clock,
    signal,
    hasEnded: () => false,
    // Not `messages.create`, which writes to the console about models that will be retired.
    open: (): Promise<Events> =>
      client.post("/v1/messages", { body: bodyOf(asked, request), stream: true, signal: exchange.signal }),
  });
}

type Library = typeof import("@anthropic-ai/sdk").Anthropic;

function createClient(Anthropic: Library, endpoint: Endpoint, exchange: Exchange): InstanceType<Library> {
  return new Anthropic({
    baseURL: anthropicRoot(endpoint.baseUrl),
    // Said, because the library looks for what is missing in the environment and in files.
    apiKey: endpoint.apiKey ?? NO_KEY,
    webhookKey: null,
    openTelemetry: false,
    logLevel: "off",
    fetch: exchange.fetch,
    maxRetries: RETRIES,
    timeout: LIBRARY_TIMEOUT_MS,
  });
}

function bodyOf({ settings, target }: Asked, request: ModelRequest): Record<string, unknown> {
  const { model, seesImages, maxTokens = answerTokens(model) } = settings;
  const states = request.states
    // Ours are the only ones with this model's name: see `hear`.
    .map((state) => state as OwnState<SaidBlocks>)
    .filter(({ ref }) => ref === target.model)
    .map(({ said }) => said);
  return { model, max_tokens: maxTokens, stream: true, ...toConversation(request, states, seesImages) };
}
