/**
 * A plugin started without a gateway, for its author's tests, as `gateway/plugin/testing`. What the gateway
 * holds, this holds: parameters and results fit their schemas, names begin with the id, registration ends
 * with `start`. What it answers for the world outside is what the test says.
 */
import { type Call, type HookAnswer, type HookEvent, type HookName, type Plugin, RpcError } from "./api.ts";
import type { PluginChannel, PluginMessage, PluginRequest, PluginResponse } from "./api.ts";
import type { PluginRoute, PluginStore } from "./api.ts";
import { createTestContext, type TestWorld } from "./testing-world.ts";

export type { TestWorld } from "./testing-world.ts";

type Json = Readonly<Record<string, unknown>>;

/** A plugin that has started. */
export interface TestedPlugin {
  /** Calls a method as a client does. @throws RpcError with the code that client would see */
  call(method: string, params?: Json): Promise<unknown>;
  /** Asks a route below `/plugins/ID`, its `auth` of the kind `own` included. @throws RpcError */
  http(method: PluginRoute["method"], path: string, request?: TestRequest): Promise<TestResponse>;
  /** Calls a tool as a model does. @returns what the model is told */
  tool(name: string, args: Json): Promise<string>;
  /** The answers of all hooks of that name, the later one winning. */
  hook<K extends HookName>(name: K, event: HookEvent<K>): Promise<HookAnswer<K>>;
  /** Runs a service until it returns or the plugin stops. @throws what it throws */
  service(name: string): Promise<void>;
  /** A channel, to call what the gateway calls. */
  channel(id: string): PluginChannel;
  /** What it has published so far, the first one first. */
  readonly events: readonly { readonly event: string; readonly payload: unknown }[];
  /** `level message`, the first one first. */
  readonly logs: readonly string[];
  /** Messages it gave to agents. */
  readonly sent: readonly { readonly sessionKey: string; readonly message: string }[];
  /** Messages it sent over channels, and `TestWorld.send` took. */
  readonly messages: readonly PluginMessage[];
  readonly store: PluginStore;
  /** As the gateway stops it. */
  stop(): Promise<void>;
}

export interface TestRequest {
  readonly query?: Readonly<Record<string, string>>;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON. */
  readonly body?: string | object;
}

export interface TestResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** Starts a plugin. @throws what its `start` throws; Error for a name or settings that its declarations refuse */
export async function startPlugin(plugin: Plugin, world: TestWorld = {}): Promise<TestedPlugin> {
  const made = createTestContext(plugin, world);
  const { methods } = plugin.contract;
  for (const name of [...Object.keys(methods), ...Object.keys(plugin.contract.events)])
    if (!name.startsWith(`${plugin.id}.`)) throw new Error(`its "${name}" has to begin with "${plugin.id}."`);
  const { handlers } = await plugin.start(made.context);
  made.seal();
  const named = <T>(found: T | undefined, kind: string, name: string): T => {
    if (found === undefined) throw new RpcError("not_found", `Cannot find ${kind} "${name}": there is none`);
    return found;
  };

  async function call(name: string, params: Json = {}): Promise<unknown> {
    const method = methods[name];
    const handler = handlers[name];
    if (!method || !handler)
      throw new RpcError("unknown_method", `Cannot call "${name}": there is no such method`);
    const read = method.params.safeParse(params);
    if (!read.success) throw new RpcError("invalid_params", `Cannot call "${name}": ${read.error.message}`);
    // What its schema has just read is what the handler declares.
    const answer: unknown = await handler(read.data as never, CALL);
    const checked = method.result.safeParse(answer);
    if (!checked.success)
      throw new Error(`"${name}" answered what it does not say: ${checked.error.message}`);
    return checked.data;
  }

  async function hook<K extends HookName>(name: K, event: HookEvent<K>): Promise<HookAnswer<K>> {
    let answer: object = {};
    for (const one of made.hooks) if (one.name === name) answer = { ...answer, ...(await one.work(event)) };
    // Put together of answers to this very name.
    return answer;
  }

  return {
    call,
    hook,
    http: (method, path, request) => ask(made.routes, { method, path, ...request }),
    async tool(name, args) {
      const tool = named(made.tools.get(name), "tool", name);
      const read = tool.input.safeParse(args);
      if (!read.success) throw new RpcError("invalid_params", `Cannot call "${name}": ${read.error.message}`);
      const { signal } = made.context;
      return tool.run(read.data, { sessionKey: "agent:main:main", signal, update: () => {} });
    },
    service: async (name) => named(made.services.get(name), "service", name)(made.context.signal),
    channel: (id) => named(made.channels.get(id), "channel", id),
    events: made.events,
    logs: made.logs,
    sent: made.sent,
    messages: made.messages,
    store: made.context.store,
    stop: made.stop,
  };
}

/** A client of this machine, with all rights. */
const CALL: Call = {
  caller: {
    connId: "test",
    subject: "test",
    name: "test",
    scopes: ["read", "write", "admin", "pairing", "approvals"],
    connectedMs: 0,
    onGone: () => () => {},
  },
  fail(code, message, extra) {
    throw new RpcError(code, message, extra);
  },
};

// --- routes ---

type Asked = TestRequest & { readonly method: string; readonly path: string };

async function ask(routes: readonly PluginRoute[], asked: Asked): Promise<TestResponse> {
  for (const route of routes) {
    const params = route.method === asked.method ? paramsOf(route.path, asked.path) : undefined;
    if (!params) continue;
    const request = requestOf(asked, params);
    const { auth } = route;
    if (auth?.kind === "own" && !(await auth.check(request)))
      throw new RpcError("unauthorized", `Cannot call "${asked.path}": refused`);
    return responseOf(await route.handle(request));
  }
  throw new RpcError("not_found", `Cannot find route "${asked.method} ${asked.path}": there is none`);
}

/** What the `:names` of a route's path stand for; undefined when it is another path. */
function paramsOf(pattern: string, path: string): Record<string, string> | undefined {
  const [wanted, given] = [pattern.split("/"), path.split("/")];
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [at, step] of wanted.entries()) {
    const word = given[at] ?? "";
    if (step.startsWith(":")) params[step.slice(1)] = decodeURIComponent(word);
    else if (step !== word) return undefined;
  }
  return params;
}

function requestOf(asked: Asked, params: Readonly<Record<string, string>>): PluginRequest {
  const { method, path, query = {}, headers = {}, body = "" } = asked;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return {
    ...{ method, path, params, query, headers },
    signal: new AbortController().signal,
    address: "127.0.0.1",
    body: new TextEncoder().encode(text),
    text: () => text,
    json() {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        // The parser's own words are of no use to a client.
        throw new RpcError("invalid_request", "Cannot read the body: it is no JSON");
      }
    },
  };
}

function responseOf({ status = 200, headers = {}, body = "" }: PluginResponse): TestResponse {
  if (typeof body === "string") return { status, headers, text: body };
  const text = body instanceof Uint8Array ? new TextDecoder().decode(body) : JSON.stringify(body);
  return { status, headers, text };
}
