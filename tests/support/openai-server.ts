import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Answer, completion, sseEvents, type Usage, wordsOf } from "./openai-chunks.ts";
import { createExchange, type Exchange, type SeenRequest, toRecord } from "./openai-exchange.ts";

/** What the server does with one chat completion. */
export type Behaviour =
  | ({ readonly kind: "answer" } & Answer)
  /** An error; the body is OpenAI's error object around `message`, or `body` as it is. */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Headers;
      readonly message?: string;
      readonly body?: string;
    }
  /**
   * The stream ends early: connection reset, closed without an end mark, or closed inside an event. With
   * `gated` only after `release`: a reset may take with it what the client has not read yet.
   */
  | {
      readonly kind: "cut";
      readonly how: "reset" | "close" | "mid_event";
      readonly after: readonly string[];
      readonly gated?: boolean;
    }
  /** Nothing more comes: not even a status line, or not another event after these words. */
  | { readonly kind: "stall"; readonly after?: readonly string[] }
  /** A 200 with exactly these bytes, in odd pieces. */
  | { readonly kind: "raw"; readonly headers?: Headers; readonly body: string };

type Headers = Readonly<Record<string, string>>;

export interface OpenAiServer {
  /** Base URL, as in `http://127.0.0.1:PORT/v1`. */
  readonly url: string;
  /** Where `/api/tags` is. */
  readonly origin: string;
  readonly requests: readonly SeenRequest[];
  /** The next chat completion that nobody has taken yet, come or coming. */
  next(): Promise<SeenRequest>;
  /** For the next requests of any model, one each. */
  queue(...behaviours: Behaviour[]): void;
  /** For each request of this model without a queued one: one after the other, the last for ever. */
  on(model: string, ...behaviours: Behaviour[]): void;
  stop(): Promise<void>;
}

export interface OpenAiServerOptions {
  /** Asked of every request; without it none is. */
  readonly apiKey?: string;
  /** Answers 400 to `stream_options`, as old servers do. */
  readonly refusesStreamOptions?: boolean;
  /** Answers 400 to `tools` for these models, in these words, as Ollama does. */
  readonly toolless?: Readonly<Record<string, string>>;
  /** What `GET /v1/models` lists instead of the scripted models. */
  readonly models?: readonly Readonly<Record<string, unknown>>[];
  /** What `/api/tags` of Ollama lists; without it the server is no Ollama. */
  readonly tags?: readonly Readonly<Record<string, unknown>>[];
}

