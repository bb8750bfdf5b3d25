import type { RawMessageStreamEvent } from "@anthropic-ai/sdk/resources/messages";
import { AnthropicAnswer } from "./anthropic-answer.ts";
import { type SaidBlocks, toConversation } from "./anthropic-messages.ts";
import { Exchange } from "./exchange.ts";
import { type Target, toEarlyEnd, toFault, toRpcError, toStreamError } from "./failures.ts";
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

/** What `state` events of this model hold; another model's are not for it. */
type OwnState = { readonly ref: string; readonly said: SaidBlocks };

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
  let isOpen = false;
  try {
    // Not `messages.create`, which writes to the console about models that will be retired.
    const options = { body: bodyOf(asked, request), stream: true, signal: exchange.signal };
    const stream: Events = await client.post("/v1/messages", options);
    isOpen = true;
    for await (const event of stream) {
      yield* answer.take(event);
      exchange.heard(answer.chars);
      if (answer.isFinished) exchange.settle();
    }
  } catch (error) {
    if (signal.aborted) return;
    // Finished but for its end mark: nothing is missing.
    if (!answer.isFinished) {
      if (exchange.fault !== undefined) throw toFault(exchange.fault, target);
      throw isOpen ? toStreamError(error, target) : toRpcError(error, target, ports.clock);
    }
  } finally {
    exchange.stop();
  }
  if (signal.aborted) return;
  if (!answer.isFinished) throw toEarlyEnd(exchange, answer.isEmpty, target);
  for (const event of answer.end()) {
    if (event.type !== "state") yield event;
    else yield { type: "state", state: { ref: target.model, said: event.state } };
  }
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
    // Ours are the only ones with this model's name: see `complete`.
    .map((state) => state as OwnState)
    .filter(({ ref }) => ref === target.model)
    .map(({ said }) => said);
  return { model, max_tokens: maxTokens, stream: true, ...toConversation(request, states, seesImages) };
}
