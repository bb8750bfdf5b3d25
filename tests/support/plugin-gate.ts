import type { Capable } from "../../src/plugins/run/in-process.ts";
import type { PluginGate } from "../../src/plugins/running.ts";

/** What a plugin has said through its gate. */
export interface MemoryGate extends PluginGate {
  readonly events: { readonly event: string; readonly payload: object }[];
  readonly lines: string[];
  readonly states: string[];
  readonly errors: unknown[];
  readonly denials: string[];
  readonly requests: { readonly method: string; readonly params: object }[];
  readonly received: { readonly channel: string; readonly accountId: string; readonly text: string }[];
}

interface Answers {
  readonly request?: (method: string, params: Readonly<Record<string, unknown>>) => unknown;
}

/** A gate that keeps in memory what goes through it. */
export function createMemoryGate({ request = () => ({}) }: Answers = {}): MemoryGate {
  const values = new Map<string, unknown>();
  const gate: MemoryGate = {
    events: [],
    lines: [],
    states: [],
    errors: [],
    denials: [],
    requests: [],
    received: [],
    publish: (event, payload) => void gate.events.push({ event, payload }),
    log: (level, message) => void gate.lines.push(`${level} ${message}`),
    store: {
      get: async (key) => values.get(key),
      set: async (key, value) => void values.set(key, structuredClone(value)),
      async setMany(all) {
        for (const [key, value] of Object.entries(all)) {
          if (value === undefined) values.delete(key);
          else values.set(key, structuredClone(value));
        }
      },
      delete: async (key) => void values.delete(key),
      list: async ({ prefix = "", after = "", limit = 1_000 } = {}) =>
        [...values]
          .filter(([key]) => key.startsWith(prefix) && key > after)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .slice(0, limit)
          .map(([key, value]) => ({ key, value })),
    },
    async request(method, params) {
      gate.requests.push({ method, params });
      return request(method, params);
    },
    async receive(channel, accountId, { text }) {
      gate.received.push({ channel, accountId, text });
      return "accepted";
    },
    state: ({ id }, { state }) => void gate.states.push(`${id} ${state}`),
    denied: (capability, what) => void gate.denials.push(`${capability} ${what}`),
    failed: (error) => void gate.errors.push(error),
  };
  return gate;
}

/** What a plugin may reach that tests of other things give it: the network, and nothing else. */
export function plainCapable(): Capable {
  return {
    fetch,
    env: () => undefined,
    files: {
      readText: async () => undefined,
      writeText: async () => {},
      list: async () => [],
      remove: async () => {},
    },
    exec: async () => ({ code: 0, stdout: "", stderr: "" }),
    globals: {},
  };
}
