import type { ChatCompletionChunk, ChatCompletionMessageParam } from "openai/resources/chat/completions";
import type { RpcError } from "../contract/errors.ts";
import type { AgentEvent, AgentRuntime, AgentTurn, Clock, Timers } from "../ports.ts";
import { Answer } from "./answer.ts";
import { Exchange, type FetchLike } from "./exchange.ts";
import { refusesStreamOptions, type Target, toFault, toRpcError, toStreamError } from "./failures.ts";

/** An OpenAI-compatible server, as configured. */
export type OpenAiEndpoint = {
  /** The first half of its model references. */
  readonly provider: string;
  /** With its version path, as in `http://127.0.0.1:11434/v1`. */
  readonly baseUrl: string;
  /** Servers at home often want none: then no credential is sent. */
  readonly apiKey?: string;
};

export type OpenAiPorts = { readonly fetch: FetchLike; readonly timers: Timers; readonly clock: Clock };

/** Tries after the first one, with the library's pauses (0.5 to 8 s, or what the server asks for). */
const RETRIES = 2;

/** The library's own deadline, out of the way: `Exchange` bounds every wait. The longest a timer takes. */
const LIBRARY_TIMEOUT_MS = 2 ** 31 - 1;

/** Stands where the library insists on a key; it never leaves the process. */
const NO_KEY = "none";

/** @returns the agents of one server, by its own name for the model */
export function createOpenAiProvider(
  endpoint: OpenAiEndpoint,
  ports: OpenAiPorts,
): (model: string) => AgentRuntime {
  const { provider, baseUrl, apiKey } = endpoint;
  const { host } = new URL(baseUrl);
  const server: ServerState = { endpoint, ports, takesStreamOptions: true };
  return (model) => {
    const target: Target = { model: `${provider}/${model}`, host, apiKey };
    return { prompt: (turn, signal) => prompt({ server, model, target }, turn, signal) };
  };
}

type ServerState = {
  readonly endpoint: OpenAiEndpoint;
  readonly ports: OpenAiPorts;
  /** Until it has refused them once. */
  takesStreamOptions: boolean;
};

/** Which model, and where. */
type Asked = { readonly server: ServerState; readonly model: string; readonly target: Target };

async function* prompt(asked: Asked, turn: AgentTurn, signal: AbortSignal): AsyncGenerator<AgentEvent> {
  if (signal.aborted) return;
  const { server, target } = asked;
  const { ports, endpoint } = server;
  // Loaded by the first prompt: it costs a tenth of a second and 18 MB. A failure here is our own.
  const { OpenAI } = await import("openai");
  const exchange = new Exchange(signal, { ...ports, apiKey: endpoint.apiKey });
  const opener = createClient(OpenAI, endpoint, exchange);
  const answer = new Answer();
  let isOpen = false;
  try {
    const stream = await openStream(asked, opener, turn);
    isOpen = true;
    for await (const chunk of stream) {
      yield* answer.take(chunk);
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
  if (!answer.isFinished && !exchange.isDone) throw toEarlyEnd(exchange, answer, target);
  yield* answer.end();
}

/** The library ends a stream without a word when its request is aborted or its connection closed. */
function toEarlyEnd(exchange: Exchange, answer: Answer, target: Target): RpcError {
  if (exchange.fault !== undefined) return toFault(exchange.fault, target);
  const isStream = exchange.contentType === "text/event-stream" || !answer.isEmpty;
  return toFault(isStream ? "cut_off" : "not_a_stream", target, exchange.contentType);
}

type Library = typeof import("openai").OpenAI;
type Opener = { readonly client: InstanceType<Library>; readonly signal: AbortSignal };

function createClient(OpenAI: Library, endpoint: OpenAiEndpoint, exchange: Exchange): Opener {
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

async function openStream({ server, model }: Asked, opener: Opener, turn: AgentTurn): Promise<Chunks> {
  const { client, signal } = opener;
  const messages: ChatCompletionMessageParam[] = turn.messages.map(({ role, text }) => ({
    role,
    content: text,
  }));
  const create = (options: { stream_options?: { include_usage: boolean } }): Promise<Chunks> =>
    client.chat.completions.create({ model, messages, stream: true, ...options }, { signal });
  if (!server.takesStreamOptions) return await create({});
  try {
    return await create({ stream_options: { include_usage: true } });
  } catch (error) {
    if (!refusesStreamOptions(error)) throw error;
    server.takesStreamOptions = false;
    return await create({});
  }
}