/** An OpenAI-compatible server on loopback, on a port the system picks. Unscripted it repeats the message. */
export async function startOpenAiServer(options: OpenAiServerOptions = {}): Promise<OpenAiServer> {
  const state = new State(options);
  const server = createServer((request, response) => {
    void state.serve(request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    origin: `http://127.0.0.1:${port}`,
    requests: state.requests,
    next: () => state.next(),
    queue: (...behaviours) => void state.queued.push(...behaviours),
    on: (model, ...behaviours) => void state.byModel.set(model, behaviours),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

class State {
  readonly requests: SeenRequest[] = [];
  readonly queued: Behaviour[] = [];
  readonly byModel = new Map<string, Behaviour[]>();
  readonly #options: OpenAiServerOptions;
  readonly #waiting: ((request: SeenRequest) => void)[] = [];
  #taken = 0;

  constructor(options: OpenAiServerOptions) {
    this.#options = options;
  }

  next(): Promise<SeenRequest> {
    const come = this.requests[this.#taken++];
    return come ? Promise.resolve(come) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { apiKey, tags } = this.#options;
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const call = `${request.method} ${path}`;
    if (call === "GET /api/tags" && tags) return sendJson(response, 200, { models: tags });
    const credential = request.headers.authorization ?? "";
    if (apiKey !== undefined && credential !== `Bearer ${apiKey}`) {
      const shown = credential.replace(/^Bearer /, "");
      return sendError(response, 401, `Incorrect API key provided: ${shown}.`);
    }
    if (call === "GET /v1/models") {
      const data =
        this.#options.models ??
        [...this.byModel.keys()].map((id) => ({
          id,
          object: "model",
          created: 1_700_000_000,
          owned_by: "test",
        }));
      return sendJson(response, 200, { object: "list", data });
    }
    if (call !== "POST /v1/chat/completions") return sendError(response, 404, `Invalid URL (${call})`);
    const body = toRecord(JSON.parse(await readText(request)));
    const { model, messages } = body;
    if (typeof model !== "string") return sendError(response, 400, "you must provide a model parameter");
    if (!Array.isArray(messages) || messages.length === 0)
      return sendError(response, 400, "[] is too short - 'messages'");
    const flaw = flawOf(messages);
    if (flaw !== undefined) return sendError(response, 400, flaw);
    const exchange = createExchange({ request, response, body, model });
    this.#announce(exchange.seen);
    if (this.#options.refusesStreamOptions && "stream_options" in body) {
      return sendError(response, 400, "Unrecognized request argument supplied: stream_options");
    }
    const refusal = this.#options.toolless?.[model];
    if (refusal !== undefined && "tools" in body) return sendError(response, 400, refusal);
    await behave(exchange, this.#behaviour(exchange.seen));
  }

  #announce(seen: SeenRequest): void {
    this.requests.push(seen);
    this.#waiting.shift()?.(seen);
  }

  #behaviour(seen: SeenRequest): Behaviour {
    const queued = this.queued.shift();
    if (queued) return queued;
    const scripted = this.byModel.get(seen.model) ?? [];
    const next = scripted.length > 1 ? scripted.shift() : scripted[0];
    return next ?? { kind: "answer", text: wordsOf(`Heard: ${seen.messages.at(-1)?.content ?? ""}`) };
  }
}

/** What OpenAI's own server refuses of a conversation with tools. */
function flawOf(messages: readonly unknown[]): string | undefined {
  let open: string[] = [];
  for (const { role, tool_calls: calls, tool_call_id: id } of messages.map(toRecord)) {
    if (role === "tool") {
      const at = open.indexOf(String(id));
      if (at === -1) return "messages with role 'tool' must be a response to a preceding 'tool_calls'";
      open.splice(at, 1);
      continue;
    }
    if (open.length > 0) return `tool_call_ids did not have response messages: ${open.join(", ")}`;
    open = (Array.isArray(calls) ? calls : []).map((call) => String(toRecord(call)["id"]));
    if (new Set(open).size !== open.length) return "Duplicate tool call ids";
    for (const call of Array.isArray(calls) ? calls : []) {
      const { name, arguments: args } = toRecord(toRecord(call)["function"]);
      if (!/^[\w-]{1,64}$/.test(String(name))) return `Invalid function name: ${String(name)}`;
      if (typeof args !== "string") return "arguments must be a string";
    }
  }
  return open.length > 0 ? `tool_call_ids did not have response messages: ${open.join(", ")}` : undefined;
}

async function behave(exchange: Exchange, behaviour: Behaviour): Promise<void> {
  const { response } = exchange;
  switch (behaviour.kind) {
    case "status": {
      const { status, headers, message = "scripted", body } = behaviour;
      if (body === undefined) return sendError(response, status, message, headers);
      response.writeHead(status, { "content-type": "text/html", ...headers }).end(body);
      return;
    }
    case "answer":
      return await answer(exchange, behaviour);
    case "stall":
      if (behaviour.after) await stream(exchange, { text: behaviour.after, finish: null, done: false });
      return;
    case "cut":
      return await cut(exchange, behaviour);
    case "raw":
      response.writeHead(200, { "content-type": "text/event-stream", ...behaviour.headers });
      await sendOdd(exchange, behaviour.body);
      response.end();
  }
}

async function answer(exchange: Exchange, content: Answer): Promise<void> {
  const { response, seen, wantsStream } = exchange;
  if (!wantsStream) return sendJson(response, 200, completion(seen.model, content, usageOf(seen, content)));
  await stream(exchange, content);
  if (!exchange.isGone()) response.end();
}

async function cut(exchange: Exchange, behaviour: Extract<Behaviour, { kind: "cut" }>): Promise<void> {
  const { response } = exchange;
  const { how, after, gated } = behaviour;
  await stream(exchange, { text: after, finish: null, done: false });
  if (gated) await exchange.gate();
  exchange.cutting();
  if (how === "mid_event")
    await sendOdd(exchange, 'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"con');
  if (how === "reset") response.destroy();
  else response.end();
}

async function stream(exchange: Exchange, content: Answer): Promise<void> {
  const { response, seen, wantsUsage } = exchange;
  const headers = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" };
  response.writeHead(200, headers);
  const usage = wantsUsage && content.usage !== null ? usageOf(seen, content) : undefined;
  for (const event of sseEvents(seen.model, content, usage)) {
    if (content.gated) await exchange.gate();
    if (exchange.isGone()) return;
    await sendOdd(exchange, event);
  }
}

/** Sizes of the pieces on the wire: they end inside lines, inside characters, between the two line ends. */
const ODD_BYTES = [1, 7, 2, 31, 3, 61, 5];

async function sendOdd(exchange: Exchange, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let from = 0, turn = 0; from < bytes.length && !exchange.isGone(); turn += 1) {
    const size = ODD_BYTES[turn % ODD_BYTES.length] ?? 1;
    exchange.response.write(bytes.subarray(from, from + size));
    from += size;
    // Lets the piece leave by itself.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function usageOf(seen: SeenRequest, content: Answer): Usage {
  if (content.usage) return content.usage;
  const prompt = seen.messages.reduce((sum, message) => sum + wordsOf(message.content).length, 0);
  const said = (content.text ?? []).length + (content.thinking ?? []).length;
  return { prompt_tokens: prompt, completion_tokens: said, total_tokens: prompt + said };
}

// --- plumbing ---

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString("utf8");
}

function sendJson(response: ServerResponse, status: number, body: unknown, headers: Headers = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

function sendError(response: ServerResponse, status: number, message: string, headers: Headers = {}): void {
  const type = status === 429 ? "rate_limit_error" : status >= 500 ? "server_error" : "invalid_request_error";
  sendJson(response, status, { error: { message, type, param: null, code: null } }, headers);
}
