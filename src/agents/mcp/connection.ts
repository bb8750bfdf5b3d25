import type { Client, Progress } from "@modelcontextprotocol/client";
import type { Files, Process, Timers } from "../../ports.ts";
import { isObject } from "../../rpc/json.ts";
import { VERSION } from "../../version.ts";
import type { FetchLike } from "../exchange.ts";
import { MCP } from "./bounds.ts";
import type { Definition } from "./definition.ts";
import { openHttpLink } from "./http-link.ts";
import type { Link } from "./link.ts";
import type { News } from "./news.ts";
import { openProgramLink } from "./program-link.ts";
import { stateOf } from "./words.ts";

export interface ConnectionPorts {
  readonly files: Pick<Files, "stat" | "ensurePrivateDir">;
  readonly startProgram: Process["startProgram"];
  readonly fetch: FetchLike;
  readonly timers: Timers;
}

export interface ConnectionOptions {
  readonly news: News;
  readonly signal: AbortSignal;
  /** Its tools are others now. */
  onChange(): void;
  /** It ended by itself; not called after `close`. */
  onEnd(problem: string): void;
}

export interface CallOptions {
  readonly signal: AbortSignal;
  onProgress(progress: Progress): void;
}

/** One server that we have shaken hands with. */
export interface Connection {
  readonly pid: number | undefined;
  /** Why it ended; undefined while it holds. */
  problem(): string | undefined;
  /** What it lists, unchecked. */
  list(signal: AbortSignal): Promise<unknown[]>;
  /** What the tool answered, unchecked. Ends at once when the signal is aborted; the server is told. */
  call(name: string, args: Readonly<Record<string, unknown>>, options: CallOptions): Promise<unknown>;
  /** Never rejects. */
  close(): Promise<void>;
}

/** The library's own deadline, out of the way: every wait of ours has its own. The longest a timer takes. */
const LIBRARY_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Results are read leniently and by us: one odd part must not cost the rest, and no schema of a server is
 * compiled, which would run code made of what a stranger wrote.
 */
const UNCHECKED = {
  "~standard": { version: 1, vendor: "gateway", validate: (value: unknown) => ({ value }) },
} as const;

/** What the handshake of older versions is refused with where only this one is spoken. */
const REFUSED_VERSION = -32_022;
const ONLY_NEW = { versionNegotiation: { mode: { pin: "2026-07-28" } } } as const;

/** @throws what went wrong, the program stopped again */
export async function openConnection(
  definition: Definition,
  ports: ConnectionPorts,
  options: ConnectionOptions,
): Promise<Connection> {
  // Loaded by the first server that is used: it costs a tenth of a second and 25 MB.
  const library = await import("@modelcontextprotocol/client");
  const parts = { ...ports, ...options, library };
  try {
    return await shakeHands(definition, parts, {});
  } catch (error) {
    if (!mayBeTooNew(error) || options.signal.aborted) throw error;
    return await shakeHands(definition, parts, ONLY_NEW).catch((again: unknown) => {
      options.news.say("protocol", stateOf(again));
      throw error;
    });
  }
}

/** Over HTTP the refusal is in the body of a 400, which has other reasons too. */
function mayBeTooNew(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ("code" in error && error.code === REFUSED_VERSION) || ("status" in error && error.status === 400);
}

async function shakeHands(
  definition: Definition,
  parts: LinkParts,
  version: typeof ONLY_NEW | Record<never, never>,
): Promise<Connection> {
  const link = await openLink(definition, parts);
  // Nothing is offered: no sampling, no elicitation, no roots.
  const { library } = parts;
  const client = new library.Client({ name: "gateway", version: VERSION }, { capabilities: {}, ...version });
  listen(client, link, parts);
  try {
    await client.connect(link.transport, { signal: parts.signal, timeout: LIBRARY_TIMEOUT_MS });
  } catch (error) {
    const problem = link.problem();
    await link.close();
    throw problem === undefined ? error : new Error(problem, { cause: error });
  }
  link.opened();
  await subscribe(client, parts);
  return connectionOf(client, link, parts);
}

