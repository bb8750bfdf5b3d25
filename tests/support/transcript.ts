import { mismatch, named } from "./pattern.ts";

/** One end of a socket, however it is made. */
export interface WireClient {
  send(text: string): void;
  /** The next frame, or how the socket was closed. Rejects when neither comes in time. */
  next(): Promise<{ readonly frame: string } | { readonly closed: number }>;
  close(): void;
}

/** A gateway as a transcript meets it. */
export interface Wire {
  readonly token: string;
  open(options: {
    readonly protocol?: string;
    readonly headers: Record<string, string>;
  }): Promise<WireClient>;
  http(request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Record<string, string>;
    readonly body?: string;
  }): Promise<{
    readonly status: number;
    readonly text: string;
  }>;
}

/** Events that come when they like: a transcript that does not ask for them does not see them. */
const NOISE = new Set(["presence", "health", "tick", "sessions.changed", "agent"]);

/** Frames a `~` line may pass over before it gives up. */
const SKIPPED_MAX = 200;

const LONG = Array.from({ length: 400 }, (_, n) => `word${n}`).join(" ");
const NESTED = `{"id":"1","method":"health","params":${'{"a":'.repeat(64)}1${"}".repeat(65)}`;

/** A picture of one point. */
const PICTURE =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=";

/** What `$NAME` stands for. */
type Words = Map<string, string>;

interface Scene {
  readonly clients: Map<string, WireClient>;
  readonly words: Words;
}

interface Step {
  readonly line: number;
  readonly text: string;
}

/**
 * Plays a transcript against a gateway.
 *
 * `open NAME [bearer] [jsonrpc]`, `NAME> frame`, `NAME< pattern` (the next frame that is no noise), `NAME<~
 * pattern`
 * (the next frame that fits), `NAME! CODE` (closed), `close NAME`; `http METHOD PATH [bearer] [text] [host=…]
 * [origin=…] [body]` and `= STATUS [pattern]`. What a pattern calls `"<string NAME>"` is `$NAME` from there on.
 *
 * @throws Error naming the line, what was wanted and what came
 */
export async function playTranscript(text: string, wire: Wire): Promise<void> {
  const clients = new Map<string, WireClient>();
  const words: Words = new Map([
    ["TOKEN", wire.token],
    ["LONG", LONG],
    ["NESTED", NESTED],
    ["PICTURE", PICTURE],
  ]);
  const steps = text
    .split("\n")
    .map((line, index): Step => ({ line: index + 1, text: line.trim() }))
    .filter((step) => step.text !== "" && !step.text.startsWith("#"));
  let response: { status: number; text: string } | undefined;
  try {
    for (const { line, text: unfilled } of steps) {
      const step = fill(unfilled, words);
      try {
        if (step.startsWith("http ")) response = await request(step, wire);
        else if (step.startsWith("= ")) checkResponse(step, response);
        else await playSocket(step, { clients, words }, wire);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`line ${line}: ${step.slice(0, 200)}\n  ${reason}`);
      }
    }
  } finally {
    for (const client of clients.values()) client.close();
  }
}

function fill(line: string, words: Words): string {
  return line.replace(/\$(\w+)/g, (whole, name: string) => words.get(name) ?? whole);
}

async function playSocket(text: string, { clients, words }: Scene, wire: Wire): Promise<void> {
  const [word = "", name = "", ...options] = text.split(" ");
  if (word === "open") {
    const headers = options.includes("bearer") ? { authorization: `Bearer ${wire.token}` } : {};
    clients.set(
      name,
      await wire.open({ headers, ...(options.includes("jsonrpc") && { protocol: "jsonrpc" }) }),
    );
    return;
  }
  if (word === "close") {
    clients.get(name)?.close();
    return void clients.delete(name);
  }
  const match = /^(\w+)(>|<~|<|!) (.*)$/s.exec(text);
  const client = clients.get(match?.[1] ?? "");
  if (!match || !client) throw new Error("no such client or verb");
  const [, , verb, rest = ""] = match;
  if (verb === ">") return client.send(rest);
  if (verb === "!") return expectClose(client, Number(rest));
  const pattern: unknown = JSON.parse(rest);
  const frame = await expectFrame(client, pattern, verb === "<~");
  for (const [word, value] of named(frame, pattern)) words.set(word, value);
}

async function expectClose(client: WireClient, code: number): Promise<void> {
  for (;;) {
    const next = await client.next();
    if ("closed" in next) {
      if (next.closed !== code) throw new Error(`closed with ${next.closed}`);
      return;
    }
    if (!isNoise(JSON.parse(next.frame), {})) throw new Error(`came: ${next.frame}`);
  }
}

async function expectFrame(client: WireClient, pattern: unknown, isSearching: boolean): Promise<unknown> {
  const seen: string[] = [];
  for (let n = 0; n < SKIPPED_MAX; n++) {
    const next = await client.next().catch((error: unknown) => {
      throw new Error(`${String(error)}; came before: ${seen.slice(-8).join("\n    ").slice(0, 2_000)}`);
    });
    if ("closed" in next) throw new Error(`closed with ${next.closed}`);
    const frame: unknown = JSON.parse(next.frame);
    seen.push(next.frame.slice(0, 300));
    const problem = mismatch(frame, pattern);
    if (!problem) return frame;
    if (!isSearching && !isNoise(frame, pattern))
      throw new Error(`came: ${next.frame.slice(0, 1_000)}\n  ${problem}`);
  }
  throw new Error(`not among ${SKIPPED_MAX} frames`);
}

/** What events are called in both dialects. */
function eventName(frame: unknown): unknown {
  if (typeof frame !== "object" || frame === null) return undefined;
  if ("event" in frame) return frame.event;
  return "method" in frame ? frame.method : undefined;
}

function isNoise(frame: unknown, pattern: unknown): boolean {
  const name = eventName(frame);
  return typeof name === "string" && NOISE.has(name) && name !== eventName(pattern);
}

async function request(text: string, wire: Wire): Promise<{ status: number; text: string }> {
  const [, method = "", path = "", ...rest] = text.split(" ");
  const headers: Record<string, string> = {};
  if (method === "POST") headers["content-type"] = "application/json";
  while (rest[0] !== undefined && !/^[[{"]/.test(rest[0])) {
    const [name = "", value = ""] = rest.shift()?.split("=") ?? [];
    if (name === "bearer") headers["authorization"] = `Bearer ${wire.token}`;
    else if (name === "text") headers["content-type"] = "text/plain";
    else headers[name] = value;
  }
  const body = rest.join(" ");
  return wire.http({ method, path, headers, ...(body !== "" && { body }) });
}

function checkResponse(text: string, response: { status: number; text: string } | undefined): void {
  const [, status, ...rest] = text.split(" ");
  if (!response) throw new Error("no response");
  if (response.status !== Number(status))
    throw new Error(`came: ${response.status} ${response.text.slice(0, 500)}`);
  const pattern = rest.join(" ");
  if (pattern === "") return;
  const problem = mismatch(JSON.parse(response.text), JSON.parse(pattern));
  if (problem) throw new Error(`came: ${response.text.slice(0, 1_000)}\n  ${problem}`);
}
