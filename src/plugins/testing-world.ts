import { type HookName, type Plugin, type PluginContext, type PluginRoute, RpcError } from "./api.ts";
import type { Clock, Fetch, PluginChannel, PluginMessage, PluginStore, PluginTool } from "./api.ts";
import type { RunEnd, Timers } from "./api.ts";

type Json = Readonly<Record<string, unknown>>;

/** What the world outside is. What is absent is refused as the gateway refuses it without a capability. */
export interface TestWorld {
  /** `plugins.entries.ID.config` */
  readonly config?: Json;
  /** What is stored already. */
  readonly stored?: Json;
  /** Environment variables it may see. */
  readonly env?: Readonly<Record<string, string>>;
  /** Files it may read and write, by absolute path; changed by what it writes. */
  readonly files?: Record<string, string>;
  /** Of its context. The global `fetch`, which a gateway replaces by this one, is the runtime's here. */
  readonly fetch?: Fetch;
  readonly exec?: PluginContext["exec"];
  /** Takes what it sends over channels. */
  readonly send?: PluginContext["send"];
  /** For a time of its own. Default: the system's. */
  readonly clock?: Clock;
  readonly timers?: Timers;
  /** What an agent answers to a message of the plugin. Default: the message itself. */
  readonly agent?: (message: string, sessionKey: string) => string | Promise<string>;
}

const CLOCK: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  dayStart(ms, hour) {
    const day = new Date(ms);
    if (day.getHours() < hour) day.setDate(day.getDate() - 1);
    return day.setHours(hour, 0, 0, 0);
  },
};

const TIMERS: Timers = {
  after(ms, work) {
    const timer = setTimeout(work, ms);
    return () => clearTimeout(timer);
  },
  every(ms, work) {
    const timer = setInterval(work, ms);
    return () => clearInterval(timer);
  },
};

/** What the plugin is given, and what it has made of that. */
export function createTestContext(plugin: Plugin, world: TestWorld) {
  const { id, contract } = plugin;
  const ended = new AbortController();
  const parts = {
    events: [] as { readonly event: string; readonly payload: unknown }[],
    logs: [] as string[],
    sent: [] as { readonly sessionKey: string; readonly message: string }[],
    messages: [] as PluginMessage[],
    routes: [] as PluginRoute[],
    hooks: [] as { readonly name: HookName; work(event: unknown): object | void | Promise<object | void> }[],
    tools: new Map<string, PluginTool>(),
    services: new Map<string, (signal: AbortSignal) => void | Promise<void>>(),
    channels: new Map<string, PluginChannel>(),
  };
  const stops: (() => void | Promise<void>)[] = [];
  let isSealed = false;
  const open = (): void => {
    if (isSealed) throw new Error("it can register only while it starts");
  };
  const log =
    (level: string) =>
    (message: string): void =>
      void parts.logs.push(`${level} ${message}`);
  const schema = contract.config?.();
  const settings = schema ? schema.parse(world.config ?? {}) : {};
  const context: PluginContext = {
    id,
    directory: "/plugin",
    config: () => settings,
    publish(event, payload) {
      const said = contract.events[event];
      if (!said) throw new Error(`it does not declare the event "${event}"`);
      parts.events.push({ event, payload: said.data.parse(payload) });
    },
    log: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
    clock: world.clock ?? CLOCK,
    timers: world.timers ?? TIMERS,
    store: createStore(world.stored ?? {}),
    sessions: createSessions(world, parts.sent),
    signal: ended.signal,
    http: (route) => (open(), void parts.routes.push(route)),
    service: (name, run) => (open(), void parts.services.set(name, run)),
    // Each is called with what its own schema reads.
    tool: (tool) => (open(), void parts.tools.set(tool.name, tool)),
    hook: (name, work) => (open(), void parts.hooks.push({ name, work })),
    agent: () => open(),
    channel: (channel) => (open(), void parts.channels.set(channel.id, channel)),
    onStop: (stop) => void stops.push(stop),
    ...outsideOf(world, parts.messages),
  };
  return {
    ...parts,
    context,
    seal: () => void (isSealed = true),
    async stop() {
      ended.abort();
      for (let stop = stops.pop(); stop; stop = stops.pop()) await stop();
    },
  };
}