/** The newest version tells changes only to those who ask: first asked, then listed, nothing is missed. */
async function subscribe(client: Client, { news, timers }: LinkParts): Promise<void> {
  if (client.getProtocolEra() !== "modern" || !client.getServerCapabilities()?.tools?.listChanged) return;
  const asked = client
    .listen({ toolsListChanged: true }, { timeout: MCP.startMs })
    .catch((error: unknown) => news.say("protocol", stateOf(error)));
  let stop = (): void => {};
  await Promise.race([asked, new Promise<void>((resolve) => (stop = timers.after(MCP.closeMs, resolve)))]);
  stop();
}

type LinkParts = ConnectionPorts &
  ConnectionOptions & { readonly library: typeof import("@modelcontextprotocol/client") };

async function openLink({ reach }: Definition, parts: LinkParts): Promise<Link> {
  const { library, files, ...ports } = parts;
  if (reach.kind === "http") {
    return openHttpLink(reach, { ...ports, Library: library.StreamableHTTPClientTransport });
  }
  if ((await files.stat(reach.directory)) === undefined) {
    // The workspace is made by whoever first needs it; any other directory has to be there.
    if (!reach.isWorkspace) throw new Error(`its directory "${reach.directory}" is not there`);
    await files.ensurePrivateDir(reach.directory);
  }
  return await openProgramLink(reach, { ...ports, parse: library.parseJSONRPCMessage });
}

function listen(client: Client, link: Link, { news, onChange }: ConnectionOptions): void {
  client.onerror = (error) => {
    news.say("protocol", stateOf(error));
    link.onError(error);
  };
  client.setNotificationHandler("notifications/message", ({ params }) => {
    news.say(
      "log",
      `${params.level}: ${typeof params.data === "string" ? params.data : JSON.stringify(params.data)}`,
    );
  });
  client.setNotificationHandler("notifications/tools/list_changed", onChange);
}

function connectionOf(client: Client, link: Link, { news, onEnd }: ConnectionOptions): Connection {
  let isOurs = false;
  client.onclose = () => {
    if (!isOurs) onEnd(link.problem() ?? "it closed the connection");
  };
  // It may have ended between the handshake and this line.
  if (link.problem() !== undefined) client.onclose();
  return {
    pid: link.pid,
    problem: () => link.problem() ?? (isOurs ? "it was stopped" : undefined),
    list: (signal) => listAll(client, signal),
    call: (name, args, { signal, onProgress }) =>
      client.request({ method: "tools/call", params: { name, arguments: args } }, UNCHECKED, {
        signal,
        timeout: LIBRARY_TIMEOUT_MS,
        onprogress: onProgress,
      }),
    async close() {
      isOurs = true;
      await link.close().catch((error: unknown) => news.say("protocol", stateOf(error)));
    },
  };
}

async function listAll(client: Client, signal: AbortSignal): Promise<unknown[]> {
  if (client.getServerCapabilities()?.tools === undefined) return [];
  const tools: unknown[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < MCP.pagesMax && tools.length < MCP.listedMax; pages += 1) {
    const params = cursor === undefined ? {} : { cursor };
    const options = { signal, timeout: LIBRARY_TIMEOUT_MS };
    const page: unknown = await client.request({ method: "tools/list", params }, UNCHECKED, options);
    if (!isObject(page) || !Array.isArray(page["tools"]))
      throw new Error("it lists its tools in a way nobody can read");
    const listed: unknown[] = page["tools"];
    tools.push(...listed.slice(0, MCP.listedMax - tools.length));
    const next = page["nextCursor"];
    if (typeof next !== "string" || next === cursor) break;
    cursor = next;
  }
  return tools;
}
