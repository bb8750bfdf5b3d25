import type { JSONRPCMessage, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { Timers } from "../../ports.ts";
import { type FetchLike, readStart } from "../exchange.ts";
import { MCP } from "./bounds.ts";
import type { Reach } from "./definition.ts";
import type { Link } from "./link.ts";
import type { News } from "./news.ts";

export interface HttpLinkPorts {
  readonly fetch: FetchLike;
  readonly timers: Timers;
  readonly news: News;
  readonly Library: typeof StreamableHTTPClientTransport;
}

/** What the library's class has, under types that this compiler's strictness takes. */
type LibraryTransport = Link["transport"] & Pick<StreamableHTTPClientTransport, "terminateSession">;

type Body = ReadableStream<Uint8Array> | null;

/** One request of the library: the id of its message, if it wants an answer, and how the library ends it. */
interface Asked {
  readonly id: unknown;
  readonly signal: AbortSignal | undefined;
}

/** After the end of a stream its last message may still be on its way through the library. */
const SETTLE_MS = 1_000;

/** Distance of the tries to follow a stream again. */
const RECONNECT_MS = 1_000;
const RECONNECT_MS_MAX = 30_000;

/** Talks to a server over streamable HTTP, by the library's transport over our own `fetch`. */
export function openHttpLink({ url, headers }: Extract<Reach, { kind: "http" }>, ports: HttpLinkPorts): Link {
  const session = new HttpSession(ports);
  const transport: LibraryTransport = new ports.Library(new URL(url), {
    fetch: session.fetch,
    requestInit: { headers: checked(headers) },
    // Ours follows none: a header of ours goes to the host it was configured for and to no other.
    redirectPolicy: "follow",
    // What the server asks to wait may be nothing at all, or more than a timer takes.
    reconnectionScheduler: (reconnect, waitMs) =>
      ports.timers.after(Math.min(Math.max(waitMs, RECONNECT_MS), RECONNECT_MS_MAX), reconnect),
  });
  session.transport = transport;
  return {
    transport,
    problem: () => session.problem,
    opened: () => session.watchAnswers(),
    onError: (error) => session.onError(error),
    close: () => session.close(),
  };
}

class HttpSession {
  transport: LibraryTransport | undefined;
  readonly #ports: HttpLinkPorts;
  readonly #asked = new Set<unknown>();
  #isOpen = false;
  #problem: string | undefined;
  #closed: Promise<void> | undefined;

  constructor(ports: HttpLinkPorts) {
    this.#ports = ports;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  /** For the library: no redirects, and no answer without a bound. */
  readonly fetch: FetchLike = async (input, init) => {
    const id = requestId(init?.body);
    if (id !== undefined) this.#asked.add(id);
    try {
      const response = await this.#ports.fetch(input, { ...init, redirect: "manual" });
      return await this.#receive(response, { id, signal: init?.signal ?? undefined });
    } catch (error) {
      this.#asked.delete(id);
      // Nobody is there: whoever comes back later knows nothing of our session.
      if (init?.signal?.aborted !== true) this.#fail("it cannot be reached");
      throw error;
    }
  };

  async #receive(response: Response, asked: Asked): Promise<Response> {
    const { status, statusText, headers } = response;
    if (!response.ok) {
      this.#asked.delete(asked.id);
      // It was started anew, or has forgotten us. Without a session there is nothing to forget.
      const hasSession = this.transport?.sessionId !== undefined;
      if (hasSession && (status === 404 || status === 400)) this.#fail("it has forgotten the session");
      const text = (await readStart(response.body, MCP.errorBytesMax)) || null;
      return new Response(status === 204 ? null : text, { status, statusText, headers });
    }
    const isStream = headers.get("content-type")?.startsWith("text/event-stream") ?? false;
    const body = isStream ? this.#watch(response.body, asked) : bounded(response.body);
    return new Response(status === 204 ? null : body, { status, statusText, headers });
  }

  /** From here on the library's client has its own listener on the transport. */
  watchAnswers(): void {
    const { transport } = this;
    if (transport === undefined) return;
    this.#isOpen = true;
    this.#asked.clear();
    const inner = transport.onmessage;
    transport.onmessage = (message, extra) => {
      if (isAnswer(message)) this.#asked.delete(message.id);
      inner?.(message, extra);
    };
  }

  onError(error: Error): void {
    // The library gives up a stream without a word to those who wait for an answer on it.
    if (error.message.startsWith("Maximum reconnection attempts")) this.#fail("its stream was cut off");
  }

  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    const { transport } = this;
    if (this.#problem === undefined && this.#isOpen) {
      const said = transport?.terminateSession().catch(() => {
        // It ends by itself when nobody asks for it any more.
      });
      await Promise.race([
        said,
        new Promise<void>((resolve) => void this.#ports.timers.after(MCP.closeMs, resolve)),
      ]);
    }
    await transport?.close();
  }

  #fail(problem: string): void {
    if (this.#closed !== undefined || !this.#isOpen) return;
    this.#problem = problem;
    void this.close();
  }

  /** The events of one answer, as they come: an endless line is cut, an end without the answer is told. */
  #watch(body: Body, { id, signal }: Asked): Body {
    if (body === null) return null;
    const reader = body.getReader();
    const lines = new LineWatch();
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read();
          if (done) {
            controller.close();
            // With an id the library asks for the rest of the stream.
            if (!lines.hasId) this.#ports.timers.after(SETTLE_MS, () => this.#miss(id));
            return;
          }
          if (!lines.take(value)) throw new Error("an event without an end");
          controller.enqueue(value);
        } catch (error) {
          controller.error(error);
          if (lines.isEndless) this.#fail(`it sent a message of more than ${MCP.messageBytesMax} bytes`);
          else if (!lines.hasId && signal?.aborted !== true) this.#miss(id);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    });
  }

  #miss(id: unknown): void {
    if (id !== undefined && this.#asked.has(id)) this.#fail("it cut off its answer");
  }
}