function outsideOf(
  world: TestWorld,
  messages: PluginMessage[],
): Pick<PluginContext, "fetch" | "env" | "files" | "exec" | "send"> {
  const refuse = (what: string): Promise<never> =>
    Promise.reject(new RpcError("forbidden", `Cannot use ${what}: the test gives none`));
  const files = world.files;
  return {
    fetch: world.fetch ?? (() => refuse("the network")),
    env: (name) => world.env?.[name],
    exec: world.exec ?? (() => refuse("programs")),
    async send(message) {
      if (!world.send) return refuse("channels");
      const sent = await world.send(message);
      messages.push(message);
      return sent;
    },
    files: {
      readText: (path) => (files ? Promise.resolve(files[path]) : refuse("files")),
      writeText: async (path, text) => void (files ? (files[path] = text) : await refuse("files")),
      list: (path) => (files ? Promise.resolve(namesIn(Object.keys(files), path)) : refuse("files")),
      remove: async (path) => void (files ? delete files[path] : await refuse("files")),
    },
  };
}

function namesIn(paths: readonly string[], directory: string): string[] {
  const inside = paths.filter((path) => path.startsWith(`${directory}/`));
  return [...new Set(inside.map((path) => path.slice(directory.length + 1).split("/")[0] ?? ""))].toSorted();
}

function createStore(stored: Json): PluginStore {
  // Through JSON, as in a database: what is stored is a copy.
  const values = new Map(Object.entries(stored).map(([key, value]) => [key, JSON.stringify(value)]));
  const valueOf = (text: string | undefined): unknown => (text === undefined ? undefined : JSON.parse(text));
  const setMany = async (changes: Json): Promise<void> => {
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined) values.delete(key);
      else values.set(key, JSON.stringify(value));
    }
  };
  return {
    get: async (key) => valueOf(values.get(key)),
    set: (key, value) => setMany({ [key]: value }),
    setMany,
    delete: async (key) => void values.delete(key),
    async list({ prefix = "", after = "", limit = 1_000 } = {}) {
      const keys = [...values.keys()].filter((key) => key.startsWith(prefix) && key > after).toSorted();
      return keys.slice(0, limit).map((key) => ({ key, value: valueOf(values.get(key)) }));
    },
  };
}

function createSessions(
  { agent = (message) => message }: TestWorld,
  sent: { readonly sessionKey: string; readonly message: string }[],
): PluginContext["sessions"] {
  const runs = new Map<string, Promise<RunEnd>>();
  const said: { readonly sessionKey: string; role: string; text: string; ts: number }[] = [];
  return {
    async send({ sessionKey, message }) {
      sent.push({ sessionKey, message });
      said.push({ sessionKey, role: "user", text: message, ts: Date.now() });
      const runId = `run-${runs.size + 1}`;
      const end = Promise.resolve(agent(message, sessionKey)).then((text): RunEnd => {
        said.push({ sessionKey, role: "assistant", text, ts: Date.now() });
        return { runId, status: "ok", text };
      });
      runs.set(
        runId,
        end.catch((error: unknown) => ({ runId, status: "error", error: String(error) })),
      );
      return { runId, sessionKey };
    },
    async wait({ runId }) {
      const run = runs.get(runId);
      if (!run) throw new RpcError("not_found", `Cannot wait for run "${runId}": there is none`);
      return run;
    },
    inject: async (sessionKey, text) =>
      void said.push({ sessionKey, role: "assistant", text, ts: Date.now() }),
    abort: async () => {},
    history: async (sessionKey, limit = 50) =>
      said.filter((one) => one.sessionKey === sessionKey).slice(-limit),
  };
}
