import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type AnthropicSaid, messageEvents, type SaidBlock } from "./anthropic-events.ts";
import { flawOf } from "./anthropic-rules.ts";
import { wordsOf } from "./openai-chunks.ts";
import { createExchange, type Exchange, type SeenRequest, toRecord } from "./openai-exchange.ts";

/** What the server does with one message. */
export type AnthropicBehaviour =
  | ({ readonly kind: "answer" } & AnthropicSaid)
  /** An error; the body is Anthropic's error object around `message`, or `body` as it is. */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Headers;
      readonly type?: string;
      readonly message?: string;
      readonly body?: string;
    }
  /** The stream ends after these blocks: connection reset, closed, or closed inside an event. */
  | {
      readonly kind: "cut";
      readonly how: "reset" | "close" | "mid_event";
      readonly blocks: readonly SaidBlock[];
    }
  /** Nothing more comes: not even a status line, or not another event after these blocks. */
  | { readonly kind: "stall"; readonly blocks?: readonly SaidBlock[] }
  /** A 200 with exactly these bytes, in odd pieces. */
  | { readonly kind: "raw"; readonly headers?: Headers; readonly body: string };

type Headers = Readonly<Record<string, string>>;

export interface AnthropicServer {
  /** Base URL, without the version's path. */
  readonly url: string;
  /** Those that were well formed. */
  readonly requests: readonly SeenRequest[];
  /** The next message that nobody has taken yet, come or coming. */
  next(): Promise<SeenRequest>;
  /** For the next requests, one each. */
  queue(...behaviours: AnthropicBehaviour[]): void;
  stop(): Promise<void>;
}

export interface AnthropicServerOptions {
  /** Asked of every request; without it none is. */
  readonly apiKey?: string;
  /** What `GET /v1/models` lists. */
  readonly models?: readonly Readonly<Record<string, unknown>>[];
}

/** A server of Anthropic's messages on loopback, on a free port. Unscripted it repeats the message. */
export async function startAnthropicServer(options: AnthropicServerOptions = {}): Promise<AnthropicServer> {
  const state = new State(options);
  const server = createServer((request, response) => {
    void state.serve(request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests: state.requests,
    next: () => state.next(),
    queue: (...behaviours) => void state.queued.push(...behaviours),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

class State {
  readonly requests: SeenRequest[] = [];
  readonly queued: AnthropicBehaviour[] = [];
  readonly #options: AnthropicServerOptions;
  readonly #signed = new Set<string>();
  readonly #waiting: ((request: SeenRequest) => void)[] = [];
  #taken = 0;

  constructor(options: AnthropicServerOptions) {
    this.#options = options;
  }

  next(): Promise<SeenRequest> {
    const come = this.requests[this.#taken++];
    return come ? Promise.resolve(come) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { apiKey, models } = this.#options;
    const call = `${request.method} ${new URL(request.url ?? "/", "http://localhost").pathname}`;
    const key = request.headers["x-api-key"];
    if (apiKey !== undefined && key !== apiKey)
      return sendError(response, { status: 401, message: `invalid x-api-key ${String(key)}` });
    if (request.headers["anthropic-version"] === undefined)
      return sendError(response, { status: 400, message: "anthropic-version: header is required" });
    if (call === "GET /v1/models" && models)
      return sendJson(response, 200, { data: models, has_more: false, first_id: null, last_id: null });
    if (call !== "POST /v1/messages") return sendError(response, { status: 404, message: "Not Found" });
    const body = toRecord(JSON.parse(await readText(request)));
    const flaw = flawOf(body, this.#signed);
    if (flaw !== undefined) return sendError(response, { status: 400, message: flaw });
    const exchange = createExchange({ request, response, body, model: String(body["model"]) });
    this.requests.push(exchange.seen);
    this.#waiting.shift()?.(exchange.seen);
    const behaviour = this.queued.shift() ?? repeat(exchange.seen);
    for (const block of "blocks" in behaviour ? (behaviour.blocks ?? []) : [])
      if (block.type === "thinking") this.#signed.add(block.signature);
    await behave(exchange, behaviour);
  }
}

function repeat(seen: SeenRequest): AnthropicBehaviour {
  const text = wordsOf(`Heard: ${seen.messages.at(-1)?.content ?? ""}`);
  return { kind: "answer", blocks: [{ type: "text", text }] };
}

async function behave(exchange: Exchange, behaviour: AnthropicBehaviour): Promise<void> {
  const { response } = exchange;
  switch (behaviour.kind) {
    case "status":
      return sendError(response, behaviour);
    case "answer":
      await stream(exchange, behaviour);
      if (!exchange.isGone()) response.end();
      return;
    case "stall":
      if (behaviour.blocks) await stream(exchange, { blocks: behaviour.blocks, stop: null });
      return;
    case "cut":
      await stream(exchange, { blocks: behaviour.blocks, stop: null });
      // A reset may take with it what the client has not read yet.
      await exchange.gate();
      exchange.cutting();
      if (behaviour.how === "mid_event") await sendOdd(exchange, 'event: content_block_delta\ndata: {"ty');
      if (behaviour.how === "reset") response.destroy();
      else response.end();
      return;
    case "raw":
      response.writeHead(200, { "content-type": "text/event-stream", ...behaviour.headers });
      await sendOdd(exchange, behaviour.body);
      response.end();
  }
}

async function stream(exchange: Exchange, said: AnthropicSaid): Promise<void> {
  const headers = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" };
  exchange.response.writeHead(200, headers);
  for (const event of messageEvents(exchange.seen.model, said)) {
    if (said.gated) await exchange.gate();
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

// --- plumbing ---

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString("utf8");
}

function sendJson(response: ServerResponse, status: number, body: unknown, headers: Headers = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

const TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  529: "overloaded_error",
};

type Refusal = Omit<Extract<AnthropicBehaviour, { kind: "status" }>, "kind">;

function sendError(response: ServerResponse, refusal: Refusal): void {
  const { status, headers, type = TYPES[status] ?? "api_error", message = "scripted", body } = refusal;
  if (body !== undefined) {
    response.writeHead(status, { "content-type": "text/html", ...headers }).end(body);
    return;
  }
  sendJson(response, status, { type: "error", error: { type, message }, request_id: "req_1" }, headers);
}
