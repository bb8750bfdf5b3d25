// A server of tools over streamable HTTP, written by hand so that it can also misbehave.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: ReturnType<typeof JSON.parse>;
}

export interface SeenHttp {
  readonly method: string;
  readonly headers: Headers;
  readonly message: Message | undefined;
}

/** What a call of a tool of this name gets; a tool it does not know is answered with its own name. */
type Reply = (message: Message, answer: (result: unknown) => string) => Response | Promise<Response>;

export interface McpHttpServer {
  readonly url: string;
  readonly host: string;
  readonly seen: readonly SeenHttp[];
  /** Forgets all sessions, as a restart does. */
  forget(): void;
  /** Ends the streams of those that listen. */
  hangUp(): void;
  /** Resolves when this method has been asked for, with a message of this method if one is named. */
  asked(method: string, message?: string): Promise<SeenHttp>;
  /** Resolves when this method has been asked for so often. */
  askedTimes(method: string, times: number): Promise<void>;
  stop(): Promise<void>;
}

interface Options {
  readonly tools?: Readonly<Record<string, Reply>>;
  /** Answers everything else than a known tool. */
  readonly all?: (request: Request) => Response | undefined;
  /** Has a stream for what it says unasked. */
  readonly listens?: boolean;
  readonly port?: number;
}

const EVENTS = { "content-type": "text/event-stream" };

/** An event stream of these texts, left open or broken off at its end. */
export function events(texts: readonly string[], end: "close" | "stall" | "break" = "close"): Response {
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      for (const text of texts) controller.enqueue(new TextEncoder().encode(text));
      if (end === "close") controller.close();
      // What was said has to leave first.
      if (end === "break") setTimeout(() => controller.error(new Error("broken off")), 20);
    },
  });
  return new Response(body, { headers: EVENTS });
}

export const eventOf = (json: string): string => `event: message\ndata: ${json}\n\n`;

export async function startMcpHttpServer(options: Options = {}): Promise<McpHttpServer> {
  const { tools = {}, all, listens = false } = options;
  const seen: SeenHttp[] = [];
  const waiting = new Set<() => void>();
  const streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
  let sessions = new Set<string>();

  function open(): Response {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        streams.add(controller);
        controller.enqueue(new TextEncoder().encode(": hello\n\n"));
      },
    });
    return new Response(body, { headers: EVENTS });
  }

  async function serve(request: Request): Promise<Response> {
    const text = await request.text();
    const message: Message | undefined = text === "" ? undefined : JSON.parse(text);
    const { method, headers } = request;
    seen.push({ method, headers, message });
    for (const look of [...waiting]) look();
    const special = all?.(request);
    if (special) return special;
    if (message?.method === "initialize") return initialize(message);
    if (!sessions.has(headers.get("mcp-session-id") ?? ""))
      return new Response("no session", { status: 404 });
    if (method === "DELETE") return new Response(null, { status: 200 });
    if (method === "GET") return listens ? open() : new Response(null, { status: 405 });
    if (message?.id === undefined) return new Response(null, { status: 202 });
    return await answer(message);
  }

  function initialize({ id, params }: Message): Response {
    const session = `session-${sessions.size}-${Math.random()}`;
    sessions.add(session);
    const result = {
      protocolVersion: params.protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: "t", version: "1" },
    };
    return Response.json({ jsonrpc: "2.0", id, result }, { headers: { "mcp-session-id": session } });
  }

  async function answer(message: Message): Promise<Response> {
    const { id, method, params } = message;
    const json = (result: unknown): string => JSON.stringify({ jsonrpc: "2.0", id, result });
    if (method === "tools/list") {
      const listed = ["plain", ...Object.keys(tools)].map((name) => ({
        name,
        inputSchema: { type: "object" },
      }));
      return new Response(json({ tools: listed }), { headers: { "content-type": "application/json" } });
    }
    const tool = tools[params.name];
    if (tool) return await tool(message, json);
    return events([eventOf(json({ content: [{ type: "text", text: params.name }] }))]);
  }

  const server = createServer((request, response) => {
    void readRequest(request)
      .then(serve)
      .then((answered) => write(response, answered))
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  function until<T>(find: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = find();
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
    });
  }

  return {
    url: `http://${host}/mcp`,
    host,
    seen,
    forget: () => void (sessions = new Set()),
    hangUp() {
      for (const stream of streams) stream.close();
      streams.clear();
    },
    asked: (method, name) =>
      until(() => seen.find((one) => one.method === method && (!name || one.message?.method === name))),
    askedTimes: (method, times) =>
      until(() => (seen.filter((one) => one.method === method).length >= times ? null : undefined)).then(
        () => {},
      ),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readRequest(incoming: IncomingMessage): Promise<Request> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const { method = "GET", url = "/" } = incoming;
  const headers = Object.entries(incoming.headers).map(([name, value]): [string, string] => [
    name,
    String(value),
  ]);
  const body = chunks.length === 0 ? null : Buffer.concat(chunks);
  return new Request(`http://localhost${url}`, { method, headers, body });
}

/** Breaks the connection off where the body does. */
async function write(response: ServerResponse, { status, headers, body }: Response): Promise<void> {
  response.writeHead(status, Object.fromEntries(headers));
  response.flushHeaders();
  const reader = body?.getReader();
  response.once("close", () => void reader?.cancel().catch(() => {}));
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
    if (!response.write(next.value)) await new Promise((resolve) => response.once("drain", resolve));
  }
  response.end();
}
