import { onTestFinished } from "bun:test";
import { join } from "node:path";
import { createBunPlatform } from "../../src/platform/bun.ts";
import { createHosts, type Hosts } from "../../src/plugins/host/hosts.ts";
import type { PluginGate, PluginStart, RunningPlugin } from "../../src/plugins/running.ts";
import type { Call } from "../../src/feature.ts";
import { writePlugin } from "./plugin.ts";
import { createMemoryLog, type MemoryLog } from "./ports.ts";
import { tempDir } from "./temp.ts";

/** A gate that keeps what it is told. */
export interface MemoryGate extends PluginGate {
  readonly published: { readonly event: string; readonly payload: object }[];
  readonly logged: { readonly level: string; readonly message: string }[];
  readonly states: string[];
  readonly values: Map<string, unknown>;
  /** Resolves with the first error that it is told of. */
  readonly failure: Promise<Error>;
}

export function createMemoryGate(): MemoryGate {
  const { promise, resolve } = Promise.withResolvers<Error>();
  const values = new Map<string, unknown>();
  const setMany = async (given: Readonly<Record<string, unknown>>): Promise<void> => {
    for (const [key, value] of Object.entries(given))
      if (value === undefined) values.delete(key);
      else values.set(key, value);
  };
  const gate: MemoryGate = {
    published: [],
    logged: [],
    states: [],
    values,
    failure: promise,
    publish: (event, payload) => void gate.published.push({ event, payload }),
    log: (level, message) => void gate.logged.push({ level, message }),
    store: {
      get: async (key) => values.get(key),
      set: (key, value) => setMany({ [key]: value }),
      setMany,
      delete: (key) => setMany({ [key]: undefined }),
      list: async ({ prefix = "", after = "", limit } = {}) =>
        [...values]
          .filter(([key]) => key.startsWith(prefix) && key > after)
          .map(([key, value]) => ({ key, value }))
          .toSorted((a, b) => (a.key < b.key ? -1 : 1))
          .slice(0, limit),
    },
    request: async (method, params) => ({ method, params }),
    receive: async (channel, accountId, { text }) => {
      gate.states.push(`${channel}/${accountId}: ${text}`);
      return "accepted";
    },
    state: ({ kind, id }, { state }) => void gate.states.push(`${kind} ${id} ${state}`),
    denied: (capability, what) => void gate.states.push(`denied ${capability}: ${what}`),
    failed: (error) => resolve(error instanceof Error ? error : new Error(String(error))),
  };
  return gate;
}

interface TestHostsOptions {
  /** Folders that plugins are in, ours among them. Default: that one. */
  readonly places?: (own: string) => readonly string[];
}

/** Processes of plugins, and a folder of plugins. Inside a test only: all of them end with it. */
export interface TestHosts {
  readonly hosts: Hosts;
  readonly log: MemoryLog;
  /** Writes the plugin's code and says how it is started. */
  plugin(id: string, code: string, more?: Partial<PluginStart>): PluginStart;
}

export function createTestHosts(options: TestHostsOptions = {}): TestHosts {
  const { process, clock, timers, files, plugins: loader } = createBunPlatform();
  const directory = tempDir();
  const log = createMemoryLog();
  const { env, home } = process;
  const { places = (own) => [own] } = options;
  const hosts = createHosts({
    loader,
    process,
    clock,
    timers,
    log,
    files,
    env,
    home,
    places: () => places(directory),
  });
  onTestFinished(() => hosts.stop());
  return {
    hosts,
    log,
    plugin(id, code, more = {}) {
      const manifest = { id, version: "1.0.0", apiVersion: 1 };
      const folder = writePlugin(join(directory, id), { manifest, code });
      return {
        id,
        directory: folder,
        entry: join(folder, "index.ts"),
        config: {},
        grants: {},
        env: {},
        ...more,
      };
    },
  };
}

const call: Call = {
  caller: {
    connId: "conn-1",
    subject: "tester",
    name: "a test",
    scopes: ["read", "write"],
    connectedMs: 0,
    onGone: () => () => {},
  },
  fail(code, message) {
    throw new Error(`${code}: ${message}`);
  },
};

/** Calls a method as the table would. */
export async function callOf(plugin: RunningPlugin, method: string, params: object = {}): Promise<unknown> {
  const handler = plugin.handlers[method];
  if (!handler) throw new Error(`no handler of "${method}"`);
  // The table hands over what it has parsed.
  return handler(params as never, call);
}
