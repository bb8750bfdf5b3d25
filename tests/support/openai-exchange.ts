import type { IncomingMessage, ServerResponse } from "node:http";

/** How a request ended, and when by `performance.now()`. */
export interface RequestEnd {
  readonly how: "answered" | "cut" | "aborted";
  readonly atMs: number;
}

/** One chat completion that was asked for. */
export interface SeenRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
  readonly model: string;
  /** Their texts; the whole of them is in `body`. */
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  /** For a `gated` answer: lets that many more events out. For a `gated` cut: lets it happen. */
  release(events?: number): void;
  /** `aborted`: the client closed the connection before the answer was whole. */
  readonly ended: Promise<RequestEnd>;
}

/** One request as the server works on it. */
export interface Exchange {
  readonly seen: SeenRequest;
  readonly response: ServerResponse;
  readonly wantsStream: boolean;
  readonly wantsUsage: boolean;
  /** Resolves when one more gated event may go out, or never if the client has gone. */
  readonly gate: () => Promise<void>;
  /** What follows is our doing. */
  cutting(): void;
  readonly isGone: () => boolean;
}

export function createExchange(from: {
  request: IncomingMessage;
  response: ServerResponse;
  body: Record<string, unknown>;
  model: string;
}): Exchange {
  const { request, response, body, model } = from;
  const waiting: (() => void)[] = [];
  let permits = 0;
  let how: RequestEnd["how"] = "aborted";
  let isGone = false;
  const ended = new Promise<RequestEnd>((resolve) => {
    response.on("finish", () => (how = how === "cut" ? how : "answered"));
    response.on("close", () => {
      isGone = true;
      resolve({ how, atMs: performance.now() });
    });
  });
  const messages = (body["messages"] as unknown[]).map((message) => {
    const { role, content } = toRecord(message);
    return { role: String(role), content: wordsIn(content) };
  });
  const release = (events = 1): void => {
    permits += events;
    for (; permits > 0 && waiting.length > 0; permits -= 1) waiting.shift()?.();
  };
  const gate = (): Promise<void> => {
    if (permits === 0) return new Promise((resolve) => waiting.push(resolve));
    permits -= 1;
    return Promise.resolve();
  };
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
  );
  return {
    seen: { headers, body, model, messages, release, ended },
    response,
    wantsStream: body["stream"] === true,
    wantsUsage: toRecord(body["stream_options"])["include_usage"] === true,
    gate,
    cutting: () => void (how = "cut"),
    isGone: () => isGone,
  };
}

/** The text of a message's content, whether it is one or in parts. */
function wordsIn(content: unknown): string {
  if (!Array.isArray(content)) return typeof content === "string" ? content : "";
  const texts = content.map((part) => toRecord(part)["text"]);
  return texts.filter((text) => typeof text === "string").join("");
}

export function toRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