/** Follows the lines of an event stream without keeping them. */
class LineWatch {
  hasId = false;
  isEndless = false;
  readonly #latin1 = new TextDecoder("latin1");
  #start = "";
  #bytes = 0;

  /** @returns false when a line has no end */
  take(bytes: Uint8Array): boolean {
    let from = 0;
    for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, from)) {
      this.#see(bytes.subarray(from, at));
      this.#start = "";
      this.#bytes = 0;
      from = at + 1;
    }
    this.#see(bytes.subarray(from));
    this.isEndless ||= this.#bytes > MCP.messageBytesMax;
    return !this.isEndless;
  }

  #see(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    if (this.#start.length >= 4) return;
    this.#start = (this.#start + this.#latin1.decode(bytes.subarray(0, 4))).slice(0, 4);
    if (this.#start.startsWith("id:")) this.hasId = true;
  }
}

/** One JSON answer. */
function bounded(body: Body): Body {
  if (body === null) return null;
  let bytes = 0;
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.length;
      if (bytes > MCP.messageBytesMax) controller.error(new Error("an answer without an end"));
      else controller.enqueue(chunk);
    },
  });
  return body.pipeThrough(count);
}

/** The id of the one request in this body, if it is one. */
function requestId(body: unknown): unknown {
  if (typeof body !== "string") return undefined;
  const message: unknown = JSON.parse(body);
  if (typeof message !== "object" || message === null || !("method" in message)) return undefined;
  return "id" in message ? message.id : undefined;
}

function isAnswer(
  message: JSONRPCMessage,
): message is Extract<JSONRPCMessage, { id?: unknown }> & { id: unknown } {
  return "id" in message && !("method" in message);
}

/** The runtime's own error for such a header would hold its value. */
function checked(headers: Readonly<Record<string, string>>): Record<string, string> {
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
      throw new Error(`its header ${JSON.stringify(name)} has no valid name`);
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
      throw new Error(`its header "${name}" has characters that no header takes`);
    }
  }
  return { ...headers };
}
